"""What a half-sent mailing has left: whom its ledger does not show as sent to, and who may have got it (LINE 14)."""

import csv
import io
from collections.abc import Callable, Mapping
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from jobs.core.kind import Offer
from jobs.core.states import State
from jobs.kinds._email import mailing
from jobs.kinds._email.addresses import parse
from jobs.kinds._email.book import SENDING
from jobs.kinds._email.conversation import DEFERRED, REFUSED, SENT, UNKNOWN
from jobs.kinds._email.template import key
from jobs.kinds._tables.choices import Choice

UNSENT, IN_DOUBT = "unsent", "unknown"


def offers(state: str, counts: Mapping[str, int]) -> list[Offer]:
    """counts: how many addresses the ledger has in each state."""
    in_doubt = counts[SENDING] + counts[UNKNOWN]
    reached = counts[SENT] + in_doubt
    found = []
    # Where nobody was reached, a retry or a rerun of the whole does the same.
    if reached and (state != State.SUCCESS or counts[REFUSED] + counts[DEFERRED]):
        found.append(Offer(UNSENT, "Send only the unsent", {}, is_main=state != State.SUCCESS))
    if in_doubt:
        found.append(Offer(IN_DOUBT, f"Send again to {in_doubt:,} perhaps sent", {}, is_main=False))
    return found


def remaining(
    part: str, params: Mapping[str, Any], states: Mapping[str, str], content: Callable[[Any], bytes]
) -> dict[str, Any] | None:
    """The parameters that name the recipients of one part, None where there are none.

    states: of the ledger, by address in lower case; content: reads a stored file.
    """

    def is_wanted(address: str) -> bool:
        state = states.get(address.casefold(), "")
        in_doubt = state in (SENDING, UNKNOWN)
        return in_doubt if part == IN_DOUBT else not in_doubt and state != SENT

    if not params["recipients"]:
        left = {name: [text for text in params[name] if is_wanted(parse(text).address)] for name in ("to", "cc", "bcc")}
        return left if any(left.values()) else None
    file = params["recipients"][0]
    found = mailing.read(content(file), choice=Choice.from_params(params))
    rows = [row for row in found.rows if is_wanted(row.address)]
    if not rows:
        return None
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(found.columns)
    writer.writerows([row.values.get(key(column), "") for column in found.columns] for row in rows)
    # The new file is plain: what was chosen for the old one is not true of it.
    plain = {"encoding": "", "separator": "", "header": None}
    return {"recipients": [SimpleUploadedFile(file["name"], text.getvalue().encode(), "text/csv")], **plain}
