"""A Django project that holds nothing but Jobsite, for the worker, the keeper and the client of Celery's suite."""

import os
from pathlib import Path

BASE_DIR = Path(os.environ["SUITE_FOLDER"])
SECRET_KEY = "of a test alone"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django_celery_beat",
    "django_celery_results",
    "jobs",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "suite.sqlite3",
                         "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE",
                                     "init_command": "PRAGMA journal_mode=WAL"}}}  # fmt: skip
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "jobs.web.urls"
WSGI_APPLICATION = "tests.celery_suite.none"
JOBSITE_CELERY_APP = "tests.celery_suite.worker"

CELERY_BROKER_URL = os.environ["TEST_BROKER"]
CELERY_RESULT_BACKEND = f"jobs.worker.backend:Backend+{CELERY_BROKER_URL}"
CELERY_RESULT_EXTENDED = True
CELERY_TASK_DEFAULT_QUEUE = "celery"
