"""Lists of URLs: typed, or as a text, CSV or OPML file."""

import io
import re
import xml.parsers.expat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

from jobs.core.errors import PermanentError
from jobs.kinds._net import urls
from jobs.kinds._tables import encodings
from jobs.kinds._tables.choices import AS_FOUND, Choice
from jobs.kinds._tables.text import TextTable

MOST_URLS = 10_000
#: Lines that a message names; URLs between two pauses of a long list.
NAMED, STEP = 5, 250
_COLUMNS = ("url", "feed", "feed_url", "xmlurl", "rss", "link", "href", "address")


class Unusable(Exception):
    """The list cannot be used, in sentences."""


@dataclass(frozen=True)
class UrlList:
    """urls: normal ones, each once. duplicates: how many more there were."""

    urls: list[str]
    duplicates: int


def of(
    text: str,
    name: str,
    content: bytes | None,
    pause: Callable[[], object] = lambda: None,
    choice: Choice = AS_FOUND,
) -> UrlList:
    """The URLs of a text and of a file. Raises Unusable.

    name: of the file; its suffix says what it is. pause: called now and then while a long list is read.
    """
    found: dict[str, None] = {}
    problems: list[str] = []
    count = 0
    sources = [_lines(text), _file(name, content, choice) if content is not None else []]
    for where, raw in (entry for source in sources for entry in source):
        count += 1
        if count > MOST_URLS:
            raise Unusable(f"More than {MOST_URLS:,} URLs: split the list.")
        if count % STEP == 0:
            pause()
        try:
            url = urls.normal(raw)
            urls.check_reachable(url)
            found[url] = None
        except ValueError as error:
            problems.append(f"{where}: “{raw[:80]}” {error}{'' if str(error).endswith('.') else '.'}")
    if problems:
        more = f" And {len(problems) - NAMED:,} more." if len(problems) > NAMED else ""
        raise Unusable(" ".join(problems[:NAMED]) + more)
    return UrlList(list(found), count - len(found))


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if (raw := line.strip()) and not raw.startswith("#"):
            yield f"Line {number}", raw


def _file(name: str, content: bytes, choice: Choice) -> Iterable[tuple[str, str]]:
    suffix = PurePath(name).suffix.lower()
    if suffix in (".opml", ".xml"):
        return _opml(name, content)
    try:
        if suffix in (".csv", ".tsv"):
            return list(_csv(name, TextTable.open(content, choice)))
        encoding = choice.encoding or encodings.find(lambda: io.BytesIO(content)).name
        text = content.decode(encoding).removeprefix("\ufeff")
    except (PermanentError, UnicodeDecodeError) as error:
        raise Unusable(f"{name} cannot be read: {error}") from error
    return ((f"{name}, {where.lower()}", raw) for where, raw in _lines(text))


def _csv(name: str, table: TextTable) -> Iterator[tuple[str, str]]:
    """The column with a URL's name, else the first in which the first row has one."""
    column = None
    for number, (line, row) in enumerate(table.every_record(), start=1):
        if line < table.header or not any(cell.strip() for cell in row):
            continue
        if column is None:
            names = [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in row]
            column = next((names.index(wanted) for wanted in _COLUMNS if wanted in names), None)
            if column is not None:
                continue
            column = next((index for index, cell in enumerate(row) if "://" in cell), None)
            if column is None:
                raise Unusable(f"{name}: no column “url”, and none with a URL in its first row.")
        if column < len(row) and (raw := row[column].strip()):
            yield f"{name}, row {number}", raw


def _opml(name: str, content: bytes) -> list[tuple[str, str]]:
    """The `xmlUrl` of every outline, in order."""
    found: list[tuple[str, str]] = []
    parser = xml.parsers.expat.ParserCreate()

    def on_start(element: str, attributes: dict[str, str]) -> None:
        if element.lower() == "outline":
            lower = {key.lower(): value for key, value in attributes.items()}
            if raw := lower.get("xmlurl", "").strip():
                found.append((f"{name}, line {parser.CurrentLineNumber}", raw))

    def on_entity(*_: object) -> None:
        raise Unusable(f"{name} declares entities, which no list of feeds needs.")

    parser.StartElementHandler, parser.EntityDeclHandler = on_start, on_entity
    try:
        parser.Parse(content, True)
    except (xml.parsers.expat.ExpatError, ValueError, LookupError) as error:
        raise Unusable(f"{name} cannot be read as OPML: {error}.") from error
    if not found:
        raise Unusable(f"{name} names no feed: no outline in it has an xmlUrl.")
    return found
