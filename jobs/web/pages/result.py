"""What a job returned, for people: a sentence, facts, tables; JSON only where nothing better fits."""

import json
from dataclasses import dataclass, field
from typing import Any

#: Rows and columns of a table that the page shows.
ROWS, COLUMNS = 200, 12
#: What refers to files, which the page lists by themselves.
_FILES = frozenset({"artifact", "path"})


@dataclass
class Table:
    name: str
    columns: list[str]
    rows: list[list[Any]]
    #: Rows in all, where not all are shown.
    of: int


@dataclass
class Shown:
    summary: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    #: Pretty-printed JSON of what is left.
    json: str = ""


def shown(result: Any) -> Shown:
    """A result (JSON, masked) in parts."""
    if _is_table(result):
        return Shown(tables=[_table("", result)])
    if not isinstance(result, dict):
        return Shown(json="" if result is None else _pretty(result))
    found, left = Shown(), {}
    for name, value in result.items():
        words = name.replace("_", " ").capitalize()
        if name == "summary" and isinstance(value, str):
            found.summary = value
        elif _is_table(value):
            if (table := _table(words, value)).columns not in ([], ["name"]):
                found.tables.append(table)
        elif not isinstance(value, dict | list):
            found.facts[words] = "" if value is None else value
        elif value and not (isinstance(value, dict) and _FILES & value.keys()):
            left[name] = value
    found.json = _pretty(left) if left else ""
    return found


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _table(name: str, items: list[dict[str, Any]]) -> Table:
    first = items[:ROWS]
    columns = [key for key in dict.fromkeys(key for item in first for key in item) if key not in _FILES][:COLUMNS]
    return Table(name, columns, [[_cell(item.get(key)) for key in columns] for item in first], len(items))


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return ", ".join(map(str, value)) if isinstance(value, list) else json.dumps(value, ensure_ascii=False)
    return "" if value is None else value


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
