"""What servers said of each feed's version, kept from one run of a list to the next, so that only changes are sent.

A list is remembered for its owner: somebody else's first run gets everything.
"""

import hashlib
import json

from jobs.core.kind import Context
from jobs.wire.connection import UNREACHABLE, redis_client

#: [s]
EXPIRES = 90 * 86_400
#: A validator longer than this is not kept [characters].
LONGEST = 300
#: The field that names the job which wrote the rest.
_WRITER = "job"


class Memory:
    """Request headers by URL."""

    def __init__(self, urls: list[str], ctx: Context):
        digest = hashlib.sha256(json.dumps([ctx.owner, sorted(urls)]).encode()).hexdigest()[:40]
        self._key, self._ctx = f"jobsite:feeds:{digest}", ctx

    def load(self) -> dict[str, dict[str, str]]:
        """Conditional headers of each URL that was fetched before. What this very job wrote in an earlier attempt does
        not count: its result is still owed."""
        try:
            stored = redis_client().hgetall(self._key)
        except UNREACHABLE as error:
            self._ctx.log(f"What was fetched before is not known, so everything is fetched: {error}")
            return {}
        if stored.pop(_WRITER, "") == self._ctx.job_id:
            return {}
        return {url: json.loads(value) for url, value in stored.items()}

    def save(self, validators: dict[str, dict[str, str]]) -> None:
        fields = {url: json.dumps(headers) for url, headers in validators.items()}
        try:
            pipe = redis_client().pipeline(transaction=True)
            pipe.delete(self._key)
            pipe.hset(self._key, mapping={**fields, _WRITER: self._ctx.job_id})
            pipe.expire(self._key, EXPIRES)
            pipe.execute()
        except UNREACHABLE as error:
            self._ctx.log(f"The next run will fetch everything: {error}")


def conditional(etag: str | None, modified: str | None) -> dict[str, str]:
    """The request headers that ask for a newer version than the one these response headers came with."""
    told = {"If-None-Match": etag or "", "If-Modified-Since": modified or ""}
    return {name: value for name, value in told.items() if value and len(value) <= LONGEST and value.isprintable()}
