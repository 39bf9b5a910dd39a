"""Addresses as people write them: lists, names in front, nothing that could end a header."""

import re
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

from jobs.core.hosts import in_ascii

#: Whatever could end a header line, or be taken for its end by some program on the way.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_is_address = EmailValidator(allowlist=["localhost"])
_NAMED = re.compile(r"(?P<name>.*?)<(?P<address>[^<>]*)>", re.S)
_SEPARATORS = frozenset(",;\n")


@dataclass(frozen=True)
class Address:
    """One mailbox. name: what stands before it, or ""; address: bare, its domain in ASCII."""

    name: str
    address: str

    def __str__(self) -> str:
        if not self.name:
            return self.address
        plain = re.fullmatch(r"[\w .'&-]+", self.name, re.A) is not None
        escaped = self.name.replace("\\", "\\\\").replace('"', '\\"')
        return f"{self.name if plain else chr(34) + escaped + chr(34)} <{self.address}>"


def parse(text: str) -> Address:
    """'nina@example.com' or 'Nina <nina@example.com>'. Raises ValueError that says what is wrong."""
    text = text.strip()
    if CONTROL.search(text):
        raise ValueError(f"{CONTROL.sub(' ', text)!r} holds a line break or control character.")
    named = _NAMED.fullmatch(text)
    name, address = (_unquoted(named["name"]), named["address"].strip()) if named else ("", text)
    local, _, domain = address.rpartition("@")
    # Django takes ı, İ, ſ and the Kelvin sign for letters of ASCII, which no command of SMTP can carry.
    if foreign := next((char for char in local if not char.isascii()), ""):
        may = "only a to z, digits and signs may stand before the @"
        raise ValueError(f"{text!r} is not an address: {may}, not {foreign!r}.")
    try:
        # Checked as it is used: what the domain becomes in ASCII may be none, such as one with a second @.
        address = f"{local}@{in_ascii(domain)}"
        _is_address(address)
    except (ValidationError, ValueError):
        raise ValueError(f"{text!r} is not an address: expected name@example.com.") from None
    return Address(name, address)


def split(text: str) -> list[str]:
    """The parts of a list with commas, semicolons or lines between, as they stand outside of quotes and <>."""
    parts, current, quoted, angled = [], "", False, False
    for char in text.replace("\r\n", "\n").replace("\r", "\n"):
        if char in _SEPARATORS and not quoted and not angled:
            parts.append(current)
            current = ""
            continue
        quoted = quoted != (char == '"')
        angled = not quoted and (char == "<" or (angled and char != ">"))
        current += char
    return [part.strip() for part in [*parts, current] if part.strip()]


def bare(text: str, shown: int = 10) -> list[str]:
    """The addresses of a list, each once, in lower case and without names. Raises ValueError that names the first
    `shown` of those that are none."""
    found: dict[str, None] = {}
    wrong: list[str] = []
    for part in split(text):
        try:
            found[parse(part).address.casefold()] = None
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        more = f" And {len(wrong) - shown:,} more." if len(wrong) > shown else ""
        raise ValueError(" ".join(wrong[:shown]) + more)
    return list(found)


def _unquoted(name: str) -> str:
    name = name.strip()
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return name.strip()


class AddressesInput(forms.TextInput):
    """Several values (as the API sends a list) count as one list."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        values = data.getlist(name) if hasattr(data, "getlist") else [data.get(name)]
        return ", ".join(str(value) for value in values if value)

    def format_value(self, value: Any) -> str | None:
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else super().format_value(value)


class AddressesField(forms.CharField):
    """Addresses with commas, semicolons or lines between them. Cleans to a list of texts, each address once."""

    widget = AddressesInput

    def __init__(self, *, max_count: int = 100, **kwargs: Any):
        self.max_count = max_count
        super().__init__(**kwargs)

    def clean(self, value: Any) -> list[str]:
        # CharField turns "" and None into "", and refuses both where the field is required.
        found: dict[str, str] = {}
        errors = []
        for part in split(super().clean(value)):
            try:
                address = parse(part)
                found.setdefault(address.address.casefold(), str(address))
            except ValueError as error:
                errors.append(str(error))
        if errors:
            raise ValidationError(errors)
        if len(found) > self.max_count:
            raise ValidationError(f"{len(found)} addresses: at most {self.max_count} are taken.")
        return list(found.values())


class AddressField(forms.CharField):
    """One address, with or without a name. Cleans to text."""

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        try:
            return str(parse(text)) if text else ""
        except ValueError as error:
            raise ValidationError(str(error)) from None
