"""Kinds that do nothing: what remains is the line itself."""

from typing import Any

from jobs.core.kind import Context, Kind


class NoopCpu(Kind):
    """Do nothing, in the cpu pool."""

    slug, label, pool = "noop-cpu", "Nothing, in the cpu pool", "cpu"
    idempotent = True

    def run(self, params: dict[str, Any], ctx: Context) -> Any:
        return None


class NoopIo(Kind):
    """Do nothing, in the io pool."""

    slug, label, pool = "noop-io", "Nothing, in the io pool", "io"
    idempotent = True

    def run(self, params: dict[str, Any], ctx: Context) -> Any:
        return None
