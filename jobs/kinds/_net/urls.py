"""URLs as people write them, made fit for a request or refused with the reason."""

import ipaddress
import re
from contextlib import suppress
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from django.core.exceptions import ValidationError

from jobs.core.hosts import in_ascii
from jobs.kinds._net import addresses

LONGEST = 4_096
_UNFIT = re.compile(r"[\s\x00-\x1f\x7f]")
#: What stays as it is when a path or query is quoted: everything that has a meaning there, and `%` itself.
_KEPT = "%/:?#[]@!$&'()*+,;=~-._"


def normal(raw: str) -> str:
    """The URL with an ASCII host, quoted, without fragment. Raises ValueError with a text that begins in lower case."""
    raw = raw.strip()
    if len(raw) > LONGEST:
        raise ValueError(f"is longer than {LONGEST:,} characters")
    if _UNFIT.search(raw):
        raise ValueError("holds a space or control character: write a space as %20")
    try:
        parts = urlsplit(raw)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"cannot be read ({error})") from error
    if parts.scheme.lower() not in ("http", "https"):
        raise ValueError("does not start with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password: everybody who sees the job would see it")
    host = _ascii_host(parts.hostname or "")
    path, query = quote(parts.path or "/", safe=_KEPT), quote(parts.query, safe=_KEPT)
    return urlunsplit((parts.scheme.lower(), host if port is None else f"{host}:{port}", path, query, ""))


def _ascii_host(host: str) -> str:
    if not host:
        raise ValueError("names no host")
    if ":" in host:
        try:
            return f"[{ipaddress.IPv6Address(host)}]"
        except ValueError as error:
            raise ValueError(f"has an address that is none: {host}") from error
    try:
        name = in_ascii(host)
    except ValueError as error:
        raise ValueError(f"has a host name that is none: {host}") from error
    labels = name.rstrip(".").split(".")
    if len(name) > 253 or not all(re.fullmatch(r"[a-z0-9_-]{1,63}", label) for label in labels):
        raise ValueError(f"has a host name that is none: {host}")
    return name


def redirected(url: str, location: str) -> str:
    """Where a `Location` header leads. Raises ValueError where it leads to no http(s) URL."""
    # Servers send spaces and letters there that a URL must not hold; browsers quote them. http.client reads headers as
    # Latin-1, where they are UTF-8 as a rule.
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode()
    return normal(urljoin(url, re.sub(r"\s", "%20", location.strip())))


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what one connection serves, and secrets stay within."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def check_reachable(url: str) -> None:
    """Raises ValueError where the URL names a refused address itself; what a name leads to is checked on connecting."""
    host = urlsplit(url).hostname or ""
    if addresses.private_allowed():
        return
    if host == "localhost" or host.endswith(".localhost"):
        raise ValueError(f"leads to this machine. {addresses.HINT}")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if not addresses.is_public(address):
        raise ValueError(f"leads to a private address. {addresses.HINT}")


def validate(raw: str) -> str:
    """`normal` and `check_reachable` for a form. Raises ValidationError."""
    try:
        url = normal(raw)
        check_reachable(url)
    except ValueError as error:
        raise ValidationError(f"The URL {error}{'' if str(error).endswith('.') else '.'}") from error
    return url
