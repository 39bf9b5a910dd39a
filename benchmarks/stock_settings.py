"""The least that django-celery-results needs, on SQLite as Django sets it up."""

import os
from pathlib import Path

SECRET_KEY = "benchmark"
INSTALLED_APPS = ["django_celery_results"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(os.environ["VAR_DIR"]) / "stock.sqlite3"}}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
