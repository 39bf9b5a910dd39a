"""Celery's autodiscovery imports this module: the tasks of all kinds, and plain ones for the example of canvas."""

import time

from celery import shared_task

from jobs.worker.kinds import Pooled, register

register()


@shared_task(base=Pooled, pool="io")
def add(x: float, y: float, pause: float = 0.0) -> float:
    time.sleep(pause)
    return x + y


@shared_task(base=Pooled, pool="io")
def multiply(x: float, y: float, pause: float = 0.0) -> float:
    time.sleep(pause)
    return x * y


@shared_task(base=Pooled, pool="io")
def total(numbers: list[float], pause: float = 0.0) -> float:
    time.sleep(pause)
    return sum(numbers)
