"""Secrets: encrypted where a worker needs them again, masked where only people look."""

import base64
import hashlib
import re
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

MASK = "••••••"
_SECRET_NAME = re.compile(r"pass(word|wd|phrase)?$|secret|token|api_?key|credential|authorization|private_?key", re.I)
_MARK = "encrypted:"


def _fernet() -> Fernet:
    key = hashlib.sha256(b"jobsite.params" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def encrypt(text: str) -> str:
    """Ciphertext that only processes with the same SECRET_KEY can read."""
    return _MARK + _fernet().encrypt(text.encode()).decode()


def decrypt(value: str) -> str:
    """The text behind `encrypt`. Raises ValueError where SECRET_KEY has changed since."""
    try:
        return _fernet().decrypt(value.removeprefix(_MARK).encode()).decode()
    except InvalidToken as error:
        raise ValueError("this secret was encrypted under another SECRET_KEY; submit the job again") from error


def is_secret_name(name: str) -> bool:
    return bool(_SECRET_NAME.search(name))


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
    """Whether something was masked in JSON: the real value is not to be had again."""
    if isinstance(value, dict):
        return any(map(holds_mask, value.values()))
    if isinstance(value, list):
        return any(map(holds_mask, value))
    return value == MASK


def masked(value: Any, name: str = "") -> Any:
    """A copy of JSON-like `value` in which whatever has a secret's name, or is ciphertext, is masked."""
    if isinstance(value, dict):
        return {key: masked(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, name) for item in value]
    if isinstance(value, str) and (value.startswith(_MARK) or (value and _SECRET_NAME.search(name))):
        return MASK
    return value
