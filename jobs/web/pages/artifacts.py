"""Files of jobs on their way to a browser: one by one, or all outputs as a zip that is made while it is sent."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from jobs.browse import detail
from jobs.core.filenames import valid_name
from jobs.models import Artifact, Job

#: What a browser may show in the page itself; everything else, SVG and HTML first of all, is downloaded.
SAFE_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
_CHUNK = 256 * 1024


@login_required
@require_GET
def artifact(request: HttpRequest, job_id: str, artifact_id: str) -> Any:
    """A file, as a download; with ?inline a safe image as itself."""
    job = _job(request, job_id)
    found = Artifact.objects.filter(job=job, id=artifact_id).first()
    if found is None:
        raise Http404("The job has no such file.")
    try:
        file = Artifact.storage().open(found.path)
    except FileNotFoundError:
        raise Http404("The file is not kept any more.") from None
    inline = "inline" in request.GET and found.content_type in SAFE_IMAGES
    response = FileResponse(
        file,
        as_attachment=not inline,
        filename=found.name,
        content_type=found.content_type or "application/octet-stream",
    )
    return _guarded(response)


@login_required
@require_GET
def outputs(request: HttpRequest, job_id: str) -> Any:
    """All files that the job made, as one zip."""
    job = _job(request, job_id)
    files = detail.outputs_of(job)
    if not files:
        raise Http404("The job has made no files.")
    response = StreamingHttpResponse(_zipped(files), content_type="application/zip")
    name = valid_name(job.title, "files")[:80]
    response["Content-Disposition"] = f'attachment; filename="{name.encode("ascii", "ignore").decode() or "files"}.zip"'
    return _guarded(response)


def _job(request: HttpRequest, job_id: str) -> Job:
    job = detail.find(job_id, request.user)
    if job is None:
        raise Http404("No such job.")
    return job


def _guarded(response: Any) -> HttpResponse:
    """What users upload must not run as a page of ours, whatever it claims to be."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, max-age=3600"
    return response


class _Sink(io.RawIOBase):
    """Takes what the zip writes, to be sent on."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.parts.append(bytes(data))
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def take(self) -> bytes:
        taken, self.parts = b"".join(self.parts), []
        return taken


def _zipped(files: list[Artifact]) -> Iterator[bytes]:
    """The bytes of a zip, in memory only a chunk at a time; results are mostly compressed already."""
    sink = _Sink()
    storage = Artifact.storage()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            if not storage.exists(file.path):
                continue
            info = zipfile.ZipInfo(PurePath(file.name).name or file.id, file.created.timetuple()[:6])
            with storage.open(file.path) as source, archive.open(info, "w", force_zip64=True) as target:
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
                    yield sink.take()
    yield sink.take()
