"""Hands that do the work of workers for workflows: the scripts, the keeper and SQL are real, the work is a function."""

import json

from jobs.core.states import FINAL, State
from jobs.keeper import dispatch
from jobs.keeper.admit import Admission
from jobs.keeper.stream import Reader
from jobs.models import Job
from jobs.wire import celery_result, events, keys, scripts
from jobs.wire.connection import redis_client


def arithmetic(job):
    """What the kinds add and multiply return; a job whose title says so fails."""
    if "fails" in job.title:
        raise ArithmeticError("as its title says")
    if job.kind == "multiply":
        return job.params["x"] * job.params["y"]
    return job.params["x"] + job.params["y"] if job.kind == "add" else job.params


class Hands:
    def __init__(self, work=arithmetic):
        self.work = work
        self.redis = redis_client()
        self.reader = Reader()
        self.reader.step(0.001)
        #: Ids of jobs in the order in which they ran, repeats included.
        self.ran = []

    def keep(self):
        """A turn of the keeper."""
        while self.reader.step(0.001):
            pass
        dispatch.step(Admission(), settled=True)
        while self.reader.step(0.001):
            pass

    def take(self):
        """Ids of the jobs whose messages lie in the queues, taken out."""
        found = []
        for queue in ("io", "cpu"):
            while text := self.redis.rpop(keys.queue(queue, 6)):
                found.append((json.loads(text)["headers"]["id"], json.loads(text)["headers"]["jobsite_attempt"]))
        return found

    def carry_out(self, taken):
        for job_id, attempt in taken:
            started = events.encode(State.STARTED, job_id, attempt, worker="w")
            verdict, _ = scripts.call(
                self.redis, "claim", [keys.run(job_id), keys.EVENTS, keys.result(job_id)],
                [attempt, "w", "w", started, "{}", "0", 1000, f"{job_id}{attempt}", "", ""],
            )  # fmt: skip
            if verdict != "ok":
                continue
            self.ran.append(job_id)
            self._end(Job.objects.get(id=job_id), attempt)

    def _end(self, job, attempt):
        try:
            state, more = State.SUCCESS, {"result": json.dumps(self.work(job))}
        except Exception as error:
            state, more = State.FAILURE, {"error_type": type(error).__name__, "error": str(error)}
        event = events.encode(state, job.id, attempt, worker="w", **more)
        stored = celery_result.encode(job.id, state, None)
        scripts.call(
            self.redis, "report", [keys.run(job.id), keys.EVENTS, keys.result(job.id), keys.CANCELS, keys.PAUSES],
            [attempt, "w", str(state), "final", event, stored, 1000, 1000, job.id],
        )  # fmt: skip

    def save(self, job, name):
        """What `ctx.save` tells."""
        fields = {"artifact": f"{job.id[-8:]}{name}"[:32], "name": name, "size": 1, "path": f"outputs/{job.id}/{name}"}
        event = events.encode(events.ARTIFACT, job.id, job.attempt, **fields)
        self.redis.xadd(keys.EVENTS, {"e": event})

    def finish(self, workflow, turns=60):
        """Work until all of the workflow's jobs have ended."""
        for _ in range(turns):
            self.keep()
            self.carry_out(self.take())
            self.keep()
            if not Job.objects.filter(workflow=workflow).exclude(state__in=FINAL).exists():
                return
        left = Job.objects.filter(workflow=workflow).exclude(state__in=FINAL).values_list("title", "state", "blocked")
        raise AssertionError(f"never final: {list(left)}")
