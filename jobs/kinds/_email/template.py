"""Fields in a text: {{ first_name }}, and {{ first_name|friend }} with what stands there where the cell is blank."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from django.utils.html import escape

_FIELD = re.compile(r"\{\{\s*([^{}|]+?)\s*(?:\|([^{}]*))?\}\}")


def key(name: str) -> str:
    """What a column and a field are compared by: "First name" and first_name are the same, and é and e with ´."""
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFC", name).strip().casefold())


def fields(text: str) -> list[str]:
    """The names in a text as they are written, each once."""
    return list(dict.fromkeys(match[1] for match in _FIELD.finditer(text)))


def keys(text: str) -> set[str]:
    return {key(name) for name in fields(text)}


def problems(text: str, columns: Iterable[str] | None, file: str = "") -> list[str]:
    """What is wrong with the fields of a text. columns: those of the recipients file, None where there is none."""
    found = []
    if (start := (rest := _FIELD.sub("", text)).find("{{")) >= 0:
        shown = rest[start : start + 20]
        found.append(f"{shown!r} is not a field: expected {{{{ name }}}} or {{{{ name|fallback }}}}.")
    known = {key(column) for column in columns or ()}
    unknown = [name for name in fields(text) if key(name) not in known]
    for name in unknown:
        if columns is None:
            found.append(f"{{{{ {name} }}}} needs a recipients file with the column {name!r}: there is no file.")
        else:
            found.append(f"{{{{ {name} }}}} is not a column of {file}. There are: {', '.join(columns)}.")
    return found


def outline(text: str) -> str:
    """The text for a title, before there are values: each field as an ellipsis."""
    return _FIELD.sub("…", text)


def render(text: str, values: Mapping[str, str], *, html: bool = False) -> str:
    """The text with its fields filled in from values by key; in HTML the values are escaped, fallbacks are not."""

    def filled(match: re.Match[str]) -> str:
        value = values.get(key(match[1]), "")
        if value:
            return escape(value) if html else value
        fallback = (match[2] or "").strip()
        quoted = len(fallback) >= 2 and fallback[0] == fallback[-1] and fallback[0] in "\"'"
        return fallback[1:-1] if quoted else fallback

    return _FIELD.sub(filled, text)
