"""The app in a project that has no admin, and accounts of its own."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from jobs.core import registry
from jobs.schedules.reckon import reckon
from jobs.web.live.health import Health

pytestmark = pytest.mark.django_db


def test_pages_for_staff_need_no_admin(client, settings):
    settings.ROOT_URLCONF = "tests.unit.urls_without_admin"
    client.force_login(User.objects.create_user("olga", is_staff=True))
    task = PeriodicTask.objects.create(
        name="Every day", task="jobs.add", interval=IntervalSchedule.objects.create(every=1, period="days")
    )
    schedule = reckon(task)
    here, edit = schedule.get_absolute_url(), reverse("schedule-edit", args=[schedule.pk])
    for path in ("/", "/jobs", "/new", "/schedules", here, edit, "/workers", "/audit", "/tokens", "/failures"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "Open in admin" not in answer.content.decode()


@pytest.mark.parametrize(("admits", "status"), [("staff", 403), ("everybody", 200)])
def test_who_has_an_account_comes_in_where_the_settings_say_so(client, settings, admits, status):
    settings.JOBSITE_ADMITS = admits
    client.force_login(User.objects.create_user("carl"))
    for path in ("/jobs", "/new", "/api/v1/jobs", "/api/v1/kinds"):
        assert client.get(path).status_code == status, path


def test_only_the_kinds_that_are_named_are_there(settings):
    settings.JOBSITE_KINDS = ["http"]
    try:
        registry.all_kinds.cache_clear()
        ours = {slug for slug, kind in registry.all_kinds().items() if kind.__module__.startswith("jobs.kinds.")}
        assert ours == {"http"}
        for named in (["http"], []):
            settings.JOBSITE_KINDS = named
            registry.all_kinds.cache_clear()
            # Where none of its kinds runs, no worker of theirs is missed; other tests may have brought kinds.
            missed = {f"worker_{kind.pool}" for kind in registry.all_kinds().values()}
            assert {name for name in Health(None).checks if name.startswith("worker_")} == missed
    finally:
        settings.JOBSITE_KINDS = "all"
        registry.all_kinds.cache_clear()
