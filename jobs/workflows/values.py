"""${…} in a step's parameters: what the steps before it give.

    ${result}        what the step before returned; of several, the list of all. ${result.sum}, ${result.0.name}: a part
    ${files}         the files that the steps before made. ${files:*.webp}: those with such names
    ${link}          the address of the page of the step before; of several, that of the workflow
    ${item}          of a step for each of a list: its item. ${item.name}: a part

A text that is nothing else becomes the value itself; within a longer text it is written out. $${ stands for ${ itself.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from jobs.core.errors import Refused

_EXPRESSION = re.compile(r"\$(\$\{)|\$\{([^{}]*)\}")
_NAMES = ("result", "files", "link", "item")
#: Stands for "there is no item": None may be one.
NO_ITEM = object()


@dataclass(frozen=True)
class Given:
    """What a step is given."""

    #: In order; of steps that have succeeded.
    results: list[Any] = field(default_factory=list)
    gathers: bool = False
    #: References, as parameters carry files.
    files: list[dict[str, Any]] = field(default_factory=list)
    link: str = ""
    item: Any = NO_ITEM

    @property
    def result(self) -> Any:
        if self.gathers:
            return self.results
        return self.results[0] if self.results else None


def expressions(value: Any) -> Iterator[str]:
    """All that stands within ${…} in a value, at any depth."""
    if isinstance(value, str):
        yield from (match[2] for match in _EXPRESSION.finditer(value) if match[2] is not None)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from expressions(part)
    elif isinstance(value, list):
        for part in value:
            yield from expressions(part)


def check(value: Any) -> list[str]:
    """What is wrong with the expressions in a value, before anything is known of what they stand for."""
    wrong = [text for text in expressions(value) if re.split(r"[.:]", text)[0] not in _NAMES]
    return [f"${{{text}}} is unknown: there are {', '.join(f'${{{name}}}' for name in _NAMES)}." for text in wrong]


def fill(value: Any, given: Given) -> Any:
    """The value with its expressions resolved. Raises Refused, which names the expression."""
    if isinstance(value, str):
        return _filled(value, given)
    if isinstance(value, Mapping):
        return {name: fill(part, given) for name, part in value.items()}
    if isinstance(value, list):
        return [fill(part, given) for part in value]
    return value


def _filled(text: str, given: Given) -> Any:
    whole = _EXPRESSION.fullmatch(text)
    if whole and whole[2] is not None:
        return _value(whole[2], given)
    return _EXPRESSION.sub(lambda match: match[1] or _text(_value(match[2], given)), text)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _value(expression: str, given: Given) -> Any:
    name, _, pattern = expression.partition(":")
    if name == "files":
        found = [file for file in given.files if not pattern or fnmatchcase(file["name"].lower(), pattern.lower())]
        if not found:
            kind = f" with names like {pattern}" if pattern else ""
            raise _refused(expression, f"the steps before made no files{kind}.")
        return found
    name, *path = expression.split(".")
    if name == "link":
        return given.link
    if name == "item" and given.item is NO_ITEM:
        raise _refused(expression, "this step is not one for each of a list.")
    value = given.item if name == "item" else given.result
    for part in path:
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, ValueError, TypeError):
            raise _refused(expression, f"there is no {str(part)[:80]!r} in what the step before gave.") from None
    return value


def _refused(expression: str, why: str) -> Refused:
    return Refused({"__all__": [f"${{{expression}}}: {why}"]})
