"""The recipients file: who gets the mail by which row, every unusable row told by its number."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from jobs.core.errors import PermanentError
from jobs.kinds._email.addresses import CONTROL, parse
from jobs.kinds._email.template import key
from jobs.kinds._tables.cells import no_value
from jobs.kinds._tables.choices import AS_FOUND, Choice
from jobs.kinds._tables.text import TextTable, names_of

MAX_ROWS = 100_000
_ADDRESS_COLUMNS = ("email", "e_mail", "email_address", "e_mail_address", "mail", "to", "recipient", "address")
#: What looks like an address. Whether it is one is told for each row.
_LIKE_ADDRESS = re.compile(r"[^@]+@[^@\s]+\.[^@\s]+")
#: Rows that tell the column of addresses.
_TELLING = 5_000
#: Rows between two calls of `breathe`.
STRIDE = 500


class Unreadable(ValueError):
    """The file cannot be used at all; the text says why and what would be right."""


class Doubtful(Unreadable):
    """The file's encoding is not certain, and nothing is sent before a person has chosen it."""


@dataclass(frozen=True)
class Row:
    """One recipient. number: as a spreadsheet counts, the header being 1; values: cells by column key."""

    number: int
    address: str
    values: dict[str, str]


@dataclass(frozen=True)
class LeftOut:
    """A row, or an address that stands in no file, that gets no mail, and why."""

    number: int | None
    value: str
    reason: str
    is_duplicate: bool = False

    def __str__(self) -> str:
        return f"row {self.number} ({self.reason})" if self.number else self.reason


@dataclass
class Mailing:
    """A read recipients file. columns: as the header writes them; how: it was read."""

    columns: list[str]
    how: str = ""
    rows: list[Row] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def in_order(left_out: Iterable[LeftOut]) -> list[LeftOut]:
    return sorted(left_out, key=lambda row: row.number or 0)


def in_words(left_out: list[LeftOut], shown: int = 8) -> str:
    """12 rows: row 17 ('foo@' is not an address), … and 4 more."""
    count = len(left_out)
    more = f" and {count - shown:,} more" if count > shown else ""
    listed = ", ".join(map(str, in_order(left_out)[:shown]))
    noun = "row" if left_out[0].number else "address"
    return f"{count:,} {noun}{'' if count == 1 else 's' if noun == 'row' else 'es'}: {listed}{more}"


def read(
    content: bytes,
    in_subject: Iterable[str] = (),
    breathe: Callable[[], None] = lambda: None,
    choice: Choice = AS_FOUND,
    in_text: Iterable[str] = (),
) -> Mailing:
    """Read a recipients file.

    in_subject: keys of the columns that the subject uses, whose cells must be free of line breaks. in_text: of those
    that the text uses. breathe: called every few hundred rows, so that a long file does not hold up an event loop.
    Raises Unreadable, and Doubtful.
    """
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Unreadable("This is an Excel workbook, not a CSV: save it as CSV.")
    try:
        table = TextTable.open(content, choice)
        if doubt := table.in_doubt():
            raise Doubtful(f"Choose the file's encoding, so that nobody gets gibberish. {doubt}.")
        # A workbook comes as CSV of ours, whose form is nobody's concern: its sheet is.
        how = f"sheet {choice.sheet!r}, header on row {table.header:,}" if choice.sheet else table.how
        return _read(table, how, list(in_subject), list(in_text), breathe)
    except PermanentError as error:
        raise Unreadable(str(error)) from error


def _read(
    table: TextTable, how: str, in_subject: list[str], in_text: list[str], breathe: Callable[[], None]
) -> Mailing:
    columns = _header(table.heads)
    address_at = _address_column(columns, table)
    where = columns[address_at] or f"column {address_at + 1}"
    mailing = Mailing([name for name in columns if name], f"{how}, addresses in {where}")
    seen: dict[str, int] = {}
    checked = {"subject": in_subject, "text": in_text}
    for number, (line, record) in enumerate(table.every_record(), start=1):
        if number % STRIDE == 0:
            breathe()
        cells = [cell.strip() for cell in record]
        if line <= table.header or not any(cells):
            continue
        if len(mailing.rows) + len(mailing.left_out) >= MAX_ROWS:
            raise Unreadable(f"More than {MAX_ROWS:,} rows: split the file.")
        _sort_in(mailing, number, cells, columns, address_at, checked, seen)
    return mailing


def _header(cells: list[str]) -> list[str]:
    if any("@" in cell for cell in cells):
        raise Unreadable("The first row must name the columns, for example email,first_name; it holds an address.")
    names = names_of(cells)
    columns = [name if cell else "" for name, cell in zip(names, cells, strict=True)]
    keys = [key(cell) for cell in cells if cell]
    if twice := sorted({name for name in keys if keys.count(name) > 1}):
        raise Unreadable(f"The header names {twice[0]!r} twice: give each column a name of its own.")
    return columns


def _address_column(columns: list[str], table: TextTable) -> int:
    """The column whose cells are addresses: of several one that is called so, else the one with most of them.

    A column that is only called "address" may hold streets.
    """
    filled, addresses = [0] * len(columns), [0] * len(columns)
    for _, record in islice(table.records(), 1, _TELLING):
        for at, cell in enumerate(record[: len(columns)]):
            filled[at] += bool(cell.strip())
            addresses[at] += _LIKE_ADDRESS.fullmatch(cell.strip()) is not None
    keys = [key(name) for name in columns]
    named = [keys.index(name) for name in _ADDRESS_COLUMNS if name in keys]
    sure = next((at for at in named if addresses[at] * 2 > filled[at]), None)
    if sure is not None:
        return sure
    best = max(range(len(columns)), key=lambda at: addresses[at])
    if addresses[best]:
        return best
    if named:
        return named[0]
    there = ", ".join(name for name in columns if name)
    if not any(filled):
        raise Unreadable(f"No column of addresses: name it 'email', and put rows below it. There are: {there}.")
    raise Unreadable(f"No column of addresses: name it 'email'. There are: {there}.")


def _sort_in(mailing: Mailing, number: int, cells: list[str], columns: list[str], address_at: int,
             checked: Mapping[str, list[str]], seen: dict[str, int]) -> None:  # fmt: skip
    """Add one row to the usable ones, or to those left out."""
    raw = cells[address_at] if address_at < len(cells) else ""
    values = {key(name): cell for name, cell in zip(columns, cells, strict=False) if name}
    broken = next((name for name in checked["subject"] if CONTROL.search(values.get(name, ""))), None)
    wrong = next((name for names in checked.values() for name in names if no_value(values.get(name, ""))), None)
    reason, is_duplicate, address = "", False, ""
    if not raw:
        reason = "no address"
    elif any(cells[len(columns) :]):
        reason = f"{len(cells)} cells, the header has {len(columns)}"
    elif broken:
        reason = f"a line break in {broken}, which the subject uses"
    elif wrong:
        reason = f"{wrong} holds {no_value(values[wrong])}"
    else:
        try:
            address = parse(raw).address
        except ValueError as error:
            reason = str(error).partition(": expected")[0].rstrip(".")
        else:
            if first := seen.get(address.casefold()):
                reason, is_duplicate = f"{address}: the same address as row {first}", True
    if reason:
        mailing.left_out.append(LeftOut(number, raw[:320], reason[:200], is_duplicate))
    else:
        seen[address.casefold()] = number
        mailing.rows.append(Row(number, address, values))
