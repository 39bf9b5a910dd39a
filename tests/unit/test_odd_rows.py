"""One bad row never breaks a list: every page and call that reads, with hundreds of rows of whatever columns take."""

import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import models
from django.urls import NoReverseMatch, URLPattern, get_resolver, reverse
from django.utils import timezone

from jobs.browse.represent import address
from jobs.core.states import State
from jobs.models import Job, Schedule, Workflow
from jobs.web.api.endpoint import CALLS, PREFIX
from jobs.wire import events, keys
from jobs.wire.connection import redis_client

pytestmark = pytest.mark.django_db

TEXTS = [
    "", " ", "two\nlines\r\n", "tab\t", "<script>alert(1)</script>", "{{ x }}{% y %}", "名前",
    "\u202eright to left\u202c", "e\u0301" * 20, "a/b/../c", "..", "%s %d %(x)s", "100%", "'\"", "\\", "null", "None",
    "NaN", "{", "[1,", '{"a": 1}', "-1",
    "9" * 40, "x" * 5_000, "\x01\x1b[31m", "\u2028", "🙂" * 10, "0x0", "true", "encrypted:no", "••••••",
    "=1+1", "a;b,c",
]  # fmt: skip
JSONS = [
    None, True, 0, -1, 1e308, "text", "", [], {}, [None], [[]], {"": ""}, {"args": 3}, {"args": {}, "kwargs": []},
    {"args": None, "kwargs": None}, {"args": [1, {"password": {"a": [1]}}], "kwargs": {"a\nb": "<b>"}},
    {"__type__": "datetime", "__value__": "never"}, {"args": [{"__type__": 1, "__value__": {}}]}, list(range(500)),
    {"x": "y" * 5_000}, {"images": [{"artifact": 3}, None, "x"]}, {"to": {"a": 1}, "x": "NaN", "y": []},
]  # fmt: skip
TIMES = [
    datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 30, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC), None,
]  # fmt: skip
#: Other people's tables hold their own columns' choices; the shop's users are made by hand.
APPS = ["jobs", "django_celery_results"]


def value_for(field, die):
    """Something that the column takes."""
    if field.choices and die.random() < 0.7:
        return die.choice(field.choices)[0]
    match field:
        case models.BooleanField():
            return die.random() < 0.5
        case models.JSONField():
            return die.choice(JSONS)
        case models.DateTimeField():
            usual = timezone.now() - timedelta(seconds=die.randrange(100_000))
            return die.choice([usual, usual, die.choice(TIMES) or (None if field.null else usual)])
        case models.BinaryField():
            return die.choice(TEXTS).encode()
        case models.FloatField():
            return die.choice([0.0, -1.5, 1e300, 0.1, 7.0])
        case models.PositiveSmallIntegerField() | models.SmallIntegerField():
            return die.choice([0, 1, 3, 6, 9, 255, 32_767])
        case models.BigIntegerField():
            return die.choice([0, 1, 2**40, 2**62])
        case models.IntegerField():
            return die.choice([0, 1, 7, 2**31 - 1])
        case models.CharField() | models.TextField():
            text = die.choice(TEXTS)
            return text[: field.max_length] if field.max_length else text
    return field.get_default()


def fill(model, number, die, made):
    rows = []
    for index in range(number):
        values = {}
        for field in model._meta.concrete_fields:
            if isinstance(field, models.AutoField):
                continue  # a key of its own
            if isinstance(field, models.ForeignKey):
                others = made.get(field.related_model) or []
                if field.one_to_one or field.unique:
                    other = others[index] if index < len(others) else others[0]
                    values[field.attname] = getattr(other, field.target_field.attname)
                elif others and (not field.null or die.random() < 0.5):
                    values[field.attname] = getattr(die.choice(others), field.target_field.attname)
            else:
                values[field.name] = value_for(field, die)
                is_text = isinstance(field, models.CharField | models.TextField)
                if is_text and (field.unique or field.primary_key):
                    values[field.name] = f"{index}{values[field.name]}"[: field.max_length]
        for constraint in model._meta.constraints:
            for name in constraint.fields:
                if isinstance(model._meta.get_field(name), models.IntegerField) and not name.endswith("_id"):
                    values[name] = index
                elif isinstance(model._meta.get_field(name), models.CharField):
                    values[name] = f"{index}{values.get(name) or ''}"[: model._meta.get_field(name).max_length]
                elif isinstance(model._meta.get_field(name), models.DateTimeField):
                    values[name] = timezone.now() + timedelta(seconds=index)
        rows.append(model(**values))
    model.objects.bulk_create(rows, ignore_conflicts=True)
    made[model] = list(model.objects.all())
    assert made[model], f"no row of {model.__name__} was taken"


def everything(die):
    from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask

    made = {User: list(User.objects.all())}
    rules = [
        {"interval": IntervalSchedule.objects.create(every=2**31 - 1, period="days")},
        {"crontab": CrontabSchedule.objects.create(minute="*/90", hour="1-3,5", day_of_week="1#2")},
        {"clocked": ClockedSchedule.objects.create(clocked_time=TIMES[1])},
        {"interval": IntervalSchedule.objects.create(every=1, period="microseconds")},
    ]
    PeriodicTask.objects.bulk_create(
        PeriodicTask(
            name=f"{index}{die.choice(TEXTS)}"[:200], task=die.choice(["", "no.such", "jobs.add", *TEXTS])[:200],
            args=die.choice(TEXTS), kwargs=die.choice(TEXTS),
            queue=die.choice(TEXTS)[:200] if index % 2 else None,
            priority=die.choice([None, 0, 5, 255]), headers=die.choice(["{}", *TEXTS]), description=die.choice(TEXTS),
            expires=die.choice(TIMES), start_time=die.choice(TIMES), last_run_at=die.choice(TIMES),
            enabled=die.random() < 0.7, **die.choice(rules),
        )
        for index in range(300)
    )  # fmt: skip
    made[PeriodicTask] = list(PeriodicTask.objects.all())
    waiting = [model for app in APPS for model in apps.get_app_config(app).get_models() if not model._meta.proxy]
    while waiting:
        for model in waiting:
            needs = {
                field.related_model for field in model._meta.concrete_fields if field.is_relation and not field.null
            }
            if not (needs - {model}) & set(waiting):
                fill(model, 400, die, made)
                waiting.remove(model)
                break
        else:
            raise AssertionError(f"tables that need each other: {waiting}")
    return made


def in_redis(die, jobs):
    client = redis_client()
    for job in jobs[:100]:
        client.hset(keys.run(job.id), mapping={
            "attempt": die.choice(["1", "x", str(job.attempt), "-1"]), "state": die.choice([*State, "ODD", ""]),
            "phase": "running", "worker": die.choice(TEXTS), "progress": die.choice([*TEXTS, *map(json.dumps, JSONS)]),
            "event": "1-1", "cancel": "1",
        })  # fmt: skip
    for index, text in enumerate([*TEXTS, *map(json.dumps, JSONS)]):
        client.hset(keys.worker(f"odd{index}:1"), mapping={"beat": die.choice(["1", "x"]), "held": text, "info": text})
        client.sadd(keys.WORKERS, f"odd{index}:1")
        client.hset(keys.PAUSED, die.choice(TEXTS), text)
        client.hset(keys.BLOCKED, text, "x")
        client.lpush("cpu", text)
        client.xadd(keys.EVENTS, {"e": text})
    client.xadd(keys.EVENTS, {"e": events.encode(events.PROGRESS, "\n", 1, "x", p=[])})


def plain_pages():
    """Every page without anything in its address; from the table of addresses, so that a new one is asked as well."""
    found = set()
    for pattern in get_resolver().url_patterns:
        for each in pattern.url_patterns if hasattr(pattern, "url_patterns") else [pattern]:
            if isinstance(each, URLPattern) and each.name and not each.pattern.converters:
                try:
                    found.add(reverse(each.name))
                except NoReverseMatch:
                    continue
    return sorted(found)


@pytest.mark.parametrize("seed", range(1))
def test_every_list_page_and_call_shows_hundreds_of_odd_rows(client, seed, settings):
    settings.DEBUG = False
    die = random.Random(seed)
    client.force_login(User.objects.create_superuser("olga", password="x"))
    made = everything(die)
    jobs = made[Job]
    assert len(jobs) >= 300
    in_redis(die, jobs)
    client.raise_request_exception = False
    pages = [*plain_pages(), "/admin/", "/jobs?q=a", "/jobs?state=failure", "/jobs?kind=jobs.add&limit=200"]
    for model in made:
        if model._meta.app_label in (*APPS, "django_celery_beat"):
            try:
                pages.append(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
            except NoReverseMatch:
                continue
    calls = [PREFIX + call.path for call in CALLS if call.method == "GET" and "{" not in call.path]
    for job in die.sample(jobs, 15):
        pages += [
            job.get_absolute_url(),
            *(f"{job.get_absolute_url()}?tab={tab}" for tab in ("log", "attempts", "history")),
        ]
        calls += [address(job), *(f"{address(job)}/{part}" for part in ("attempts", "logs", "artifacts"))]
    pages += [flow.get_absolute_url() for flow in die.sample(made[Workflow], 20)]
    shown = die.sample(made[Schedule], 20)
    pages += [each.get_absolute_url() + part for each in shown for part in ("", "/edit")]
    calls += [f"{PREFIX}schedules/{each.pk}" for each in made[Schedule]]
    cursor, failed = "/api/v1/jobs?limit=100", {}
    while cursor:
        answer = client.get(cursor)
        if answer.status_code != 200:
            failed[cursor] = answer.status_code
            break
        following = answer.json()["next"]
        cursor = f"/api/v1/jobs?limit=100&cursor={following}" if following else ""
    for path in [*pages, *calls]:
        answer = client.get(path)
        status = answer.status_code
        list(answer.streaming_content) if answer.streaming else answer.content
        if status >= 400 and status != 405 and path != f"{PREFIX}events":  # a form to post to; what the edge answers
            failed[path] = status
        elif path.startswith("/api") and "json" in answer.headers.get("content-type", "") and not answer.streaming:
            json.loads(answer.content, parse_constant=pytest.fail)
    assert not failed, "\n".join(f"{status} {path}" for path, status in failed.items())
