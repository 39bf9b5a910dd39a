"""Reads one sheet of a workbook in a process of its own: one cell far out asks for more memory than any machine has.

Run as a script: `python -I sheet.py WORKBOOK FORM SHEET HEADER MEMORY SECONDS`. SHEET: its name, "" for the first that
is visible; HEADER: the header's row, 0 for the first that holds anything; MEMORY, SECONDS: limits, in bytes and seconds
of computing. It prints a line of JSON, {"error"} or what is to be said of the sheet, and then the sheet: as "csv",
every row in its place, or as "arrow", the rows below the header with their types. It imports nothing of Jobsite but
the module beside it.
"""

import csv
import ctypes
import datetime as dt
import io
import json
import os
import resource
import signal
import sys
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __name__ != "__main__":
    from jobs.kinds._tables import sheet_xml
else:
    # As a script it is alone: -I leaves even its own folder out of the path.
    sys.path.insert(0, str(Path(__file__).parent))
    sheet_xml = import_module("sheet_xml")

if TYPE_CHECKING:
    import polars as pl

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Unreadable(Exception):
    """The workbook or sheet cannot be read; the text says why."""


def cells_of(path: str, wanted: str) -> tuple[dict[str, Any], list[list[Any]]]:
    """What is to be said of the wanted sheet, and its rows from row 1 on, "" for an empty cell."""
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    with CalamineWorkbook.from_path(path) as book:
        sheets = [sheet for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
        visible = [sheet.name for sheet in sheets if sheet.visible == SheetVisibleEnum.Visible]
        name = _choose(wanted, [sheet.name for sheet in sheets], visible)
        oddities = sheet_xml.look(path, name)
        rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    for (row, column), text in oddities.cells.items():
        rows += [[] for _ in range(row + 1 - len(rows))]
        rows[row] += [""] * (column + 1 - len(rows[row]))
        rows[row][column] = text
    facts = {
        "name": name,
        "visible": visible,
        "hidden": len(sheets) - len(visible),
        "hidden_rows": oddities.hidden_rows,
        "filtered": oddities.filtered,
        "errors": [row + 1 for (row, _), text in oddities.cells.items() if text != sheet_xml.FORMULA],
        "formulas": [row + 1 for (row, _), text in oddities.cells.items() if text == sheet_xml.FORMULA],
    }
    return facts, rows


def _choose(wanted: str, names: list[str], visible: list[str]) -> str:
    if wanted:
        found = next((name for name in names if name.casefold() == wanted.strip().casefold()), None)
        if found is None:
            raise Unreadable(f"there is no sheet {wanted!r}; there are: {', '.join(names[:40])}")
        return found
    if not visible:
        raise Unreadable(f"all of its sheets are hidden; name the one that is meant: {', '.join(names[:40])}")
    return visible[0]


def text_of(cell: Any) -> str:
    """A cell as text: 7 · 0.5 · 2026-11-21 · 2026-11-21 09:30 · 09:30 · 30:00 (a duration)."""
    match cell:
        case bool():
            return "true" if cell else "false"
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case dt.datetime():
            day, time = cell.date().isoformat(), _clock(cell.hour, cell.minute, cell.second)
            return day if cell.time() == dt.time() else f"{day} {time}"
        case dt.time():
            return _clock(cell.hour, cell.minute, cell.second)
        case dt.timedelta():
            seconds = round(abs(cell).total_seconds())
            return ("-" if cell < dt.timedelta() else "") + _clock(seconds // 3600, seconds // 60 % 60, seconds % 60)
    return str(cell)


def _clock(hours: int, minutes: int, seconds: int) -> str:
    return f"{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds else "")


def as_csv(path: str, wanted: str, header: int) -> tuple[dict[str, Any], bytes]:
    facts, rows = cells_of(path, wanted)
    text = io.StringIO()
    write = csv.writer(text).writerow
    width = max((len(row) for row in rows), default=0)
    for row in rows:
        write(["" for _ in range(width)] if not row else [text_of(cell) for cell in row])
    return facts, text.getvalue().encode()


def as_arrow(path: str, wanted: str, header: int) -> tuple[dict[str, Any], bytes]:
    import polars as pl

    facts, rows = cells_of(path, wanted)
    first = header - 1 if header else next((at for at, row in enumerate(rows) if any(c != "" for c in row)), 0)
    heads = [text_of(cell) for cell in rows[first]] if first < len(rows) else []
    columns, texts = [], []
    for at, values in enumerate(zip_longest(*rows[first + 1 :], fillvalue="")):
        column, is_text = _typed(list(values))
        columns.append(column.alias(str(at)))
        if is_text:
            texts.append(at)
    if not columns:
        columns = [pl.Series(str(at), [], dtype=pl.String) for at in range(len(heads))]
    heads += [""] * (len(columns) - len(heads))
    arrow = io.BytesIO()
    pl.DataFrame(columns).write_ipc_stream(arrow)
    return facts | {"header": first + 1, "heads": heads, "texts": texts}, arrow.getvalue()


def _typed(values: list[Any]) -> tuple["pl.Series", bool]:
    """A column as what all of its cells are, else as their texts; and whether the workbook itself calls it text."""
    import polars as pl

    kinds = set(map(type, values))
    if str in kinds:
        values = [None if value == "" else value for value in values]
        kinds = set(map(type, values)) - {type(None)}
    if kinds <= {int, float}:
        numbers = pl.Series(values, dtype=pl.Float64, strict=False)
        is_whole = ((numbers == numbers.round()) & (numbers.abs() < 2**53)).all()
        return numbers.cast(pl.Int64) if is_whole else numbers, False
    if kinds == {bool}:
        return pl.Series(values, dtype=pl.Boolean), False
    if kinds == {dt.date}:
        return pl.Series(values, dtype=pl.Date), False
    if kinds <= {dt.date, dt.datetime}:
        moments = [dt.datetime.combine(value, dt.time()) if type(value) is dt.date else value for value in values]
        return pl.Series(moments, dtype=pl.Datetime("us")), False
    if kinds == {dt.time}:
        return pl.Series(values, dtype=pl.Time), False
    if kinds == {dt.timedelta}:
        return pl.Series(values, dtype=pl.Duration("us")), False
    texts = [None if value is None else text_of(value) for value in values]
    return pl.Series(texts, dtype=pl.String), kinds == {str}


def answer(path: str, form: str, wanted: str, header: int) -> tuple[dict[str, Any], bytes]:
    import python_calamine

    try:
        return {"csv": as_csv, "arrow": as_arrow}[form](path, wanted, header)
    except Unreadable as error:
        return {"error": str(error), "is_choice": True}, b""
    except (python_calamine.CalamineError, *sheet_xml.ERRORS, OSError) as error:
        # Only the last part of an error of the system: the rest names a path of this machine.
        text = getattr(error, "strerror", None) or str(error)
        return {"error": (text.splitlines() or ["it is damaged"])[0][:200]}, b""


def end_with_parent() -> None:
    """A worker that is killed reads no answer."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    end_with_parent()
    path, form, wanted, header, memory, seconds = sys.argv[1:]
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
    facts, sheet = answer(path, form, wanted, int(header))
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n")
    sys.stdout.buffer.write(sheet)


if __name__ == "__main__":
    main()
