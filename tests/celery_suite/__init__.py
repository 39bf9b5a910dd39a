"""Celery's own integration suite, run with a plain worker and with Jobsite's, and compared: `make celery-suite`."""
