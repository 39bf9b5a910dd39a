"""A caught message as people read it: its texts, its files, its pictures in place."""

import base64
import re
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import cast

#: Headers that the page shows, in this order.
SHOWN_HEADERS = ("From", "To", "Cc", "Reply-To", "Date", "Message-ID")


@dataclass(frozen=True)
class Attachment:
    """A file in a message. content: its bytes, decoded."""

    name: str
    content_type: str
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)


@dataclass
class Read:
    """What a message holds. text and html are "" where it has none."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    text: str = ""
    html: str = ""
    attachments: list[Attachment] = field(default_factory=list)


def read(source: bytes) -> Read:
    """Take a message apart; what is broken in it is left as it is."""
    message = BytesParser(policy=policy.default).parsebytes(source)
    found = Read([(name, str(message[name])) for name in SHOWN_HEADERS if message[name]])
    pictures: dict[str, str] = {}
    for part in message.walk():
        if part.is_multipart():
            continue
        kind, name = part.get_content_type(), part.get_filename()
        if kind in ("text/plain", "text/html") and not name and part.get_content_disposition() != "attachment":
            which = kind.removeprefix("text/").replace("plain", "text")
            setattr(found, which, getattr(found, which) or _text(part))
            continue
        content = cast(bytes, part.get_payload(decode=True) or b"")
        if part["Content-ID"] and kind.startswith("image/"):
            pictures[str(part["Content-ID"]).strip("<> ")] = f"data:{kind};base64,{base64.b64encode(content).decode()}"
        found.attachments.append(Attachment(name or f"part-{len(found.attachments) + 1}", kind, content))
    # A browser cannot fetch cid: addresses; the pictures stand in their place.
    found.html = re.sub(r"cid:([^\"'\s>)]+)", lambda match: pictures.get(match[1], match[0]), found.html)
    return found


def _text(part: EmailMessage) -> str:
    content = cast(bytes, part.get_payload(decode=True) or b"")
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return content.decode("utf-8", "replace")
