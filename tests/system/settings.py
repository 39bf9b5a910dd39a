"""Jobsite with somebody else's app in it."""

from jobsite.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.system.foreign", "tests.faults"]  # noqa: F405
