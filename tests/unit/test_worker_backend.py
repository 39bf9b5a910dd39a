"""What Celery's calls to the results backend become in Redis."""

import json

import pytest
import redis
from celery.exceptions import NotRegistered
from celery.utils.objects import Bunch

from jobs.core.states import State
from jobs.wire import events, keys
from jobs.wire.connection import redis_client
from jobs.worker.execution import Execution, enter, leave, process
from jobsite.celery import app


def told():
    """All events, as (type, attempt, fields)."""
    found = [events.decode(entry, fields["e"]) for entry, fields in redis_client().xrange(keys.EVENTS)]
    return [(event.type, event.attempt, event.fields) for event in found]


def not_registered(task_id, name="somebody.elses"):
    """As a worker's consumer tells it (celery.worker.consumer, on_unknown_task)."""
    request = Bunch(name=name, chord=None, root_id=None, correlation_id=task_id, reply_to=None, errbacks=None)
    app.backend.mark_as_failure(task_id, NotRegistered(name), request=request)


class TestATaskThatNoWorkerKnows:
    def test_goes_back_to_dispatch_as_the_attempt_that_was_sent(self):
        redis_client().hset(keys.run("job-1"), mapping={"attempt": 3, "phase": "queued", "user": "7"})

        not_registered("job-1")

        ((kind, attempt, fields),) = told()
        assert (kind, attempt) == (events.RETURNED, 3)
        assert fields["since"] > 1_700_000_000

    def test_says_since_when_each_attempt_is_unknown(self):
        client, run = redis_client(), keys.run("job-1")
        client.hset(run, mapping={"attempt": 1, "phase": "queued"})
        not_registered("job-1")
        not_registered("job-1")
        client.hset(run, "attempt", 2)
        not_registered("job-1")

        first, second, third = (fields["since"] for *_, fields in told())
        assert first == second < third

    def test_has_failed_where_celery_code_sent_it(self):
        not_registered("stranger", "no.such.task")

        ((kind, _, fields),) = told()
        assert (kind, fields["error_type"], fields["task"]) == (State.FAILURE, "NotRegistered", "no.such.task")
        assert fields["foreign"]
        assert app.AsyncResult("stranger").state == "FAILURE"


class TestProgress:
    @pytest.fixture
    def execution(self, monkeypatch):
        monkeypatch.setattr(process, "node", "cpu@here")
        running = Execution("job-1", 1, "somebody.elses", foreign=True)
        enter(running)
        yield running
        leave(running)

    def say(self, number):
        app.backend.store_result("job-1", {"current": number, "total": 1_000}, "PROGRESS")

    def test_of_a_chatty_task_is_told_at_times_and_at_its_last(self, execution, monkeypatch):
        monkeypatch.setattr("jobs.worker.report.PROGRESS_EVERY", 3_600.0)
        for number in range(1_000):
            self.say(number)

        assert len(told()) == 1
        assert json.loads(execution.unsent[1][2])["current"] == 999, "the last one waits to be sent"

    def test_while_redis_is_away_is_not_the_task_s_trouble(self, execution, monkeypatch):
        nowhere = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.1)
        monkeypatch.setattr("jobs.worker.report.redis_client", lambda: nowhere)

        self.say(1)


class TestSomebodysOwnWordAboutATaskThatThisProcessDoesNotRun:
    def test_is_read_by_clients_and_takes_the_task_from_no_worker(self):
        app.backend.store_result("order-1", {"by": "the shop"}, "SENT")

        result = app.AsyncResult("order-1")
        assert (result.state, result.info) == ("SENT", {"by": "the shop"})
        assert not redis_client().exists(keys.run("order-1"))
        assert told() == []

    def test_is_not_taken_for_the_word_of_the_task_that_says_so(self):
        request = Bunch(id="order-1", task="shop.other", jobsite_attempt=None, properties={"delivery_tag": "a" * 32})
        app.backend.store_result("order-2", "done elsewhere", State.SUCCESS, request=request)

        ((kind, attempt, fields),) = told()
        assert (kind, attempt, fields.get("m"), fields["task"]) == (State.SUCCESS, 1, None, None)


def test_a_worker_in_a_thread_of_somebodys_tests_retries_for_its_clients():
    """Celery sends none of a worker's signals there, so that nothing is claimed."""
    from celery.contrib.testing.worker import start_worker

    from tests.system.foreign.tasks import stubborn

    with start_worker(app, pool="solo", perform_ping_check=False):
        assert stubborn.delay(2).get(timeout=30) == 2


def test_a_url_as_clouds_hand_it_out_is_taken_and_verified():
    import ssl

    from jobs.worker.backend import Backend

    backend = Backend(app=app, url="rediss://:secret@redis.example:6380/1")
    assert backend.connparams["ssl_cert_reqs"] == ssl.CERT_REQUIRED
    assert (backend.connparams["host"], backend.connparams["port"]) == ("redis.example", 6380)
