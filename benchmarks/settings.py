"""Jobsite with the kinds that do nothing."""

from jobsite.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks"]  # noqa: F405
QUOTA_UNFINISHED = 10_000_000
