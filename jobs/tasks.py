"""Celery's autodiscovery imports this module: the tasks of all kinds."""

from jobs.worker.kinds import register

register()
