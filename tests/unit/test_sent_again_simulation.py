"""Ids that Celery code sends again and again, played through in seeded histories: with messages delivered twice, jobs
that Redis has forgotten, and a keeper that comes late or dies. Redis' scripts, the keeper and SQL are the real ones."""

import random
from collections import Counter

import pytest

from jobs.core.states import FINAL, State
from jobs.keeper.stream import Reader
from jobs.models import Attempt, Job
from jobs.wire import celery_result, events, keys, scripts
from jobs.wire.connection import redis_client

pytestmark = pytest.mark.django_db(transaction=True)


class World:
    def __init__(self, seed):
        self.die, self.redis, self.reader = random.Random(seed), redis_client(), Reader()
        self.ids = ["order-1", "order-2", "nightly"]
        #: (id, tag of the message, tag of the one that it retries), as they lie in the queue.
        self.queue, self.running = [], {}
        self.sent, self.ran, self.ends = Counter(), Counter(), {}

    def send(self, job=None, after=""):
        job = job or self.die.choice(self.ids)
        self.sent[job] += 1
        self.queue.append((job, f"message-{job}-{self.sent[job]}", after))

    def take(self):
        if not self.queue:
            return
        message = self.queue.pop(self.die.randrange(len(self.queue)))
        if self.die.random() < 0.1:
            self.queue.append(message)  # delivered again later
        job, tag, after = message
        event = events.encode(State.STARTED, job, 0, m=tag, foreign=True, task="t", args=[tag], kwargs={}, queue="cpu")
        verdict, number = scripts.call(
            self.redis, "claim", [keys.run(job), keys.EVENTS, keys.result(job)],
            [2 if after else 1, "w", "w", event, "", "1", 1000, f"token{self.die.random()}", "", "t", tag, after],
        )  # fmt: skip
        if verdict == "busy":
            self.queue.insert(0, message)
        elif verdict == "ok":
            assert job not in self.running, "two of one id at a time"
            self.ran[tag] += 1
            self.running[job] = (tag, int(number))

    def finish(self):
        if not self.running:
            return
        job = self.die.choice([*self.running])
        tag, number = self.running.pop(job)
        state = self.die.choice([State.SUCCESS, State.FAILURE, State.RETRY])
        if state == State.RETRY:
            self.send(job, after=tag)  # Task.retry publishes before it is told
        phase = "retry" if state == State.RETRY else "final"
        more = {"result": "1"} if state == State.SUCCESS else {"error": tag}
        event = events.encode(state, job, 0, worker="w", m=tag, foreign=True, **more)
        for _ in range(self.die.choice([1, 1, 1, 2])):  # the outbox sends it again
            scripts.call(
                self.redis, "report", [keys.run(job), keys.EVENTS, keys.result(job), keys.CANCELS, keys.PAUSES],
                [number, "w", str(state), phase, event, celery_result.encode(job, state, None), 1000, 1000, job, tag],
            )  # fmt: skip
        self.ends[tag] = str(state)

    def forget(self):
        """A day later, Redis has no more of what has ended and is recorded."""
        while self.reader.step(0.001):
            pass
        for job in Job.objects.filter(state__in=FINAL):
            # What was delivered twice is long gone by then.
            twice = any(message[0] == job.id and self.ran[message[1]] for message in self.queue)
            has_ended = job.id not in self.running and self.redis.hget(keys.run(job.id), "phase") == "final"
            if has_ended and not twice:
                self.redis.delete(keys.run(job.id))

    def record(self):
        self.reader.step(0.001)

    def kill_keeper(self):
        self.redis.xreadgroup(keys.GROUP, "keeper", {keys.EVENTS: ">"}, count=self.die.randint(1, 5))
        self.reader = Reader()

    def play(self, steps):
        actions = (
            [self.send] * 3 + [self.take] * 6 + [self.finish] * 4 + [self.record] * 4 + [self.forget, self.kill_keeper]
        )
        for _ in range(steps):
            self.die.choice(actions)()
        for _ in range(2_000):
            if not self.queue and not self.running:
                break
            self.take()
            self.finish()
        while self.reader.step(0.001):
            pass


@pytest.mark.parametrize("seed", range(6))
def test_every_message_runs_once_and_every_run_is_an_attempt_of_its_job(seed):
    world = World(seed)
    world.reader.step(0.001)
    world.play(150)
    tags = {f"message-{job}-{number + 1}" for job in world.ids for number in range(world.sent[job])}
    assert not world.queue and set(world.ran) == tags and set(world.ran.values()) <= {1}
    for job in Job.objects.all():
        attempts = list(Attempt.objects.filter(job=job).order_by("number"))
        assert [attempt.number for attempt in attempts] == list(range(1, world.sent[job.id] + 1))
        assert {attempt.message: attempt.state for attempt in attempts} == {
            tag: world.ends[tag] for tag in tags if tag.startswith(f"message-{job.id}-")
        }
        last = attempts[-1]
        assert (job.attempt, job.state) == (last.number, last.state)
        assert job.params["args"] == [attempts[job.sending - 1].message]
        assert world.redis.hget(keys.run(job.id), "attempt") in (None, str(job.attempt))
