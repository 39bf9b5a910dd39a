"""The book of a mailing: what became of each address, kept in the job's ledger across attempts (LINE 14)."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from jobs.core.errors import PermanentError
from jobs.core.kind import Context
from jobs.kinds._email.conversation import DEFERRED, REFUSED, SENT, UNKNOWN, Outcome
from jobs.kinds._email.letters import Letter, leave_out
from jobs.kinds._email.mailing import LeftOut, in_order

SENDING, SUPPRESSED = "sending", "suppressed"
#: Addresses and rows that the result itself names; recipients.csv names all.
SHOWN = 20
#: Lines about single addresses that an attempt's log takes.
LOGGED = 100


class TemporaryFailure(Exception):
    """Some addresses could not be sent to yet; a further attempt sends to those alone."""


class Book:
    """Outcomes by ledger key, which is the address in lower case."""

    def __init__(self, addresses: Iterable[str], left_out: list[LeftOut], ctx: Context):
        self.ctx, self.left_out = ctx, list(left_out)
        self.addresses = {address.casefold(): address for address in addresses}
        self.outcomes: dict[str, Outcome] = {}
        self.counts: Counter[str] = Counter()
        self.logged = 0
        # Whoever was suppressed may have been taken off the list since.
        earlier = {
            key: entry
            for key, entry in ctx.ledger.all().items()
            if key in self.addresses and entry["state"] != SUPPRESSED
        }
        # Only when the server refused everybody does a job end as failed with nothing but refusals in its ledger.
        # If it runs again, a person asked for it, having put right what was wrong.
        from_the_start = len(earlier) == len(self.addresses) and all(e["state"] == REFUSED for e in earlier.values())
        for key, entry in earlier.items():
            if entry["state"] == SENDING:
                self._mark(key, Outcome(UNKNOWN, "the worker stopped while the message was on its way"))
            elif not from_the_start:
                self._enter(key, Outcome(entry["state"], entry.get("note", "")))

    def waiting(self, addresses: Iterable[str]) -> list[str]:
        """Those of the addresses that still have to be sent to."""
        return [
            address
            for address in addresses
            if address.casefold() in self.addresses and self._state(address) in ("", DEFERRED)
        ]

    def leave_out(self, letters: list[Letter], reasons: Mapping[str, str]) -> list[Letter]:
        """Take out whoever is suppressed, {address in lower case: reason}; what remains of the letters."""
        remaining, rows = leave_out(letters, reasons)
        for row in rows:
            key = row.value.casefold()
            if before := self.outcomes.pop(key, None):
                self.counts[before.state] -= 1
                self._write(key, Outcome(SUPPRESSED, row.reason))
            del self.addresses[key]
        self.left_out += rows
        return remaining

    def sending(self, addresses: list[str]) -> None:
        """Say so in the ledger before the server is given the message. Raises TemporaryFailure."""
        for address in addresses:
            self._mark(address.casefold(), Outcome(SENDING))

    def record(self, outcomes: dict[str, Outcome]) -> None:
        """Keep what became of a letter. Raises TemporaryFailure where the ledger cannot be written."""
        for address, outcome in outcomes.items():
            self._mark(address.casefold(), outcome)
            if outcome.state != SENT and self.logged < LOGGED:
                self.logged += 1
                self.ctx.log(f"{address} {outcome.state}: {outcome.note}")

    def put_off(self, addresses: Iterable[str], reason: str) -> None:
        """The server was never given the message, and is not going to be in this attempt."""
        self.record(dict.fromkeys(addresses, Outcome(DEFERRED, reason)))

    def count(self, *states: str) -> int:
        return sum(self.counts[state] for state in states)

    @property
    def total(self) -> int:
        return len(self.addresses)

    @property
    def settled(self) -> int:
        """Addresses that no further attempt is going to try."""
        return self.count(SENT, REFUSED, UNKNOWN)

    def close(self, trouble: str) -> dict[str, Any]:
        """The result of the job. trouble: why the attempt broke off, or "".

        Raises TemporaryFailure while addresses wait, and PermanentError where the server refused every one.
        """
        waiting = self.total - self.settled
        is_last = waiting == 0 or self.ctx.attempt >= self.ctx.max_attempts
        file = self._save_csv() if is_last and self.total + len(self.left_out) > SHOWN else None
        if waiting:
            raise TemporaryFailure(f"{waiting:,} of {self.total:,} not sent: {trouble or self._first(DEFERRED)}")
        if self.total and self.count(REFUSED) == self.total:
            raise PermanentError(f"The mail server refused every address. {self._first(REFUSED)}")
        return self._result(file)

    def _result(self, file: dict[str, Any] | None) -> dict[str, Any]:
        duplicates = sum(row.is_duplicate for row in self.left_out)
        result: dict[str, Any] = {
            "summary": self._summary(len(self.left_out) - duplicates, duplicates),
            "recipients": self.total,
            "sent": self.count(SENT),
            "refused": self.count(REFUSED),
            "unknown": self.count(UNKNOWN),
            "skipped": duplicates,
            "left_out": len(self.left_out) - duplicates,
        }
        for state in (REFUSED, UNKNOWN):
            if found := self._some(state):
                result[f"first_{state}"] = found
        if self.left_out:
            result["first_left_out"] = rows_as_json(self.left_out)
        if file:
            result["file"] = file["name"]
        return result

    def _summary(self, left_out: int, duplicates: int) -> str:
        """1 sent, 1 refused."""
        parts = [f"{self.count(SENT):,} sent"]
        told = {
            "refused": self.count(REFUSED), "perhaps sent": self.count(UNKNOWN), "left out": left_out,
            "duplicate" if duplicates == 1 else "duplicates": duplicates,
        }  # fmt: skip
        return ", ".join([*parts, *(f"{count:,} {word}" for word, count in told.items() if count)]) + "."

    def _some(self, state: str) -> list[dict[str, str]]:
        found = [(key, outcome.note) for key, outcome in self.outcomes.items() if outcome.state == state]
        return [{"to": self.addresses[key], "reason": note} for key, note in found[:SHOWN]]

    def _first(self, state: str) -> str:
        found = self._some(state)
        return f"{found[0]['to']}: {found[0]['reason']}" if found else ""

    def _save_csv(self) -> dict[str, Any]:
        """Every address and every row left out, with what became of it."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["recipient", "outcome", "answer", "row"])
        for key, address in self.addresses.items():
            outcome = self.outcomes.get(key, Outcome("waiting"))
            writer.writerow([_cell(address), outcome.state, _cell(outcome.note), ""])
        for row in in_order(self.left_out):
            state = "duplicate" if row.is_duplicate else "left out"
            writer.writerow([_cell(row.value), state, _cell(row.reason), row.number])
        # The mark at the start tells Excel that this is UTF-8.
        return self.ctx.save("recipients.csv", text.getvalue().encode("utf-8-sig"), "text/csv")

    def _state(self, address: str) -> str:
        outcome = self.outcomes.get(address.casefold())
        return outcome.state if outcome else ""

    def _mark(self, key: str, outcome: Outcome) -> None:
        self._write(key, outcome)
        self._enter(key, outcome)

    def _write(self, key: str, outcome: Outcome) -> None:
        try:
            self.ctx.ledger.mark(key, outcome.state, outcome.note[:500])
        except ConnectionError as error:
            # Not an OSError here: it would look like the mail server's connection to whoever is sending.
            raise TemporaryFailure(f"the ledger could not be written: {error}") from error

    def _enter(self, key: str, outcome: Outcome) -> None:
        if before := self.outcomes.get(key):
            self.counts[before.state] -= 1
        self.outcomes[key] = outcome
        self.counts[outcome.state] += 1


def rows_as_json(rows: list[LeftOut]) -> list[dict[str, Any]]:
    return [{"row": row.number, "value": row.value, "reason": row.reason} for row in in_order(rows)[:SHOWN]]


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
