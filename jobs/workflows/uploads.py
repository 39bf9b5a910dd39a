"""Files that come along with a workflow, under names by which its steps ask for them."""

from collections.abc import Mapping
from typing import Any

from jobs.core.errors import Refused
from jobs.models import Artifact
from jobs.submit import quota
from jobs.submit.files import store

#: What stands in a parameter for a file that comes along: upload:NAME.
UPLOAD = "upload:"


def with_stored(spec: Any, files: Any, user: Any) -> Any:
    """Store the files; the spec with their ids in place of upload:NAME. Raises Refused for a file that none names,
    OverQuota."""
    named = {text.removeprefix(UPLOAD) for text in _texts(spec) if text.startswith(UPLOAD)}
    if unused := sorted(set(files) - named):
        raise Refused({name[:100]: [f"No step names this file: give {UPLOAD}{name[:100]} in one."] for name in unused})
    came = [upload for name in files for upload in files.getlist(name)]
    quota.check_uploads(user, len(came), sum(upload.size for upload in came))
    stored: dict[str, list[Artifact]] = {}
    for name in files:
        stored[name] = [store(upload, user) for upload in files.getlist(name)]
        Artifact.objects.bulk_create(stored[name])
    return _replaced(spec, {f"{UPLOAD}{name}": [artifact.id for artifact in rows] for name, rows in stored.items()})


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else []
    return [text for part in parts for text in _texts(part)]


def _replaced(value: Any, ids: Mapping[str, list[str]]) -> Any:
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, Mapping):
        return {name: _replaced(part, ids) for name, part in value.items()}
    if not isinstance(value, list):
        return value
    known = [ids.get(part, [part]) if isinstance(part, str) else [_replaced(part, ids)] for part in value]
    return [one for some in known for one in some]
