"""Keeping caught mail in SQL, the newest of it."""

from email import policy
from email.errors import HeaderParseError
from email.message import Message
from email.parser import BytesHeaderParser

from jobs.models import Mail

#: Messages kept; older ones make room.
KEPT = 5_000


def keep(sender: str, recipients: list[str], source: bytes) -> Mail:
    """Store one message, and let go of the one that is too old now."""
    headers = BytesHeaderParser(policy=policy.default).parsebytes(source)
    mail = Mail.objects.create(
        sender=sender[:320],
        recipients="\n".join(recipients),
        subject=_header(headers, "Subject")[:500],
        message_id=_header(headers, "Message-ID").strip("<> ")[:320],
        job_id=_header(headers, "X-Jobsite-Job")[:255],
        source=source,
    )
    Mail.objects.filter(pk__lte=mail.pk - KEPT).delete()
    return mail


def _header(headers: Message, name: str) -> str:
    """A header as text, "" where it is missing or beyond reading. Without NUL, which PostgreSQL does not take."""
    try:
        return str(headers[name] or "").replace("\x00", "").strip()
    except (HeaderParseError, ValueError, IndexError):
        return ""
