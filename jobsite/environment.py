"""How the site's settings are read from the environment: each value is parsed, or refused with one line."""

import os
import re
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import dj_database_url


def env(name: str, default: Any, parse: Callable[[str], Any], expected: str) -> Any:
    """The parsed value of an environment variable, or `default` where it is unset or empty."""
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        return parse(raw)
    except (ValueError, KeyError, LookupError, OSError) as error:
        sys.exit(f"{name}={_shown(raw)!r} cannot be used: expected {expected}{_why(raw, error)}")


def _shown(raw: str) -> str:
    """Without the password of a URL, also one that stands there unquoted."""
    return re.sub(r"(://[^:@]*:).*(?=@)", r"\1***", raw, flags=re.DOTALL)


def _why(raw: str, error: Exception) -> str:
    # What is quoted of a URL that was read wrongly may be a part of its password.
    return "" if _shown(raw) != raw and "'" in str(error) else f" ({error})"


def boolean(raw: str) -> bool:
    return {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}[
        raw.lower()
    ]


def between(low: int, high: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        value = int(raw)
        if not low <= value <= high:
            raise ValueError(f"not between {low} and {high}")
        return value

    return parse


def one_of(*names: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw not in names:
            raise ValueError("not one of them")
        return raw

    return parse


def url_with_scheme(*schemes: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        parts = urlsplit(raw)
        if parts.scheme not in schemes or not (parts.netloc or parts.path.strip("/")):
            raise ValueError(f"scheme must be one of {', '.join(schemes)}")
        if "#" in raw:
            raise ValueError("write %23 for #")
        _ = parts.port
        return raw

    return parse


#: [s, but for the last: ms] libpq's own, so that a server that is away is told within seconds: by itself it waits for
#: minutes for one that does not say so, and pages with it.
POSTGRES_PATIENCE = {
    "connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}  # fmt: skip


def database(raw: str) -> dict[str, Any]:
    url_with_scheme("sqlite", "postgres", "postgresql")(raw)
    found: dict[str, Any] = {**dj_database_url.parse(raw, conn_max_age=600, conn_health_checks=True)}
    if found["ENGINE"].endswith("postgresql"):
        found["OPTIONS"] = POSTGRES_PATIENCE | found.get("OPTIONS", {})
    return found


def mail_server(raw: str) -> dict[str, Any]:
    """smtp://USER:PASSWORD@HOST:PORT, smtps:// for TLS from the start, ?tls=true for STARTTLS."""
    url_with_scheme("smtp", "smtps")(raw)
    parts = urlsplit(raw)
    if not parts.hostname:
        raise ValueError("no host in it")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := query.keys() - ({"tls"} if parts.scheme == "smtp" else set()):
        raise ValueError(f"{parts.scheme}:// takes no {', '.join(sorted(unknown))}")
    return {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if parts.scheme == "smtps" else 25),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": boolean(query.get("tls", "false")),
    }


def senders(raw: str) -> list[str]:
    found = [part.strip().lower() for part in raw.split(",") if part.strip()]
    if any(part.count("@") != 1 or part.endswith("@") or " " in part for part in found):
        raise ValueError(raw)
    return found


def folder(raw: str) -> str:
    parts = urlsplit(url_with_scheme("file")(raw))
    if parts.netloc:
        raise ValueError(f"{parts.netloc} would be a host: write three slashes")
    if "?" in raw:
        raise ValueError("write %3F for ?")
    return unquote(parts.path)
