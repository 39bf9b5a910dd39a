"""The recipients file: a CSV as programs and spreadsheets write it, every unusable row told by its number."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from jobs.kinds._email.addresses import CONTROL, parse
from jobs.kinds._email.template import key

MAX_ROWS = 100_000
_ADDRESS_COLUMNS = ("email", "e_mail", "email_address", "e_mail_address", "mail", "address", "to", "recipient")
_DELIMITERS = ",;\t|"
#: Rows between two calls of `breathe`.
STRIDE = 500


class Unreadable(ValueError):
    """The file cannot be used at all; the text says why and what would be right."""


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
    """A read recipients file. columns: as the header writes them."""

    columns: list[str]
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


def read(content: bytes, in_subject: Iterable[str] = (), breathe: Callable[[], None] = lambda: None) -> Mailing:
    """Read a recipients file.

    in_subject: keys of the columns that the subject uses, whose cells must be free of line breaks.
    breathe: called every few hundred rows, so that a long file does not hold up an event loop.
    Raises Unreadable.
    """
    records = _records(_decoded(content))
    columns: list[str] = []
    address_at: int | None = None
    mailing = Mailing([])
    seen: dict[str, int] = {}
    for number, record in enumerate(records, start=1):
        if number % STRIDE == 0:
            breathe()
        cells = [cell.strip() for cell in record]
        if not any(cells):
            continue
        if not columns:
            columns = _header(cells)
            mailing.columns = [name for name in columns if name]
            address_at = _named_address_column(columns)
            continue
        if address_at is None:
            address_at = _address_column_by_content(columns, cells)
        if len(mailing.rows) + len(mailing.left_out) >= MAX_ROWS:
            raise Unreadable(f"More than {MAX_ROWS:,} rows: split the file.")
        _sort_in(mailing, number, cells, columns, address_at, in_subject, seen)
    if not columns:
        raise Unreadable("The file is empty: expected a header with a column 'email', and a row for each recipient.")
    return mailing


def _decoded(content: bytes) -> str:
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Unreadable("This is an Excel workbook, not a CSV: save it as CSV.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\x00" in content:
        raise Unreadable("This is not a text file: expected a CSV in UTF-8, UTF-16 or Windows-1252.")
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable("The file's encoding is none of UTF-8, UTF-16 and Windows-1252: save it as CSV UTF-8.")


def _records(text: str) -> Iterator[list[str]]:
    first, _, rest = text.partition("\n")
    if first.strip().strip('"').lower().startswith("sep=") and len(first.strip().strip('"')) == 5:
        # Excel reads this line as an instruction and does not count it.
        delimiter, text = first.strip().strip('"')[-1], rest
    else:
        delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, record in enumerate(reader, start=1):  # noqa: B007
            yield record
    except csv.Error as error:
        raise Unreadable(f"Row {number + 1} (line {reader.line_num}) cannot be read: {error}.") from None


def _delimiter(text: str) -> str:
    """The separator that stands most often in the header, outside of quotes."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    bare = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=bare.count)


def _header(cells: list[str]) -> list[str]:
    if any("@" in cell for cell in cells):
        raise Unreadable("The first row must name the columns, for example email,first_name; it holds an address.")
    keys = [key(cell) for cell in cells if cell]
    if twice := sorted({name for name in keys if keys.count(name) > 1}):
        raise Unreadable(f"The header names {twice[0]!r} twice: give each column a name of its own.")
    return cells


def _named_address_column(columns: list[str]) -> int | None:
    keys = [key(name) for name in columns]
    return next((keys.index(name) for name in _ADDRESS_COLUMNS if name in keys), None)


def _address_column_by_content(columns: list[str], cells: list[str]) -> int:
    for index, cell in enumerate(cells[: len(columns)]):
        if "@" in cell:
            return index
    named = ", ".join(name for name in columns if name)
    raise Unreadable(f"No column of addresses: name it 'email'. There are: {named}.")


def _sort_in(mailing: Mailing, number: int, cells: list[str], columns: list[str], address_at: int,
             in_subject: Iterable[str], seen: dict[str, int]) -> None:  # fmt: skip
    """Add one row to the usable ones, or to those left out."""
    raw = cells[address_at] if address_at < len(cells) else ""
    values = {key(name): cell for name, cell in zip(columns, cells, strict=False) if name}
    broken = next((name for name in in_subject if CONTROL.search(values.get(name, ""))), None)
    reason, is_duplicate, address = "", False, ""
    if not raw:
        reason = "no address"
    elif any(cells[len(columns) :]):
        reason = f"{len(cells)} cells, the header has {len(columns)}"
    elif broken:
        reason = f"a line break in {broken}, which the subject uses"
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
