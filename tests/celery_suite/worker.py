"""The Celery application of the worker's process, set up as the suite's own fixtures set theirs up."""

import json
import os
from pathlib import Path

from celery import Celery

from tests.celery_suite.inside import IS_OURS, take_our_backend

if IS_OURS:
    import django

    take_our_backend()
    django.setup()

app = Celery("t.integration", set_as_current=True)
app.conf.update(
    broker_url=os.environ["TEST_BROKER"],
    result_backend=os.environ["TEST_BACKEND"],
    result_extended=True,
    imports=["t.integration.tasks", "celery.contrib.testing.tasks"],
    **json.loads(Path("integration-tests-config.json").read_text()),
    task_create_missing_queues=False,
)


@app.on_after_finalize.connect
def _register(sender: Celery, **_: object) -> None:
    from t.integration.tasks import ClassBasedAutoRetryTask

    sender.register_task(ClassBasedAutoRetryTask)
