"""What finished jobs are made of, for ours and for the peer's alike."""

import random

#: (slug, label, pool, share)
KINDS = [
    ("email", "Send email", "io", 50),
    ("image", "Process an image", "cpu", 35),
    ("report", "Make a report", "cpu", 15),
]
WORDS = """
    autumn spring newsletter invoice catalogue portrait harbour bicycle quarterly annual customers orders returns
    stock prices museum garden kitchen holiday winter campaign reminder welcome survey launch staff board audit
""".split()  # noqa: SIM905
ERRORS = [
    ("ConnectionRefusedError", "[Errno 111] Connection refused by mail.example.org:25"),
    ("TimeoutError", "The read operation timed out after 20 s"),
    ("SMTPRecipientsRefused", "550 5.1.1 No such user here"),
    ("ValueError", "line 4,211: expected 9 columns, found 8"),
]


def pick_state(dice: random.Random) -> str:
    return dice.choices(("SUCCESS", "FAILURE", "REVOKED"), (93, 5, 2))[0]
