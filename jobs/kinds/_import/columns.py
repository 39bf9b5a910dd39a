"""Which column feeds which parameter."""

from collections.abc import Iterable, Mapping

from django import forms

Fields = Mapping[str, forms.Field]


def parse(text: str, fields: Fields) -> dict[str, str]:
    """{column: parameter} from lines such as "E-mail address = to". Raises ValueError in words for people."""
    pairs: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        column, equals, parameter = (part.strip() for part in line.rpartition("="))
        if not equals or not column:
            raise ValueError(f"{line!r} is no pair: write “Column = parameter”, one on each line.")
        if (found := _field_named(parameter, fields)) is None:
            raise ValueError(f"{line!r}: there is no parameter {parameter!r}. There are: {', '.join(fields)}.")
        if found in pairs.values() or column in pairs:
            raise ValueError(f"{line!r}: {column!r} or {found!r} is given twice.")
        pairs[column] = found
    return pairs


def assign(columns: Iterable[str], pairs: Mapping[str, str], fields: Fields) -> dict[str, str]:
    """{column: parameter} of a table: what was said, then every column that is called like a parameter or its label.

    Raises ValueError for a named column that is not there, and where no column is left for a required parameter.
    """
    columns = list(columns)
    known = {_plain(column): column for column in reversed(columns)}
    if missing := [name for name in pairs if _plain(name) not in known]:
        raise ValueError(f"There is no column {missing[0]!r}. The columns are: {_listed(columns)}.")
    found = {known[_plain(name)]: parameter for name, parameter in pairs.items()}
    for column in columns:
        parameter = _field_named(column, fields)
        if column not in found and parameter is not None and parameter not in found.values():
            found[column] = parameter
    if not found:
        raise ValueError(f"No column is called like a parameter ({', '.join(fields)}). There are: {_listed(columns)}.")
    absent = [name for name, field in fields.items() if field.required and field.initial is None]
    if absent := [name for name in absent if name not in found.values()]:
        raise ValueError(f"No column gives {', '.join(absent)}. The columns are: {_listed(columns)}.")
    return found


def _field_named(name: str, fields: Fields) -> str | None:
    """The parameter by its name or label, whatever the case."""
    asked = _plain(name)
    by_label = {_plain(str(field.label or "")): key for key, field in fields.items()}
    return next((key for key in fields if _plain(key) == asked), by_label.get(asked) if asked else None)


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


def _listed(columns: list[str]) -> str:
    more = f" and {len(columns) - 40} more" if len(columns) > 40 else ""
    return ", ".join(columns[:40]) + more
