from typing import Any

from django.apps import AppConfig

from jobs import conf


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def __init__(self, *args: Any):
        super().__init__(*args)
        conf.fill_in()  # before any model is loaded: storages and the like are read then

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from jobs import checks  # noqa: F401 - registers them
        from jobs.browse import search
        from jobs.schedules import reckon
        from jobs.web.live import signals
        from jobs.web.login import doors
        from jobs.worker import setup

        setup.install()
        reckon.connect()
        signals.connect()
        doors.connect()
        post_migrate.connect(search.after_migrate, sender=self, dispatch_uid="jobs.search")
