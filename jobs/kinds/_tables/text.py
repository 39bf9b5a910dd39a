"""Tables in text: their encoding, delimiter, header and rows. Plain Python, because forms look at headers too."""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import IO

from jobs.core.errors import PermanentError
from jobs.kinds._tables import encodings
from jobs.kinds._tables.choices import AS_FOUND, Choice
from jobs.kinds._tables.encodings import Found

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
SUFFIXES = (".csv", ".tsv", ".txt")
SAMPLE = encodings.SAMPLE
#: [characters] A longer field is a quotation mark without its partner, not a value.
LONGEST_FIELD = 8 * 1024 * 1024
#: [characters] read at a time, so that a file without line ends does not fill the memory.
LONGEST_LINE = 8 * LONGEST_FIELD
#: Ragged lines that an error names.
NAMED = 5
#: Marks the start of a text. In its midst it is left from files that were put together, and would make twins of values.
_MARK = "\ufeff"


def delimiter_of(sample: str) -> str:
    """The delimiter that cuts most lines into as many fields as the first one; if none does, one that is not there."""

    def score(delimiter: str) -> tuple[float, float, int]:
        try:
            rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            return 0, 0, 0
        widths = [len(row) for row in rows]
        if not widths or widths[0] < 2:
            return 0, 0, 0
        # "Name, Vorname;E-Mail": a sign before a space belongs to a text.
        spaced = sum(cell.startswith(" ") for row in rows for cell in row[1:]) / max(1, sum(widths) - len(widths))
        return round(widths.count(widths[0]) / len(widths), 1), -round(spaced), widths[0]

    lines = sample.splitlines(keepends=True)[:200]
    best = max(DELIMITERS, key=score)
    if score(best)[0]:
        return best
    # One column: a comma in it belongs to the values.
    return next((delimiter for delimiter in DELIMITERS if delimiter not in sample), best)


def names_of(row: Iterable[str]) -> list[str]:
    """Column names from a header: trimmed, none empty, none twice ("amount", "amount (2)")."""
    names: dict[str, None] = {}
    again: Counter[str] = Counter()
    for number, cell in enumerate(row, start=1):
        # Macs write letters with their accents apart, which nobody does who names a column.
        name = stem = unicodedata.normalize("NFC", " ".join(str(cell).split()))[:200] or f"column {number}"
        while name in names:
            again[stem] += 1
            name = f"{stem} ({again[stem] + 1})"
        names[name] = None
    return list(names)


def sniff_columns(file: IO[bytes], choice: Choice = AS_FOUND) -> list[str] | None:
    """The column names of an uploaded text table from its first bytes, None where they cannot be told.

    Reads from the start and goes back there.
    """
    file.seek(0)
    sample = file.read(SAMPLE)
    file.seek(0)
    if len(sample) == SAMPLE:
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    try:
        return TextTable.open(sample, choice).names
    except PermanentError:
        return None


@dataclass(frozen=True)
class TextTable:
    """A delimited text file whose shape is known: what its lines mean, not yet what its values are."""

    source: Path | bytes
    encoding: Found
    delimiter: str
    names: list[str]
    #: The header's cells as they stand in the file.
    heads: list[str]
    #: The header's line, from 1.
    header: int
    #: Lines before the first record: Excel's "sep=;" is none.
    skip: int
    #: Whether marks of a text's start may stand in its midst.
    has_marks: bool

    @classmethod
    def open(cls, source: Path | bytes, choice: Choice = AS_FOUND) -> "TextTable":
        """Raises PermanentError for an empty or unreadable file."""
        encoding = Found(choice.encoding) if choice.encoding else encodings.find(partial(_opened, source))
        if encoding.name == "utf-8":
            encoding = Found("utf-8-sig", encoding.guesses)  # which reads both, whatever was chosen
        with _text(source, encoding.name, errors="replace") as file:
            sample = file.read(SAMPLE)
        said, skip = _said_by_excel(sample)
        body = "".join(sample.splitlines(keepends=True)[max(skip, choice.header - 1) :])
        delimiter = choice.separator or said or delimiter_of(body)
        has_marks = encodings.has_mark_within(partial(_opened, source), encoding.name)
        table = cls(source, encoding, delimiter, [], [], choice.header, skip, has_marks)
        header = next(((line, row) for line, row in table.records() if any(cell.strip() for cell in row)), None)
        if header is None:
            if choice.header:
                raise PermanentError(f"There is nothing on line {choice.header:,} nor below. Name the header's line.")
            raise PermanentError("The file is empty. Expected a header with column names, and rows below it.")
        heads = [cell.strip() for cell in header[1]]
        return cls(source, encoding, delimiter, names_of(heads), heads, header[0], skip, has_marks)

    @property
    def renamed(self) -> bool:
        """Whether the header had empty or repeated names."""
        return len(set(self.heads)) < len(self.heads) or "" in self.heads

    @property
    def how(self) -> str:
        """How it was read: UTF-8, semicolon between the values, header on line 1."""
        between = f", {DELIMITERS[self.delimiter]} between the values" if len(self.names) > 1 else ""
        return f"{self.encoding.label}{between}, header on line {self.header:,}"

    def in_doubt(self) -> str:
        """What else the text could be, each guess with a line as it reads; "" where its encoding is certain."""
        rows = "; ".join(f"{encodings.label_of(name)}: {line!r}" for name, line in self.encoding.guesses)
        return f"The text can be read in several encodings: {rows}" if rows else ""

    def every_record(self) -> Iterator[tuple[int, list[str]]]:
        """Every record, blank ones among them, with the line it starts on.

        Raises PermanentError for bytes that the encoding does not know, and for quotation marks without their partner.
        """
        before = csv.field_size_limit(LONGEST_FIELD)
        end = 0
        with _text(self.source, self.encoding.name) as file:
            lines: Iterator[str] = iter(partial(file.readline, LONGEST_LINE), "")
            # Strict: otherwise a quotation mark without its partner takes in the rows up to the next one, unseen.
            if self.has_marks:
                lines = map(methodcaller("replace", _MARK, ""), lines)
            reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
            try:
                for row in reader:
                    start, end = end + 1, reader.line_num
                    if start > self.skip:
                        yield start, row
            except UnicodeError as error:
                raise PermanentError(
                    f"Line {self._unreadable_line()} cannot be read as {self.encoding.label}. "
                    "Choose its encoding, or save the file as UTF-8 and upload it again."
                ) from error
            except csv.Error as error:
                raise PermanentError(
                    f"Line {end + 1}: {_reason(str(error))}. Correct the line and upload the file again."
                ) from error
            finally:
                csv.field_size_limit(before)

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """The header and every row below it that is not blank, with the line it starts on. Raises as above."""
        return ((line, row) for line, row in self.every_record() if row and line >= self.header)

    def _unreadable_line(self) -> int:
        with _text(self.source, self.encoding.name, errors="replace") as file:
            return next((number for number, line in enumerate(file, start=1) if "\ufffd" in line), 1)

    def copy_rows(self, target: Path, report: Callable[[int], None]) -> int:
        """Write the rows below the header as clean UTF-8 CSV; answers how many. `report` gets rows so far.

        Raises PermanentError that names the first lines with more or fewer fields than the header.
        """
        width, rows = len(self.names), 0
        ragged: list[str] = []
        records = self.records()
        next(records)
        with target.open("w", encoding="utf-8", newline="") as file:
            write = csv.writer(file).writerow
            for line, row in records:
                if len(row) != width:
                    ragged.append(f"line {line} has {len(row)}")
                    if len(ragged) == NAMED:
                        break
                    continue
                write(row)
                rows += 1
                if not rows % 20_000:
                    report(rows)
        if ragged:
            raise PermanentError(
                f"The header has {width} {'field' if width == 1 else 'fields'} "
                f"({DELIMITERS[self.delimiter]} between them), but {', '.join(ragged)}"
                f"{' and there may be more' if len(ragged) == NAMED else ''}. "
                "Correct these lines; a quotation mark may lack its partner."
            )
        return rows

    def line_of(self, index: int) -> int:
        """The line on which row number `index` (from 0, below the header) starts."""
        for number, (line, _) in enumerate(self.records(), start=-1):
            if number == index:
                return line
        raise IndexError(index)


def _reason(error: str) -> str:
    if "field larger" in error:
        return f"a field is longer than {LONGEST_FIELD // 1024**2} MB; a quotation mark may lack its partner"
    if "end of data" in error:
        return "a quotation mark opens here and is never closed"
    if "expected after" in error:
        return "text follows a closing quotation mark; one that belongs to the value is written twice"
    return error


def _opened(source: Path | bytes) -> IO[bytes]:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _text(source: Path | bytes, encoding: str, errors: str = "strict") -> IO[str]:
    return io.TextIOWrapper(_opened(source), encoding=encoding, errors=errors, newline="")


def _said_by_excel(sample: str) -> tuple[str, int]:
    """The delimiter that a first line "sep=;" names, and the lines that this takes."""
    first = sample.partition("\n")[0].strip('\r"')
    if first.lower().startswith("sep=") and first[4:] in DELIMITERS:
        return first[4:], 1
    return "", 0
