"""What failures of one cause have in common: the error without what differs from job to job."""

import re

#: [characters]
LONGEST = 200
#: What stands for a part that differs.
GAP = "…"
#: The signature of failures of which nothing is known: those that have failed have one, and no others.
UNTOLD = "No error text"

_VARYING = re.compile(
    r"""
    "[^"\n]{1,300}" | (?<!\w)'[^'\n]{1,300}'(?!\w) | `[^`\n]{1,300}` | “[^”\n]{1,300}”   # what is quoted
    | \b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b                           # UUIDs
    | \b[a-z][a-z0-9+.-]*://[^\s,;)\]>]+                                                 # addresses of the web
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)+                                                       # addresses of people
    | (?<![\w.])(?:[A-Za-z]:\\|\\\\)[^\s,;:)\]>]+ | (?<![\w])~?(?:/[\w.+@%-]+){2,}/?     # paths
    | \b0x[0-9a-fA-F]+\b
    | \b(?=[0-9a-fA-F]*[0-9])(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{7,}\b                   # hexadecimal
    | \b\d+(?:[.,:]\d+)*\w*                                                              # numbers, with their unit
    """,
    re.VERBOSE,
)


def signature_of(error_type: str, message: str) -> str:
    """The signature of an error: its type, and the first line of its message with numbers, ids, paths, addresses
    and quoted text left out. Never empty.
    """
    lines = message.strip().splitlines()
    plain = _VARYING.sub(GAP, lines[0]) if lines else ""
    plain = re.sub(rf"{GAP}(?:[\s,]*{GAP})+", GAP, " ".join(plain.split()))
    return ": ".join(filter(None, (error_type, plain)))[:LONGEST] or UNTOLD


def longest_part(signature: str, error_type: str) -> str:
    """The longest piece of a signature's message that all its errors share, for searching them."""
    if signature == UNTOLD:
        return ""
    message = signature.removeprefix(error_type).removeprefix(": ")
    parts = [part.strip(" ,.;:()[]") for part in message.split(GAP)]
    return max(parts, key=len, default="")
