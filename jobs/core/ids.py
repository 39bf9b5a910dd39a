"""Ids of jobs: Celery allows any text, rows hold 255 characters of it, and addresses not all that text may hold."""

import base64
import binascii
import hashlib
import re

#: Characters that the column holds.
LONGEST = 255
_DIGEST = 64
#: In front of an id that is written in base64 in an address.
_MARK = "~"
#: What an address cannot carry as it is: browsers, servers and proxies drop control characters, take a backslash for a
#: slash, read an encoded one as a plain one ("a/logs" would be the log of "a"), and resolve "." and "..".
_UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\\/]|^\.{0,2}$")


def stored_id(job: str) -> str:
    """The id as the line and SQL know it: a longer one by its beginning and a digest, so that no two become one."""
    if len(job) <= LONGEST:
        return job
    return f"{job[: LONGEST - _DIGEST - 1]}~{hashlib.sha256(job.encode('utf-8', 'replace')).hexdigest()}"


def to_address(job: str) -> str:
    """One part of an address that leads to the job, still to be percent-encoded."""
    if not job.startswith(_MARK) and not _UNFIT.search(job):
        return job
    return _MARK + base64.urlsafe_b64encode(job.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def from_address(text: str) -> str:
    """The stored id that an address names; what cannot be read names no job, and stays as it is."""
    if not text.startswith(_MARK):
        return stored_id(text)
    try:
        padded = text[1:] + "=" * (-len(text[1:]) % 4)
        return stored_id(base64.urlsafe_b64decode(padded.encode("ascii")).decode("utf-8", "surrogatepass"))
    except (ValueError, binascii.Error):
        return text
