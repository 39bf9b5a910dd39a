"""The suppression list as workers read it: a copy in Redis, since those of the io pool read no SQL (LINE 13).

Whoever changes the list changes the copy as well. What went wrong with that, an emptied Redis, and changes made past it
are found here within seconds.
"""

from itertools import islice

from django.db.models import Count, Max

from jobs.models import Suppression
from jobs.wire import keys
from jobs.wire.connection import redis_client

_BATCH = 1000


def step() -> bool:
    """Copy the list anew where the copy is of another one; answers whether it was. Raises redis errors."""
    client = redis_client()
    # Looked at before the rows are read: what is added meanwhile makes the mark an old one, and the next step copies.
    found = Suppression.objects.aggregate(count=Count("pk"), last=Max("pk"))
    mark = f"{found['count']}:{found['last']}"
    if client.hget(keys.SUPPRESSED, keys.COMPLETE) == mark:
        return False
    fresh = f"{keys.SUPPRESSED}:fresh"
    client.delete(fresh)
    rows = Suppression.objects.values_list("address", "reason").iterator(chunk_size=_BATCH)
    while some := dict(islice(rows, _BATCH)):
        client.hset(fresh, mapping=some)
    client.hset(fresh, keys.COMPLETE, mark)
    client.rename(fresh, keys.SUPPRESSED)
    return True
