"""Talking to the mail server: one connection for a whole mailing, and what became of each address, exactly."""

import contextlib
import smtplib
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail.backends.smtp import EmailBackend

from jobs.core.errors import PermanentError

SENT, REFUSED, DEFERRED, UNKNOWN = "sent", "refused", "deferred", "unknown"
#: Letters in a row whose connection broke before the rest of the mailing waits for the next attempt.
MAX_LOST = 3
#: Codes that mean: log in first, or the login was wrong.
_LOGIN_CODES = frozenset({530, 534, 535, 538})


class Unreachable(Exception):
    """The server cannot be talked to for now."""


@dataclass(frozen=True)
class Outcome:
    """What became of one address. note: the server's answer, or what happened."""

    state: str
    note: str = ""


class _Watched:
    """Lets one see how far a message got: which addresses the server took, and whether it was given the message."""

    answers: dict[str, tuple[int, bytes]]
    handed_over = False

    def begin(self, before_data: Callable[[list[str]], None]) -> None:
        self.answers, self.handed_over, self._before_data = {}, False, before_data

    def rcpt(self, recip: str, options: Any = ()) -> tuple[int, bytes]:
        try:
            self.answers[recip] = super().rcpt(recip, options)  # type: ignore[misc]
        except UnicodeError:
            # Nothing was sent: others of the same message, and the next one, still can be.
            self.answers[recip] = (553, b"an address must be in ASCII")
        code, text = self.answers[recip]
        # smtplib takes 250 and 251 alone for a yes. So is any other: 252, "cannot check, and will try", and 254.
        return (250, text) if 200 <= code < 300 else (code, text)

    def data(self, msg: Any) -> tuple[int, bytes]:
        self._before_data([address for address in self.answers if self.took(address)])
        # smtplib takes 250 alone for a yes, and any other answer for a no, after which the message would go again.
        code, text = super().data(msg)  # type: ignore[misc]
        if 200 <= code < 300:
            return 250, text
        if not 400 <= code < 600:
            raise smtplib.SMTPServerDisconnected("what the server said to the message is no answer of SMTP")
        return code, text

    def send(self, s: Any) -> None:
        super().send(s)  # type: ignore[misc]
        # Commands are text; only the message itself is bytes. Until all of it has left, the server cannot have it.
        self.handed_over = self.handed_over or isinstance(s, bytes)

    def took(self, address: str) -> bool:
        return 200 <= self.answers.get(address, (0,))[0] < 300


class _Smtp(_Watched, smtplib.SMTP):
    pass


class _SmtpOverTls(_Watched, smtplib.SMTP_SSL):
    pass


class _Backend(EmailBackend):
    """Django's SMTP backend, with its settings, its TLS and its login, on a watched connection."""

    @property
    def connection_class(self) -> type:
        return _SmtpOverTls if self.use_ssl else _Smtp


class Conversation:
    """One connection, opened when it is needed and opened again when it has broken."""

    def __init__(self) -> None:
        self.backend = _Backend(**_embedded_server())
        self.server = f"{self.backend.host}:{self.backend.port}"
        self.lost, self.trouble = 0, ""

    def deliver(
        self, sender: str, addresses: Sequence[str], message: bytes, before_data: Callable[[list[str]], None]
    ) -> dict[str, Outcome]:
        """Offer one message to the server; what became of each address.

        before_data: called with the addresses that the server took, before it is given the message.
        Raises Unreachable, and PermanentError where the server wants another login: both only of a message that
        nobody can have got.
        """
        if self.lost >= MAX_LOST:
            raise Unreachable(f"{self.server} ends every conversation: {self.trouble}")
        for _ in range(2):
            smtp = self._open()
            smtp.begin(before_data)
            try:
                smtp.sendmail(sender, list(addresses), message)
            except smtplib.SMTPNotSupportedError as error:
                outcomes = dict.fromkeys(addresses, Outcome(REFUSED, str(error)))
            except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException) as error:
                self.trouble = _farewell(smtp, error)
                if self.trouble:
                    self.drop()
                    continue
                self._check_login(error)
                outcomes = _refusals(smtp, addresses, error)
                self._start_over(smtp)
            except OSError as error:
                self.trouble = f"the connection broke: {error}"
                self.drop()
                if smtp.handed_over:
                    self.lost += 1
                    return {address: _after_break(smtp, address, self.trouble) for address in addresses}
                continue
            except BaseException:
                # Cancelled, or the ledger could not be written: the server is in the middle of a message.
                self.drop()
                raise
            else:
                outcomes = {
                    address: Outcome(SENT) if smtp.took(address) else _answer(smtp, address) for address in addresses
                }
            self.lost = 0
            return outcomes
        self.lost += 1
        return dict.fromkeys(addresses, Outcome(DEFERRED, self.trouble))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.backend.close()

    def drop(self) -> None:
        """Close without a farewell."""
        if self.backend.connection is not None:
            self.backend.connection.close()
            self.backend.connection = None

    def _open(self) -> Any:
        try:
            self.backend.open()
        except smtplib.SMTPAuthenticationError as error:
            text = f"{self.server} refused the login as {self.backend.username!r}: {_words(error)}"
            raise (Unreachable if _is_temporary(error.smtp_code) else PermanentError)(text) from error
        except smtplib.SMTPNotSupportedError as error:
            raise PermanentError(f"{self.server} cannot be used as EMAIL_URL says: {error}") from error
        except smtplib.SMTPResponseException as error:
            text = f"{self.server} refused the connection: {_words(error)}"
            raise (Unreachable if _is_temporary(error.smtp_code) else PermanentError)(text) from error
        except ssl.SSLCertVerificationError as error:
            raise PermanentError(f"The certificate of {self.server} is not valid: {error.verify_message}") from error
        except OSError as error:
            raise Unreachable(f"{self.server} cannot be reached: {error}") from error
        return self.backend.connection

    def _start_over(self, smtp: Any) -> None:
        """Leave the message that was refused half-way, so that the next one finds a clean session."""
        with contextlib.suppress(OSError):
            smtp.rset()

    def _check_login(self, error: smtplib.SMTPRecipientsRefused | smtplib.SMTPResponseException) -> None:
        """Raises PermanentError where a message that nobody got was refused for want of a login.

        Where others of the message were taken, a login wanted for one address is the refusal of that one alone.
        """
        answers: Iterable[tuple[int, bytes | str]]
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            answers = error.recipients.values()
        else:
            answers = [(error.smtp_code, error.smtp_error)]
        for code, text in answers:
            if code in _LOGIN_CODES:
                words = f"{code} {_plain(text)}"
                raise PermanentError(f"{self.server} wants another login than EMAIL_URL gives: {words}") from error


def _embedded_server() -> dict[str, Any]:
    """Host and port of the test mailbox as its file says now: it may have started after this process."""
    if not getattr(settings, "EMAIL_IS_CAUGHT", False):
        return {}
    file = settings.VAR_DIR / "smtp.url"
    if not file.exists():
        return {}
    parts = urlsplit(file.read_text().strip())
    return {"host": parts.hostname, "port": parts.port}


def _judged(code: int, text: bytes | str) -> Outcome:
    return Outcome(DEFERRED if _is_temporary(code) else REFUSED, f"{code} {_plain(text)}")


def _refusals(smtp: Any, addresses: Sequence[str], error: smtplib.SMTPException) -> dict[str, Outcome]:
    """Of a message that was refused for everybody: each address's own answer, or the one to the whole."""
    whole = None
    if isinstance(error, smtplib.SMTPResponseException):
        whole = _judged(error.smtp_code, error.smtp_error)
    refused = {address for address in smtp.answers if not smtp.took(address)}
    return {address: _answer(smtp, address) if whole is None or address in refused else whole for address in addresses}


def _answer(smtp: Any, address: str) -> Outcome:
    """Of an address whose message was not handed over. Others of the same message may have spoilt it: deferred."""
    if address not in smtp.answers or smtp.took(address):
        return Outcome(DEFERRED, "the server stopped before it took the message")
    return _judged(*smtp.answers[address])


def _after_break(smtp: Any, address: str, trouble: str) -> Outcome:
    """Of a message that the server may or may not have kept."""
    if smtp.took(address):
        return Outcome(UNKNOWN, f"while the message was on its way {trouble}")
    return _answer(smtp, address)


def _farewell(smtp: Any, error: Exception) -> str:
    """The server's words where it ends the connection (421: too many messages, going down), else ""."""
    if getattr(error, "smtp_code", 0) == 421:
        return f"421 {_plain(error.smtp_error)}"  # type: ignore[attr-defined]
    return next((f"421 {_plain(text)}" for code, text in smtp.answers.values() if code == 421), "")


def _is_temporary(code: int) -> bool:
    return not 500 <= code < 600


def _words(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {_plain(error.smtp_error)}"


def _plain(text: bytes | str) -> str:
    """A server's answer as one line, at most 300 characters."""
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(decoded.split())[:300]
