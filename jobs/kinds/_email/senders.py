"""Who a mail may say that it is from: the site's own address, and ALLOWED_SENDERS."""

from django.conf import settings

from jobs.kinds._email.addresses import parse


def is_allowed(sender: str) -> bool:
    address = parse(sender).address.lower()
    return address in _allowed() or f"@{address.rpartition('@')[2]}" in _allowed()


def in_words() -> str:
    return ", ".join(_allowed())


def _allowed() -> list[str]:
    own = parse(settings.DEFAULT_FROM_EMAIL).address.lower()
    return [own, *getattr(settings, "ALLOWED_SENDERS", [])]
