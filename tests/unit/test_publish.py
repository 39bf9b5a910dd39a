"""Messages go to Redis a hundred at a time: each has its own verdict, and of each message and mark both or neither."""

import json
from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from jobs.core import priorities
from jobs.models import Job
from jobs.submit.messages import message_for
from jobs.wire import keys, scripts
from jobs.wire.connection import redis_client
from jobs.wire.publish import Message, publish

QUEUE = keys.queue("io", priorities.NORMAL)


def message(job, attempt=1):
    return Message(job, "jobs.add", attempt, "io", priorities.NORMAL, {"x": 1}, user="7", kind="add")


def published():
    return [json.loads(text)["headers"]["id"] for text in reversed(redis_client().lrange(QUEUE, 0, -1))]


def test_each_of_many_has_its_verdict_in_order():
    client = redis_client()
    publish([message("waiting"), message("other attempt", 2)])
    client.hset(keys.run("claimed"), mapping={"attempt": 1, "phase": "running", "state": "STARTED"})
    client.hset(keys.run("ended"), mapping={"attempt": 1, "phase": "final", "state": "SUCCESS"})
    client.delete(QUEUE, keys.EVENTS)
    fresh = [f"job-{number:03}" for number in range(250)]
    odd = {20: "waiting", 99: "claimed", 100: "ended", 230: "other attempt"}
    ids = list(fresh)
    for place, job in odd.items():
        ids.insert(place, job)
    expected = dict.fromkeys(fresh, "queued") | {
        "waiting": "already", "claimed": "claimed", "ended": "final", "other attempt": "stale",
    }  # fmt: skip
    assert publish(map(message, ids)) == [expected[job] for job in ids]
    assert published() == fresh, "in their order, and none of the others"
    told = [json.loads(fields["e"])["id"] for _, fields in client.xrange(keys.EVENTS)]
    assert told == fresh
    for job in fresh[::50]:
        run = client.hgetall(keys.run(job))
        assert (run["phase"], run["attempt"], run["user"], run["kind"]) == ("queued", "1", "7", "add")


def test_dispatch_may_force_one_that_waits_and_none_that_is_claimed():
    publish([message("waiting")])
    redis_client().hset(keys.run("claimed"), mapping={"attempt": 1, "phase": "running", "state": "STARTED"})
    assert publish([message("waiting"), message("claimed")], force=True) == ["queued", "claimed"]
    assert published() == ["waiting", "waiting"]


def test_a_redis_that_was_emptied_of_its_scripts_is_given_them_again():
    publish([message("one")])
    redis_client().script_flush()
    assert publish([message("two")]) == ["queued"]
    assert published() == ["one", "two"]
    assert redis_client().script_exists(scripts.digest("publish")) == [True]


def test_nothing_is_published_of_nothing():
    assert publish([]) == []
    assert redis_client().keys("*") == []


@pytest.mark.parametrize("priority", [0, 1, 5, 6, 9, 10, 255])
def test_what_a_sender_asked_for_is_in_the_message_as_celery_itself_would_write_it(priority):
    expires = (timezone.now() + timedelta(hours=1)).isoformat()
    asked = {"expires": expires, "headers": {"tenant": "north", "origin": "somewhere"}}
    current_app.send_task("other.task", ["a"], {"b": 1}, queue="special", priority=priority, **asked)
    job = Job(id="ours", kind="other.task", is_kind=False, queue="special", priority=min(priority, 9),
              params={"args": ["a"], "kwargs": {"b": 1}}, send_options={**asked, "priority": priority})  # fmt: skip
    publish([message_for(job)])
    theirs, ours = (json.loads(redis_client().rpop(keys.queue("special", priority))) for _ in range(2))
    for part in ("content-type", "content-encoding"):
        assert ours[part] == theirs[part]
    for name in ("task", "expires", "tenant", "origin", "timelimit", "eta", "group", "retries"):
        assert ours["headers"][name] == theirs["headers"][name], name
    for name in ("delivery_info", "priority", "delivery_mode", "body_encoding"):
        assert ours["properties"][name] == theirs["properties"][name], name
    assert ours["headers"]["id"] == "ours"


def test_headers_of_a_sender_never_change_whose_message_it_is():
    theirs = {"id": "theirs", "task": "evil", "jobsite_attempt": 7, "root_id": "x"}
    job = Job(
        id="ours", kind="other.task", is_kind=False, queue="special", params={"args": [], "kwargs": {}},
        send_options={"headers": theirs},
    )  # fmt: skip
    publish([message_for(job)])
    headers = json.loads(redis_client().rpop(keys.queue("special", priorities.NORMAL)))["headers"]
    assert (headers["id"], headers["task"], headers["jobsite_attempt"], headers["root_id"]) == (
        "ours", "other.task", 1, "ours",
    )  # fmt: skip


def test_a_person_who_retries_what_had_expired_wants_it_to_run():
    job = Job(id="ours", kind="other.task", is_kind=False, queue="special", params={"args": [], "kwargs": {}},
              send_options={"headers": {"tenant": "north"}, "expires": "2020-01-01T00:00:00+00:00"})  # fmt: skip
    assert json.loads(message_for(job).envelope())["headers"]["expires"] == "2020-01-01T00:00:00+00:00"
    job.attempt = job.first_attempt = 2
    headers = json.loads(message_for(job).envelope())["headers"]
    assert headers["expires"] is None and headers["tenant"] == "north"
