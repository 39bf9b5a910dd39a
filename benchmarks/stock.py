"""A plain Celery app, as its manual starts one: the peer of the recorded tasks.

STOCK_BACKEND: `django-db` (django-celery-results on SQLite), `redis`, or `none`.
"""

import os

from celery import Celery

URL = os.environ["REDIS_URL"]
BACKEND = os.environ["STOCK_BACKEND"]

if BACKEND == "django-db":
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.stock_settings"
else:
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
app = Celery(
    "stock",
    broker=URL,
    backend={
        "django-db": "django_celery_results.backends:DatabaseBackend", "redis": URL, "none": "disabled://",
    }[BACKEND],
)  # fmt: skip
app.conf.task_default_queue = "stock"


@app.task(name="stock.noop")
def noop(x: int = 0) -> None:
    return None
