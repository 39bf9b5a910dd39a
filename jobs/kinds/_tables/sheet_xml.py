"""What a sheet's own XML tells and its reader (calamine) does not: errors, formulas without a value, hidden rows.

calamine gives an empty cell for an error and for a formula that no program has computed, as for one that is empty, so
that a sum would leave them out unseen. Run by `sheet`, within its limits.
"""

import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO
from xml.etree import ElementTree

#: Stands in the table for a formula that was never computed, as Excel's #N/A stands for its error.
FORMULA = "#FORMULA!"
ERRORS = (zipfile.BadZipFile, zlib.error, ElementTree.ParseError, KeyError, NotImplementedError, UnicodeDecodeError)
_CHUNK = 1024 * 1024
_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_START = r"<(?:\w+:)?"
_END = r"</(?:\w+:)?"
#: A piece without any of these, as most are, holds nothing odd. Looking for them is fast.
_SIGNS = (b't="e"', b"t='e'", b"<f", b":f", b"hidden=", b"autoFilter")
_ODD = re.compile(
    # A cell that is an error, with its text.
    rf"""{_START}c\b(?P<error>(?=[^>]*\st=["']e["'])[^>]*)>(?:(?!{_END}c>).)*?{_START}v[^>]*>(?P<word>[^<]*)<"""
    # A cell with a formula and no value, or with the 0 that programs write which compute nothing.
    rf"""|{_START}c\b(?P<cell>[^>]*)>\s*{_START}f\b(?:[^>]*/>|[^>]*>[^<]*{_END}f>)\s*"""
    rf"""(?P<value>{_START}v\s*/>|{_START}v[^>]*>\s*0?\s*{_END}v>)?\s*{_END}c>"""
    rf"""|{_START}row\b[^>]*\shidden=["'](?P<hidden>1|true)["']"""
    rf"""|{_START}(?P<filter>autoFilter)\b""",
    re.DOTALL,
)
_PLACE = re.compile(r"""\sr=["']([A-Z]{1,3})([0-9]{1,7})["']""")


@dataclass
class Oddities:
    """cells: text by (row, column), from 0."""

    cells: dict[tuple[int, int], str] = field(default_factory=dict)
    hidden_rows: int = 0
    filtered: bool = False


def look(path: str, name: str) -> Oddities:
    """The oddities of the sheet of that name. Raises one of ERRORS for a workbook that is damaged."""
    found = Oddities()
    with zipfile.ZipFile(path) as archive:
        part, is_uncomputed = _part(archive, name)
        with archive.open(part) as file:
            for piece in _pieces(file):
                if any(sign in piece for sign in _SIGNS):
                    _look(piece.decode("utf-8", "replace"), found, is_uncomputed)
    return found


def _part(archive: zipfile.ZipFile, name: str) -> tuple[str, bool]:
    """The archive's member that is the sheet, and whether the workbook is one that is computed when it is opened."""
    root = next(target for kind, target in _relations(archive, "").values() if kind.endswith("/officeDocument"))
    relations = _relations(archive, root)
    book = ElementTree.fromstring(archive.read(root))  # noqa: S314 - expat itself refuses bombs of entities
    is_uncomputed, part = False, ""
    for element in book.iter():
        tag = element.tag.rpartition("}")[2]
        if tag == "calcPr":
            is_uncomputed = element.get("fullCalcOnLoad") in ("1", "true")
        elif tag == "sheet" and element.get("name") == name:
            ids = [value for key, value in element.items() if key.endswith("}id")]
            part = relations[ids[0]][1] if ids else ""
    return part, is_uncomputed


def _relations(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """{id: (type, member)} of what a part refers to."""
    folder, base = posixpath.split(part)
    content = archive.read(posixpath.join(folder, "_rels", f"{base}.rels"))
    return {
        element.get("Id", ""): (
            element.get("Type", ""),
            posixpath.normpath(posixpath.join("/", folder, element.get("Target", ""))).lstrip("/"),
        )
        for element in ElementTree.fromstring(content).iter(_RELATION)  # noqa: S314 - as above
    }


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A sheet in pieces of whole rows."""
    rest = b""
    while chunk := file.read(_CHUNK):
        head, cut, tail = (rest + chunk).rpartition(b"row>")
        if cut:
            yield head + cut
        rest = tail
    yield rest


def _look(piece: str, found: Oddities, is_uncomputed: bool) -> None:
    for match in _ODD.finditer(piece):
        if match["hidden"]:
            found.hidden_rows += 1
        elif match["filter"]:
            found.filtered = True
        elif match["error"] is not None:
            found.cells[_place(match["error"])] = match["word"].strip() or "#N/A"
        elif _is_uncomputed(match["cell"], match["value"] or "", is_uncomputed):
            found.cells[_place(match["cell"])] = FORMULA


def _is_uncomputed(attributes: str, value: str, computed_on_opening: bool) -> bool:
    if "0" in re.sub(r"<[^>]*>", "", value):
        return computed_on_opening
    # An empty value of a text is a text that was computed: an empty one.
    return not (value and re.search(r"""\st=["']str["']""", attributes))


def _place(attributes: str) -> tuple[int, int]:
    match = _PLACE.search(attributes)
    if match is None:
        raise KeyError("a cell without its place holds an error or a formula that was never computed")
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - 64
    return int(match[2]) - 1, column - 1
