"""Inputs on their way into the storage."""

from typing import Any

from jobs.core.fields import FileRef
from jobs.core.filenames import save_whole, shown_name, stored_name
from jobs.models import Artifact
from jobs.models.artifact import new_artifact_id


def store(upload: Any, owner: Any = None) -> Artifact:
    """Write an uploaded file into the storage; the unsaved Artifact that describes it.

    The bytes are written before the row: a crash between leaves a file that clean-up finds, never a row without a file.
    """
    artifact_id = new_artifact_id()
    name = shown_name(str(upload.name))
    path = save_whole(Artifact.storage(), f"inputs/{artifact_id[:2]}/{artifact_id}/{stored_name(name)}", upload)
    return Artifact(
        id=artifact_id,
        owner=owner,
        is_input=True,
        name=name,
        content_type=(getattr(upload, "content_type", "") or "")[:100],
        size=upload.size,
        path=path,
    )


def reference(artifact: Artifact) -> dict[str, Any]:
    return FileRef(artifact.id, artifact.name, artifact.size, artifact.path).as_json()


def place(files: dict[str, list[Any]], owner: Any) -> tuple[dict[str, list[dict[str, Any]]], list[Artifact], list[str]]:
    """Store every new upload.

    Answers the references by field, the new (unsaved) artifacts, and the ids of those that were there before.
    """
    references: dict[str, list[dict[str, Any]]] = {}
    fresh: list[Artifact] = []
    kept: list[str] = []
    for name, uploads in files.items():
        references[name] = []
        for upload in uploads:
            if isinstance(upload, FileRef):
                kept.append(upload.artifact)
                references[name].append(upload.as_json())
            else:
                artifact = store(upload, owner)
                fresh.append(artifact)
                references[name].append(reference(artifact))
    return references, fresh, kept
