"""What tests of the kind "import" share: one import run on a file, as a worker would."""

from django.core.files.uploadedfile import SimpleUploadedFile

from jobs.kinds.import_jobs import ImportJobs
from jobs.models import Job


def form(content, name="jobs.csv", **params):
    content = content.encode() if isinstance(content, str) else content
    return ImportJobs.Form({"kind": "add", "rows": "all", **params}, {"table": SimpleUploadedFile(name, content)})


def run(ctx, content, name="jobs.csv", **params):
    filled = form(content, name, **params)
    assert filled.is_valid(), filled.errors
    content = content.encode() if isinstance(content, str) else content
    return ImportJobs().run({**filled.cleaned_data, "table": [ctx.upload(name, content)]}, ctx)


def numbers():
    return [(job.params["x"], job.params["y"]) for job in Job.objects.order_by("seq")]
