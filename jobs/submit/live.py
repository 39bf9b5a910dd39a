"""What people see is Redis' word, and SQL follows within moments: whoever acts on a job's end waits for its record."""

import time

from jobs.core.states import FINAL, UNFINISHED
from jobs.models import Job
from jobs.wire import keys
from jobs.wire.connection import breaker, redis_client

#: [s] that is waited at the most; the keeper takes a fraction of one, unless it is down.
RECORD_WAITS = 3.0


def live_state(job: Job) -> str:
    """The state of the current attempt, or of a later one, as Redis knows it, else as SQL does."""
    try:
        attempt, state = breaker.call(redis_client().hmget, keys.run(job.id), "attempt", "state")
    except ConnectionError:
        return job.state
    is_current = (attempt or "").isdecimal() and int(attempt) >= job.attempt
    return state if state and is_current else job.state


def wait_for_record(job: Job) -> None:
    """Return once SQL, too, knows of an end that Redis shows. At once for what is under way."""
    until = time.monotonic() + RECORD_WAITS
    while job.state in UNFINISHED and live_state(job) in FINAL and time.monotonic() < until:
        time.sleep(0.05)
        job.refresh_from_db()
