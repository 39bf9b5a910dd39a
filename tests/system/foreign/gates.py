"""Gates that jobs wait at until a test lets them on: neither has to be quick, however long the other takes."""

import time

from jobs.wire.connection import redis_client

#: [s] after which a job waits for no test any more.
LONGEST = 120


def let_on(gate, steps=1):
    """Whoever waits at the gate may do so many steps, counted from the first."""
    redis_client().set(f"test:gate:{gate}", steps)


def wait_at(gate, step=1):
    """Return when that step may be done."""
    until = time.monotonic() + LONGEST
    while int(redis_client().get(f"test:gate:{gate}") or 0) < step:
        if time.monotonic() > until:
            raise TimeoutError(f"nobody allowed step {step} at {gate!r}")
        time.sleep(0.05)
