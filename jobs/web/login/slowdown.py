"""Guessing passwords is slowed down: by account, by address, and by browser where an account has logged in before.

Each wrong password beyond a few doubles the wait before the next is looked at, up to a bound. An attacker who keeps an
account waiting does not keep its owner out: a browser in which the owner has logged in carries a signed cookie, and
is counted by itself. The attempt is counted before the password is compared and given back when it was right, so that
many at once are as slow as one after the other.
"""

import hashlib
import ipaddress
import logging
import math
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from jobs.models import AuditEntry, LoginCount
from jobs.models.writing import write

log = logging.getLogger(__name__)

#: After this time without a wrong password all is forgotten [h].
FORGOTTEN = timedelta(hours=12)
COOKIE = "jobsite_known"
_SALT = "jobs.web.login.known"
#: [s] that a browser stays known.
KNOWN_FOR = 180 * 86_400


@dataclass(frozen=True)
class Pace:
    """free: wrong passwords without a wait; longest: the wait in the end [s]."""

    free: int
    longest: int

    def wait(self, failures: int) -> timedelta:
        """Before the next is looked at: 1 s after the last free one, then twice as long each time."""
        return timedelta(seconds=min(2 ** min(failures - self.free, 30), self.longest) if failures >= self.free else 0)


ACCOUNT = BROWSER = Pace(free=5, longest=300)
#: An office has one address for many people.
ADDRESS = Pace(free=20, longest=900)


class TooSoon(Exception):
    """No password is looked at yet. until: when the next is; what: what is slowed down, for the log."""

    def __init__(self, until: datetime, what: str):
        super().__init__(f"try again after {until:%H:%M:%S %Z}")
        self.until, self.what = until, what

    @property
    def seconds(self) -> int:
        return max(1, math.ceil((self.until - timezone.now()).total_seconds()))


@dataclass
class Attempt:
    """One password that is being compared, counted as wrong until it turns out right."""

    name: str
    place: str
    keys: list[tuple[str, str, Pace]]
    #: When the next may follow, where there is a wait already.
    until: datetime | None = None
    done: bool = False


def begin(request: HttpRequest, name: str, place: str = "login") -> None:
    """Count an attempt on an account, once for each request and name. Raises TooSoon.

    name: as it was typed; an unknown one is slowed down like any, so that nobody learns which there are.
    """
    known: Attempt | None = getattr(request, "login_attempt", None)
    if known is not None and known.name == name and not known.done:
        return
    attempt = Attempt(name, place, _keys(request, name))
    try:
        attempt.until = _counted(attempt.keys)
    except TooSoon as soon:
        log.warning("%s of %s from %s refused for %d s: too many wrong passwords for this %s",
                    place, _told(name), address_of(request), soon.seconds, soon.what)  # fmt: skip
        raise
    request.login_attempt = attempt  # type: ignore[attr-defined]


def failed(request: HttpRequest | None) -> None:
    """The password was wrong: the count stands; one line in the log, one entry in the audit."""
    attempt: Attempt | None = getattr(request, "login_attempt", None)
    if request is None or attempt is None or attempt.done:
        return
    attempt.done = True
    wait = math.ceil((attempt.until - timezone.now()).total_seconds()) if attempt.until else 0
    address = address_of(request)
    log.warning("%s of %s from %s failed: wrong password; next after %d s",
                attempt.place, _told(attempt.name), address, max(0, wait))  # fmt: skip
    AuditEntry.record(
        _account(attempt.name), f"failed {attempt.place}", target=f"{_told(attempt.name)} from {address}"[:200],
        via="web", address=address, next_after_seconds=max(0, wait),
    )  # fmt: skip


def succeeded(request: HttpRequest | None, user: Any) -> None:
    """The password was right: the account starts anew, the address gets back this one attempt and no more.

    Were the address forgiven all, an attacker with an account of his own would log in to it between his guesses.
    """
    attempt: Attempt | None = getattr(request, "login_attempt", None)
    if request is None or attempt is None or attempt.done:
        return
    attempt.done = True
    with write():
        for what, key, pace in attempt.keys:
            row = LoginCount.objects.select_for_update().filter(key=key).first()
            if row is not None:
                row.failures = max(0, row.failures - 1) if what == "address" else 0
                row.until = timezone.now() + pace.wait(row.failures) if row.failures > pace.free else timezone.now()
                row.save()
    if _known(request) is None or _known(request) != str(user.pk):
        request.make_known = str(user.pk)  # type: ignore[attr-defined]


def remember(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Give the cookie of a known browser to whoever has just logged in."""
    if pk := getattr(request, "make_known", None):
        value = signing.dumps([pk, secrets.token_urlsafe(16)], salt=_SALT)
        response.set_cookie(
            COOKIE, value, max_age=KNOWN_FOR, httponly=True, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
        )
    return response


def address_of(request: HttpRequest) -> str:
    """The client's address: of a named proxy the one that it forwards (manage.py web sees to that), else the peer's."""
    return str(request.META.get("REMOTE_ADDR", ""))[:64] or "unknown"


def _counted(keys: list[tuple[str, str, Pace]]) -> datetime | None:
    """When the next may follow. Raises TooSoon, and counts nothing then."""
    now = timezone.now()
    latest: datetime | None = None
    with write():
        rows = []
        for what, key, pace in sorted(keys, key=lambda each: each[1]):  # in one order, so that none waits in a circle
            row, new = LoginCount.objects.select_for_update().get_or_create(key=key)
            if new:
                LoginCount.objects.filter(changed__lt=now - 2 * FORGOTTEN).delete()
            elif row.changed < now - FORGOTTEN:
                row.failures = 0
            elif row.until > now:
                raise TooSoon(row.until, what)
            rows.append((row, pace))
        for row, pace in rows:
            row.failures += 1
            row.until, row.changed = now + pace.wait(row.failures), now
            row.save()
            latest = max(row.until, latest or row.until)
    return latest


def _keys(request: HttpRequest, name: str) -> list[tuple[str, str, Pace]]:
    account = _account(name)
    who = str(account.pk) if account is not None else f"name {name.casefold()}"
    if account is not None and _known(request) == who:
        return [("browser", _digest("browser", request.COOKIES[COOKIE]), BROWSER)]
    found = [("account", _digest("account", who), ACCOUNT)]
    if network := _network(address_of(request)):
        found.append(("address", _digest("address", network), ADDRESS))
    return found


def _network(address: str) -> str:
    """What counts as one address: of IPv6 a /64, of which every line has at least one."""
    try:
        given = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(given, ipaddress.IPv6Address):
        if given.ipv4_mapped:
            return str(given.ipv4_mapped)
        return str(ipaddress.IPv6Network((given, 64), strict=False))
    return str(given)


def _known(request: HttpRequest) -> str | None:
    """The primary key, as text, of the account that last logged in with this browser."""
    try:
        return str(signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=KNOWN_FOR)[0])
    except signing.BadSignature:
        return None


def _account(name: str) -> Any:
    """The user of a name; None for none. A NUL, which PostgreSQL refuses, is in no name."""
    model = get_user_model()
    if not name or "\0" in name or len(name) > 254:
        return None
    return model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()


def _told(name: str) -> str:
    """A name for people: one that nobody has may be a password in the wrong field."""
    account = _account(name)
    return account.get_username() if account is not None else "an unknown name"


def _digest(what: str, value: str) -> str:
    return hashlib.sha256(f"{what}:{value}".encode("utf-8", "surrogatepass")).hexdigest()
