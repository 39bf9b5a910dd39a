"""Tables in text: their encoding, delimiter, header and rows. Plain Python, because forms look at headers too."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from jobs.core.errors import PermanentError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
SUFFIXES = (".csv", ".tsv", ".txt")
SAMPLE = 64 * 1024
CHUNK = 1024 * 1024
#: [characters] A longer field is a quotation mark without its partner, not a value.
LONGEST_FIELD = 8 * 1024 * 1024
#: [characters] read at a time, so that a file without line ends does not fill the memory.
LONGEST_LINE = 8 * LONGEST_FIELD
#: Ragged lines that an error names.
NAMED = 5
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def encoding_of(path: Path) -> str:
    """UTF-8, UTF-16 or Windows-1252, whichever all of the file can be read as.

    Raises PermanentError, with line and byte, where it is none of them.
    """
    with path.open("rb") as file:
        if found := _encoding_by_sample(file.read(SAMPLE)):
            return found
        file.seek(0)
        if _decodes(file, "utf-8"):
            return "utf-8"
        file.seek(0)
        lines = 1
        for chunk in iter(lambda: file.read(CHUNK), b""):
            try:
                chunk.decode("cp1252")
            except UnicodeDecodeError as error:
                line = lines + chunk.count(b"\n", 0, error.start)
                raise PermanentError(
                    f"Line {line}: byte 0x{chunk[error.start]:02X} is neither UTF-8 nor Windows-1252. "
                    "Save the file as UTF-8 and upload it again."
                ) from error
            lines += chunk.count(b"\n")
    return "cp1252"


def _encoding_by_sample(sample: bytes) -> str | None:
    for bom, name in _BOMS:
        if sample.startswith(bom):
            return name
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > len(sample) // 8 and not even:
        return "utf-16-le"
    if even > len(sample) // 8 and not odd:
        return "utf-16-be"
    if even or odd:
        raise PermanentError("This is no text: it holds zero bytes. Expected CSV as UTF-8, UTF-16 or Windows-1252.")
    return None


def _decodes(file: IO[bytes], encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def delimiter_of(sample: str) -> str:
    """The delimiter that cuts most lines into as many fields as the first one; if none does, one that is not there."""

    def score(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        if not widths or widths[0] < 2:
            return 0, 0
        return round(widths.count(widths[0]) / len(widths), 1), widths[0]

    lines = sample.splitlines(keepends=True)[:200]
    best = max(DELIMITERS, key=score)
    if any(score(best)):
        return best
    # One column: a comma in it belongs to the values.
    return next((delimiter for delimiter in DELIMITERS if delimiter not in sample), best)


def names_of(row: Iterable[str]) -> list[str]:
    """Column names from a header: trimmed, none empty, none twice ("amount", "amount (2)")."""
    names: dict[str, None] = {}
    again: Counter[str] = Counter()
    for number, cell in enumerate(row, start=1):
        name = stem = " ".join(str(cell).split())[:200] or f"column {number}"
        while name in names:
            again[stem] += 1
            name = f"{stem} ({again[stem] + 1})"
        names[name] = None
    return list(names)


def sniff_columns(file: IO[bytes]) -> list[str] | None:
    """The column names of an uploaded text table from its first bytes, None where they cannot be told.

    Reads from the start and goes back there.
    """
    file.seek(0)
    sample = file.read(SAMPLE)
    file.seek(0)
    try:
        encoding = _encoding_by_sample(sample)
    except PermanentError:
        return None
    if encoding is None:
        encoding = "utf-8" if b"\xef\xbf\xbd" not in sample and _utf8_so_far(sample) else "cp1252"
    text = sample.decode(encoding, errors="replace")
    complete = text[: text.rfind("\n") + 1] or text
    first, delimiter, _ = _dialect(complete)
    try:
        header = next(
            (row for row in csv.reader(io.StringIO(complete[first:], newline=""), delimiter=delimiter) if row), []
        )
    except csv.Error:
        return None
    return names_of(header) or None


def _utf8_so_far(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _dialect(sample: str) -> tuple[int, str, int]:
    """Where the header starts [characters], the delimiter, and lines before the header (Excel's "sep=;")."""
    first_line = sample.split("\n", 1)[0]
    if first_line.lower().startswith("sep=") and first_line[4:5] in DELIMITERS:
        return len(first_line) + 1, first_line[4], 1
    return 0, delimiter_of(sample), 0


@dataclass(frozen=True)
class TextTable:
    """A delimited text file whose shape is known: what its lines mean, not yet what its values are."""

    path: Path
    encoding: str
    delimiter: str
    names: list[str]
    #: Whether the header had empty or repeated names.
    renamed: bool
    skip: int

    @classmethod
    def open(cls, path: Path) -> "TextTable":
        """Raises PermanentError for an empty or unreadable file."""
        encoding = encoding_of(path)
        with path.open(encoding=encoding, errors="replace", newline="") as file:
            _, delimiter, skip = _dialect(file.read(SAMPLE))
        table = cls(path, encoding, delimiter, [], False, skip)
        header = next((row for _, row in table.records()), None)
        if header is None:
            raise PermanentError("The file is empty. Expected a header with column names, and rows below it.")
        names = names_of(header)
        return cls(path, encoding, delimiter, names, names != [cell.strip() for cell in header], skip)

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Every row that is not blank, the header among them, with the line it starts on.

        Raises PermanentError for bytes that the encoding does not know, and for quotation marks without their partner.
        """
        before = csv.field_size_limit(LONGEST_FIELD)
        end = 0
        with self.path.open(encoding=self.encoding, newline="") as file:
            # Strict: otherwise a quotation mark without its partner takes in the rows up to the next one, unseen.
            reader = csv.reader(iter(partial(file.readline, LONGEST_LINE), ""), delimiter=self.delimiter, strict=True)
            try:
                for row in reader:
                    start, end = end + 1, reader.line_num
                    if row and start > self.skip:
                        yield start, row
            except UnicodeError as error:
                raise PermanentError(
                    f"Line {self._unreadable_line()} cannot be read as {self.encoding.upper()}, unlike its start. "
                    "Save the file as UTF-8 and upload it again."
                ) from error
            except csv.Error as error:
                raise PermanentError(
                    f"Line {end + 1}: {_reason(str(error))}. Correct the line and upload the file again."
                ) from error
            finally:
                csv.field_size_limit(before)

    def _unreadable_line(self) -> int:
        with self.path.open(encoding=self.encoding, errors="replace") as file:
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
