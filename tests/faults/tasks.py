"""Plain Celery tasks, which know of Jobsite as little as other people's do."""

import time
from typing import Any

from celery import shared_task

from tests.faults.ledger import noted


@shared_task(bind=True)
def wait(self: Any, seconds: float) -> float:
    """Wait: work for the io worker. Retries are its attempts, counted from 1."""
    with noted(self.request.id, self.request.retries + 1):
        time.sleep(seconds)
    return seconds


@shared_task(bind=True, max_retries=3)
def work(self: Any, rounds: int, failures: int = 0) -> int:
    """Compute: work for the cpu worker, which fails so many times and asks for a retry by itself."""
    if self.request.retries < failures:
        with noted(self.request.id, self.request.retries + 1):
            pass
        raise self.retry(exc=ValueError(f"failure {self.request.retries + 1}"), countdown=0.2)
    with noted(self.request.id, self.request.retries + 1):
        return sum(number * number for number in range(rounds)) % 97
