"""Secrets: encrypted where a worker needs them again, masked where only people look."""

import base64
import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from jobs.core.secret_names import is_secret_name
from jobs.core.secret_texts import MASK, masked_text

_MARK = "encrypted:"


def _fernet() -> Fernet:
    key = hashlib.sha256(b"jobsite.params" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


class StoredSecret(str):
    """A ciphertext out of a row of ours. Only such is opened on the way in: what somebody sends that looks like one is
    text like any other, so that nobody has a ciphertext of somebody else's, copied from the database, put in clear."""


def is_ciphertext(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_MARK)


def encrypt(text: str) -> str:
    """Ciphertext that only processes with the same SECRET_KEY can read."""
    return _MARK + _fernet().encrypt(text.encode()).decode()


def decrypt(value: str) -> str:
    """The text behind `encrypt`. Raises ValueError where SECRET_KEY has changed since."""
    try:
        return _fernet().decrypt(value.removeprefix(_MARK).encode()).decode()
    except InvalidToken as error:
        raise ValueError("this secret was encrypted under another SECRET_KEY; submit the job again") from error


def sealed(value: Any, name: str = "") -> Any:
    """A copy of JSON in which texts that have a secret's name are ciphertext, as `masked` would mask them."""
    if isinstance(value, dict):
        return {key: sealed(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sealed(item, name) for item in value]
    if isinstance(value, str) and value and is_secret_name(name) and not value.startswith(_MARK):
        return encrypt(value)
    return value


def opened(value: Any) -> Any:
    """A copy of JSON with every ciphertext in clear. Raises ValueError where SECRET_KEY has changed since."""
    if isinstance(value, dict):
        return {key: opened(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [opened(item) for item in value]
    return decrypt(value) if isinstance(value, str) and value.startswith(_MARK) else value


def holds_mask(value: Any) -> bool:
    """Whether something was masked in JSON, or within one of its texts: the real value is not to be had again."""
    if isinstance(value, dict):
        return any(map(holds_mask, value.values()))
    if isinstance(value, list | tuple):
        return any(map(holds_mask, value))
    return isinstance(value, str) and MASK in value


#: Values that cannot carry a secret unless their name says so.
_PLAIN = (int, float, complex, date, time, timedelta, Decimal, UUID)
#: Of {"name": "X-Api-Key", "value": …}, as forms and headers are often told.
_NAMING, _NAMED = ("name", "key", "header", "field"), ("value", "val", "content")


def masked(value: Any, name: str = "") -> Any:
    """A copy of JSON-like `value` in which whatever has a secret's name, or is ciphertext, is masked.

    Also masked: secrets that show themselves within a text (addresses with a password, headers, JSON in a text), the
    second of a pair whose first is a secret's name, what follows an option such as `--password`. Nothing, true and
    false stay: they say that a secret is missing, and not which. Numbers and whole objects under a secret's name go.
    """
    if value is None or isinstance(value, bool) or value in ("", b"") or (name and is_secret_name(name)):
        return _hidden(value)
    if isinstance(value, dict):
        return _masked_dict(value)
    if isinstance(value, list | tuple | set | frozenset):
        return _masked_list(list(value))
    if isinstance(value, str):
        return MASK if value.startswith(_MARK) else _masked_text(value)
    if isinstance(value, _PLAIN):
        return value
    text = value.decode("utf-8", "replace") if isinstance(value, bytes | bytearray) else str(value)
    return value if (hidden := _masked_text(text)) == text else hidden


def _hidden(value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return [_hidden(item) for item in value]
    return value if value is None or isinstance(value, bool) or value in ("", b"", {}) else MASK


def _masked_dict(value: dict[Any, Any]) -> dict[Any, Any]:
    found = {
        key: masked(item, key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key))
        for key, item in value.items()
    }
    if any(isinstance(value.get(key), str) and is_secret_name(value[key]) for key in _NAMING):
        found |= {key: _hidden(value[key]) for key in _NAMED if key in value}
    return found


def _masked_list(items: list[Any]) -> list[Any]:
    found = []
    before: Any = None
    for item in items:
        is_pair = isinstance(item, list | tuple) and len(item) == 2
        if isinstance(before, str) and before.startswith("-") and "=" not in before and is_secret_name(before):
            found.append(_hidden(item))
        elif is_pair and isinstance(item[0], str) and is_secret_name(item[0]):
            found.append([item[0], _hidden(item[1])])
        else:
            found.append(masked(item))
        before = item
    return found


def _masked_text(text: str) -> str:
    """JSON within a text is masked as JSON: a name there may have numbers and objects under it."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            told = json.loads(text)
            if isinstance(told, dict | list):
                hidden = masked(told)
                return text if hidden == told else json.dumps(hidden, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass  # only looks like JSON
    return masked_text(text)


def masked_args(function: Callable[..., Any] | None, args: Sequence[Any]) -> list[Any]:
    """Positional arguments of a task's function, masked as if they had come by the names of its parameters.

    Without the function, or where it takes what it gets as *args, a value is judged by itself alone.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values()) if function else []
    except (TypeError, ValueError):  # some of C's functions have none that can be read
        parameters = []
    named = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return [masked(value, named[number] if number < len(named) else "") for number, value in enumerate(args)]
