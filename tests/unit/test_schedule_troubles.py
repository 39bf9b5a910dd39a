"""What pages show of schedules that stock beat or code has left: what cannot start, what differs, what stays."""

import json

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from jobs.models import Schedule
from tests.unit.api_client import make_user
from tests.unit.foreign_tasks import NAME

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def olga():
    return make_user("olga", is_staff=True)


@pytest.fixture
def browser(client, olga):
    client.force_login(olga)
    return client


@pytest.fixture
def odd(olga):
    """Left by stock beat: a task that no installed app has, and arguments that the hints of another do not take."""
    rule = IntervalSchedule.objects.get_or_create(every=1, period="hours")[0]
    return {
        name: Schedule.objects.get(task=PeriodicTask.objects.create(name=name, interval=rule, **fields))
        for name, fields in {
            "unknown": {"task": "warehouse.count", "args": '["bolts"]', "priority": 5, "headers": '{"a": 1}'},
            "hints": {"task": f"{NAME}typed", "args": '["seven", 8]'},
            "broken": {"task": f"{NAME}add", "args": "[1,"},
        }.items()
    }


@pytest.mark.parametrize("name", ["unknown", "hints"])
def test_what_stock_beat_left_can_be_edited_and_stays_what_it_was(browser, odd, name):
    schedule = odd[name]
    before = PeriodicTask.objects.filter(name=name).values().get()
    answer = browser.get(f"/schedules/{schedule.pk}/edit/")
    assert answer.status_code == 200
    form = {f"schedule-{key}": value for key, value in {
        "name": name, "rule": "every", "every": "1", "period": "hours", "timezone": "UTC", "enabled": "on",
        "priority": "5" if name == "unknown" else "own",
    }.items()}  # fmt: skip
    sent = {**form, "args": before["args"], "kwargs": "{}"}
    preview = browser.post(f"/schedules/preview?task={before['task']}&schedule={schedule.pk}", sent)
    assert preview.status_code == 200 and "Every hour" in preview.text
    assert browser.post(f"/schedules/{schedule.pk}/edit/", sent).status_code == 302
    after = PeriodicTask.objects.filter(name=name).values().get()
    assert {**before, "date_changed": None} == {**after, "date_changed": None}


def test_what_cannot_start_says_so_in_the_list_on_its_page_and_where_it_is_mended(browser, odd):
    why = "args: This is no JSON"
    assert why in browser.get("/schedules/").text and "Cannot start" in browser.get("/schedules/").text
    assert why in browser.get(f"/schedules/{odd['broken'].pk}").text
    assert "\n[1,</textarea>" in browser.get(f"/schedules/{odd['broken'].pk}/edit/").text
    assert "The schedule broken cannot start its jobs" in browser.get("/").text


def test_a_schedule_from_code_says_so_and_where_the_two_differ(browser, odd):
    Schedule.objects.filter(pk=odd["unknown"].pk).update(code={
        "task": "warehouse.count", "when": "every 3600 seconds", "priority": 7, "queue": None, "exchange": None,
        "routing_key": None, "expire_seconds": None, "digests": {}, "args": [], "kwargs": {}, "headers": {},
        "dropped": ["countdown"],
    })  # fmt: skip
    text = browser.get(f"/schedules/{odd['unknown'].pk}").text
    assert "every 3600 seconds" in text and "every 1 hours" in text and "countdown" in text
    assert "from code" in browser.get("/schedules/").text


@pytest.mark.parametrize("args", ["NaN", "[NaN]", "[1e999]", "[" * 100_000, "[1,"])
def test_what_only_python_reads_as_json_is_no_json(browser, odd, args):
    PeriodicTask.objects.filter(name="broken").update(args=args)
    PeriodicTask.objects.get(name="broken").save()
    schedule = Schedule.objects.get(task__name="broken")
    assert schedule.trouble.startswith("args: This is no JSON (")
    for path in (f"/schedules/{schedule.pk}", f"/schedules/{schedule.pk}/edit"):
        assert browser.get(path).status_code == 200
    told = json.loads(browser.get(f"/api/v1/schedules/{schedule.pk}").content, parse_constant=pytest.fail)
    assert told["params"] == {} and told["trouble"] == schedule.trouble
