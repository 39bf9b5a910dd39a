"""The kind "export" over the finished jobs of a whole site, in each format: its memory is to be bounded."""

import json
import sys
import time
from argparse import Namespace

from benchmarks.alone import measured
from benchmarks.site import site
from benchmarks.told import figure, tell

#: Peak of the process's own memory [MB], however many jobs there are.
BUDGET = 250.0


def run(options: Namespace) -> None:
    from jobs.kinds._export.writers import FORMATS

    count = max(options.sizes)
    with site(postgres=options.postgres) as here:
        here.seed()
        here.python("-m", "benchmarks.rows", str(count))
        for name, (_, label, _) in FORMATS.items():
            cost = measured("benchmarks.export", name, environment=here.environment)
            tell(
                f"memory of an export of {count:,} jobs, {label}", cost.own, "MB", budget=BUDGET,
                note=f"with mapped pages of the database {cost.resident:,.0f} MB; {figure(cost.said['seconds'])} s, "
                f"{figure(cost.said['megabytes'])} MB written",
            )  # fmt: skip


def export(name: str) -> None:
    """In a process with the site's environment."""
    import django

    django.setup()
    from benchmarks.work import bare_context
    from jobs.kinds.export import ExportJobs

    form = ExportJobs.Form({"format": name})
    assert form.is_valid(), form.errors
    began = time.perf_counter()
    with bare_context("bench") as ctx:
        result = ExportJobs().run(form.cleaned_data, ctx)
        seconds, size = time.perf_counter() - began, sum(ctx.saved.values())
    print(json.dumps({"seconds": seconds, "megabytes": size / 1e6, "jobs": result["jobs"]}))


if __name__ == "__main__":
    export(sys.argv[1])
