"""The least that django-celery-results and django-celery-beat need, on SQLite as Django sets it up."""

import os
from pathlib import Path

SECRET_KEY = "benchmark"
INSTALLED_APPS = ["django_celery_results", "django_celery_beat"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(os.environ["VAR_DIR"]) / "stock.sqlite3"}}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
