"""The works that are compared, as plain Celery tasks; only a sweep's own workers know them."""

from http.client import HTTPConnection

from celery import shared_task

#: What each work is called, and the task that does it.
TASKS = {"io": "jobs.sweep.tasks.fetch", "cpu": "jobs.sweep.tasks.compute", "none": "jobs.sweep.tasks.nothing"}


@shared_task
def fetch(port: int) -> int:
    """Get a feed from a slow server on this machine; its size [bytes]."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/feed.xml")
        return len(connection.getresponse().read())
    finally:
        connection.close()


@shared_task
def compute(rounds: int) -> int:
    """Add up squares: nothing but Python."""
    return sum(number * number for number in range(rounds))


@shared_task
def nothing() -> None:
    """What remains is the cost of a task itself."""
