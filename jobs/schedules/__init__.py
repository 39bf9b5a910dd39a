"""Schedules: django-celery-beat's PeriodicTask is the stored truth; Jobsite reckons the runs and submits them."""
