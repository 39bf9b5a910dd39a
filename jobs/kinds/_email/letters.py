"""Letters: who gets what, and the message as it goes over the wire."""

import hashlib
import mimetypes
import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from email import encoders
from email.mime.base import MIMEBase
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives

from jobs.core.kind import Context
from jobs.kinds._email import mailing, template
from jobs.kinds._email.addresses import CONTROL, parse
from jobs.kinds._tables.choices import Choice


@dataclass(frozen=True)
class Letter:
    """One message. addresses: everybody whom the server is told of, bare; to, cc: as the headers show them."""

    to: list[str]
    addresses: list[str]
    cc: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    #: Of the recipients file.
    row: int | None = None

    def test_to(self, address: str) -> "Letter":
        """The same message, to one address that is to see it first."""
        return Letter([address], [parse(address).address], values=self.values)

    def without(self, keys: Container[str]) -> "Letter":
        """The same message, not to these: addresses in lower case."""

        def kept(texts: list[str]) -> list[str]:
            return [text for text in texts if parse(text).address.casefold() not in keys]

        return replace(self, to=kept(self.to), cc=kept(self.cc), addresses=kept(self.addresses))


def letters_of(
    params: Mapping[str, Any], file: bytes | None, breathe: Callable[[], None] = lambda: None
) -> tuple[list[Letter], list[mailing.LeftOut], str]:
    """The letters of a job, the rows left out, and how the file was read, "" without one.

    There is one letter for all in To, Cc and Bcc, or one for each row of the file.
    """
    if file is None:
        everybody = [*params["to"], *params["cc"], *params["bcc"]]
        bare: dict[str, str] = {}
        for address in (parse(text).address for text in everybody):
            bare.setdefault(address.casefold(), address)
        return [Letter(params["to"], list(bare.values()), params["cc"])] if bare else [], [], ""
    found = mailing_of(params, file, breathe)
    return letters_to(found.rows, breathe), found.left_out, found.how


def mailing_of(params: Mapping[str, Any], file: bytes, breathe: Callable[[], None] = lambda: None) -> mailing.Mailing:
    """The recipients file as the parameters want it read. Raises mailing.Unreadable."""
    in_text = template.keys(f"{params.get('text') or ''} {params.get('html') or ''}")
    subject = template.keys(params.get("subject") or "")
    return mailing.read(file, subject, breathe, Choice.from_params(params), in_text)


def letters_to(rows: Iterable[mailing.Row], breathe: Callable[[], None] = lambda: None) -> list[Letter]:
    letters = []
    for row in rows:
        letters.append(Letter([row.address], [row.address], values=row.values, row=row.number))
        if len(letters) % mailing.STRIDE == 0:
            breathe()
    return letters


def leave_out(letters: list[Letter], reasons: Mapping[str, str]) -> tuple[list[Letter], list[mailing.LeftOut]]:
    """What remains of letters when nobody is written to who is suppressed, {address in lower case: reason}; and who
    is left out so."""
    if not reasons:
        return letters, []
    remaining, left_out = [], []
    for letter in letters:
        found = [address for address in letter.addresses if address.casefold() in reasons]
        for address in found:
            reason = ": ".join(filter(None, [f"{address} is on the suppression list", reasons[address.casefold()]]))
            left_out.append(mailing.LeftOut(letter.row, address, reason))
        if len(found) < len(letter.addresses):
            remaining.append(letter.without(reasons) if found else letter)
    return remaining, left_out


def subject_of(params: Mapping[str, Any], letter: Letter) -> str:
    return template.render(params["subject"], letter.values).strip()


def sender_of(params: Mapping[str, Any]) -> str:
    return params["from_email"] or settings.DEFAULT_FROM_EMAIL


class Composer:
    """Builds the messages of one job. Attachments are read and encoded once, whatever the number of letters."""

    def __init__(self, params: Mapping[str, Any], ctx: Context):
        self.params, self.job_id = params, ctx.job_id
        self.sender = sender_of(params)
        self.domain = parse(self.sender).address.rpartition("@")[2]
        self.attachments = [_attachment(ref["name"], ctx.open(ref).read()) for ref in params["attachments"]]

    def compose(self, letter: Letter) -> EmailMessage:
        """The message. Raises ValueError where a header would hold a line break, whatever validation let through."""
        params = self.params
        text = template.render(params["text"], letter.values)
        html = template.render(params["html"], letter.values, html=True)
        subject = subject_of(params, letter)
        if CONTROL.search(subject):
            raise ValueError(f"The subject for {letter.addresses[0]} holds a line break or control character.")
        message = EmailMultiAlternatives(
            subject=subject,
            body=text or html,
            from_email=self.sender,
            to=letter.to,
            cc=letter.cc,
            reply_to=params["reply_to"],
            attachments=self.attachments,
            headers={"Message-ID": self.message_id(letter), "X-Jobsite-Job": self.job_id},
        )
        if html and text:
            message.attach_alternative(html, "text/html")
        elif html:
            message.content_subtype = "html"
        return message

    def message_id(self, letter: Letter) -> str:
        """The same at every attempt, so that a receiver can tell a second copy."""
        name = hashlib.sha256(f"{self.job_id} {letter.addresses[0].casefold()}".encode()).hexdigest()[:32]
        return f"<{name}@{self.domain}>"


def wire_format(message: EmailMessage) -> bytes:
    # Django's message has a linesep beside what the standard library's takes.
    return message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]


def _attachment(name: str, content: bytes) -> MIMEBase:
    guessed, encoding = mimetypes.guess_type(name)
    main, _, sub = (guessed if guessed and not encoding else "application/octet-stream").partition("/")
    # base64 for text too: the file arrives byte for byte, line endings included.
    part = MIMEBase(main, sub) if main not in ("multipart", "message") else MIMEBase("application", "octet-stream")
    part.set_payload(content)
    encoders.encode_base64(part)
    safe = re.sub(CONTROL, "_", name)
    part.add_header("Content-Disposition", "attachment", filename=safe if safe.isascii() else ("utf-8", "", safe))
    return part
