"""Reads a workbook's first sheet in a process of its own: one cell far out asks for more memory than any machine has.

Run as a script: `python -I sheet.py WORKBOOK FORM MEMORY SECONDS`, the last two being limits, in bytes and seconds of
computing. It prints a line of JSON, {"error"} or what is to be said of the sheet, and then the sheet: as "csv", every
row in its place, or as "arrow", with its types. It imports nothing of Jobsite.
"""

import ctypes
import io
import json
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def as_csv(path: str) -> tuple[dict[str, Any], bytes]:
    import fastexcel
    import polars as pl

    sheet = fastexcel.read_excel(path).load_sheet(0, header_row=None, skip_rows=0, dtypes="string")
    # A day without a time is told as a day.
    days = pl.all().str.replace(r"^(\d{4}-\d\d-\d\d) 00:00:00(\.0+)?$", "${1}")
    return {}, pl.DataFrame(sheet).select(days).write_csv(include_header=False).encode()


def as_arrow(path: str) -> tuple[dict[str, Any], bytes]:
    import fastexcel

    sheets = fastexcel.read_excel(path).sheet_names
    frame, blank = _frame(path, sheets[0], skip_rows=0), 0
    if frame.height and all(column.startswith("__UNNAMED__") for column in frame.columns):
        # The first row is blank. Read so, the sheet begins with the first row that is not.
        below = _frame(path, sheets[0])
        frame, blank = below, frame.height - below.height
    arrow = io.BytesIO()
    frame.write_ipc_stream(arrow)
    return {"name": sheets[0], "header": blank + 1, "of": len(sheets)}, arrow.getvalue()


def _frame(path: str, sheet: str, **options: Any) -> "pl.DataFrame":
    import polars as pl

    return pl.read_excel(
        path,
        sheet_name=sheet,
        read_options=options,
        infer_schema_length=None,
        drop_empty_rows=False,
        drop_empty_cols=False,
        raise_if_empty=False,
    )


def answer(path: str, form: str) -> tuple[dict[str, Any], bytes]:
    import fastexcel
    import polars as pl

    try:
        return {"csv": as_csv, "arrow": as_arrow}[form](path)
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        return {"error": str(error).splitlines()[0][:200]}, b""


def end_with_parent() -> None:
    """A worker that is killed reads no answer."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    end_with_parent()
    path, form, memory, seconds = sys.argv[1:]
    limits = {
        resource.RLIMIT_AS: int(memory),
        # The answer is a file. Whoever asks holds it in memory, where it must not be the bomb.
        resource.RLIMIT_FSIZE: int(memory) // 8,
        resource.RLIMIT_CPU: int(seconds),
        resource.RLIMIT_CORE: 0,
    }
    for limit, most in limits.items():
        _, allowed = resource.getrlimit(limit)
        most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(limit, (most, most))
    os.environ["POLARS_MAX_THREADS"] = "1"  # each thread takes address space, as many as there are cores
    facts, sheet = answer(path, form)
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n")
    sys.stdout.buffer.write(sheet)


if __name__ == "__main__":
    main()
