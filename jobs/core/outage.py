"""What is no fault of request or code: a disk that is full, a database that is away or was not brought up to date.

Told apart here, in one place, for pages, API, commands and jobs: each says what is wrong, and that trying again helps.
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError, OperationalError

from jobs.core.errors import Busy

NOT_MIGRATED = "The database is not up to date. Run: manage.py prepare"
DATABASE_AWAY = "The database does not answer. What was accepted is safe; try again in a moment."
DATABASE_BUSY = "The database is busy. Try again in a moment."
STATIC_MISSING = "The static files of this server are missing. Run: manage.py prepare, and start the web server again"

#: What the system says of a place where nothing more can be written.
_UNWRITABLE = {
    errno.ENOSPC: "is full",
    errno.EDQUOT: "has reached its quota",
    errno.EROFS: "is read-only",
}
_SYSTEM_SAYS = {os.strerror(number): how for number, how in _UNWRITABLE.items()}
#: The same of PostgreSQL (SQLSTATE) and SQLite (name of the error).
_DATABASE_FULL = {"53100", "SQLITE_FULL"}
_DATABASE_READ_ONLY = {"25006", "SQLITE_READONLY"}
_NO_SUCH = {"42P01", "42703"}
_NO_SUCH_IN_WORDS = ("no such table", "no such column", "has no column named")
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED", "40001", "40P01", "55P03")


@dataclass(frozen=True)
class Outage:
    """status: of HTTP; retry_after: [s] after which it is worth another try."""

    status: int
    text: str
    retry_after: int


def outage_of(error: BaseException) -> Outage | None:
    """What is out of order, None where the error tells of nothing of the kind."""
    if isinstance(error, Busy):
        return Outage(503, str(error), 5)
    for one in _chain(error):
        if isinstance(one, DatabaseError | InterfaceError):
            return _of_database(one)
        if isinstance(one, OSError) and (how := _UNWRITABLE.get(one.errno or 0)):
            return _unwritable(f"The server's storage {how}", how)
        if isinstance(one, OSError) and one.errno in (errno.EMFILE, errno.ENFILE):
            return Outage(503, "The server has too many files open. Try again in a moment.", 5)
        if isinstance(one, ConnectionError):
            return Outage(503, "Redis, or what else this needs, does not answer. Try again in a moment.", 2)
        if _is_of_static_files(one):
            return Outage(503, f"{STATIC_MISSING}.", 30)
    return None


def unwritable(error: BaseException) -> str:
    """How storage stands, such as "is full", where that is what the error tells of, else "".

    Libraries in other languages hand on the system's words alone; an OSError without the number tells what another
    machine said, such as a mail server.
    """
    for one in _chain(error):
        if isinstance(one, OSError):
            if how := _UNWRITABLE.get(one.errno or 0):
                return how
        elif found := next((how for said, how in _SYSTEM_SAYS.items() if said in str(one)), ""):
            return found
    return ""


def _is_of_static_files(error: BaseException) -> bool:
    """Whether a page's style or script is not to be had, or the list of them cannot be read."""
    if isinstance(error, OSError):
        return str(error.filename).endswith("staticfiles.json")
    return isinstance(error, ValueError) and str(error).startswith("Missing staticfiles manifest entry")


def _of_database(error: BaseException) -> Outage | None:
    """None for what the code asked wrongly."""
    cause = error.__cause__
    code = str(getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None) or "")
    if code in _NO_SUCH or any(words in str(error) for words in _NO_SUCH_IN_WORDS):
        return Outage(503, f"{NOT_MIGRATED}.", 30)
    if code in _DATABASE_FULL:
        return _unwritable("The database's disk is full", "is full")
    if code.startswith(tuple(_DATABASE_READ_ONLY)):
        return _unwritable("The database is read-only", "is read-only")
    if code.startswith(_BUSY) or "is locked" in str(error):
        return Outage(503, DATABASE_BUSY, 2)
    if isinstance(error, OperationalError | InterfaceError):
        return Outage(503, DATABASE_AWAY, 5)
    return None


def _unwritable(what: str, how: str) -> Outage:
    until, status = ("that is mended", 503) if how == "is read-only" else ("there is room", 507)
    return Outage(status, f"{what}: nothing of this was stored. Try again once {until}.", 60)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that led to it."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
