"""Workers as their own beats leave them in Redis, and messages as publishers do."""

import json
import time

from jobs.core.priorities import NORMAL
from jobs.wire import keys
from jobs.wire.connection import redis_client
from jobs.wire.publish import PUBLISHED_HEADER


def make_worker(node="io@web-1", pool="eventlet", queues=("io",), concurrency=200, held=(), heard=0.0, **info):
    """A worker process' record, last beaten `heard` seconds ago; its key in Redis."""
    info = {
        "node": node, "pool": pool, "concurrency": concurrency, "queues": list(queues), "paused": [], "pid": 100,
        "parent": None, "host": "web-1", "incarnation": node, "started": time.time() - 60, **info,
    }  # fmt: skip
    name = f"{info['incarnation']}:{info['pid']}"
    client = redis_client()
    client.sadd(keys.WORKERS, name)
    client.hset(keys.worker(name), mapping={"beat": 1, "held": json.dumps(list(held)), "info": json.dumps(info)})
    client.pexpire(keys.worker(name), int(1000 * (keys.WORKER_EXPIRES - heard)))
    return keys.worker(name)


def push(queue="io", priority=NORMAL, waited=0.0):
    """One message that was published `waited` seconds ago."""
    message = {"headers": {PUBLISHED_HEADER: int(1000 * (time.time() - waited))}}
    redis_client().lpush(keys.queue(queue, priority), json.dumps(message))
