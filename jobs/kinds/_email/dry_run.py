"""A dry run: what would be sent, in the result and as files."""

import json
from typing import Any

from jobs.core.kind import Context
from jobs.kinds._email.book import rows_as_json
from jobs.kinds._email.letters import Composer, Letter, wire_format
from jobs.kinds._email.mailing import LeftOut

#: Messages that it shows, and the size of each body in the result [bytes of JSON]; the .eml files hold all.
MESSAGES, BODY = 3, 8_000


def show(composer: Composer, letters: list[Letter], left_out: list[LeftOut], ctx: Context) -> dict[str, Any]:
    """The first messages as they would be sent: in the result, and whole as .eml files."""
    shown = []
    for number, letter in enumerate(letters[:MESSAGES], start=1):
        message = composer.compose(letter)
        ctx.save(f"message-{number}.eml", wire_format(message), "message/rfc822")
        html = next((part.content for part in getattr(message, "alternatives", [])), "")
        is_html_only = message.content_subtype == "html"
        shown.append(
            {
                "to": ", ".join(letter.to) or ", ".join(letter.addresses),
                "from": message.from_email,
                "subject": message.subject,
                "text": "" if is_html_only else _shortened(str(message.body)),
                "html": _shortened(str(message.body if is_html_only else html)),
                "attachments": [part.get_filename() for part in composer.attachments],
            }
        )
    duplicates = sum(row.is_duplicate for row in left_out)
    total = sum(len(letter.addresses) for letter in letters)
    ctx.progress(total, total, "checked, none sent")
    return {
        "summary": f"{total:,} checked, none sent.",
        "dry_run": True,
        "recipients": total,
        "sent": 0,
        "skipped": duplicates,
        "left_out": len(left_out) - duplicates,
        "first_left_out": rows_as_json(left_out),
        "messages": shown,
    }


def _shortened(text: str) -> str:
    kept = text[:BODY]
    while len(json.dumps(kept)) > BODY:
        kept = kept[: len(kept) * 3 // 4]
    return kept if kept == text else f"{kept}…"
