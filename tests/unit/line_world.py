"""A world for the simulation of the line: Redis' scripts, the keeper and SQL are the real ones; workers, messages and
time are moved by a seeded die, in every order that real processes could take and many that they hardly would."""

import json
import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from django.utils import timezone

from jobs.core.errors import Conflict
from jobs.core.states import FINAL, State
from jobs.keeper import dispatch, rescue
from jobs.keeper.admit import Admission
from jobs.keeper.stream import Reader
from jobs.models import Job, Workflow
from jobs.submit import cancel, retry, submit
from jobs.submit.submission import publish_now
from jobs.wire import celery_result, events, keys, scripts
from jobs.wire.connection import redis_client
from jobs.workflows import steer
from jobs.workflows.build import submit_workflow

#: (kind, parameters): idempotent, never repeated, retried by its own policy.
KINDS = [("add", {}), ("once", {}), ("flaky", {"failures": 1})]


@dataclass
class Run:
    """One claimed attempt in the hands of one worker incarnation."""

    job: str
    attempt: int
    owner: str
    #: The keeper has been told that it is lost, rightly or wrongly.
    told_lost: bool = False


@dataclass
class World:
    seed: int
    jobs: list[str] = field(default_factory=list)
    workflows: list[Workflow] = field(default_factory=list)
    #: Job -> those of its workflow that come before it.
    before: dict[str, set[str]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    running: list[Run] = field(default_factory=list)
    #: Every claim that was granted, in order, and every success that a worker reported.
    claims: list[Run] = field(default_factory=list)
    successes: set[str] = field(default_factory=set)
    retried: set[str] = field(default_factory=set)
    incarnations: int = 0
    owners: list[str] = field(default_factory=lambda: ["w0", "w1", "w2"])

    def __post_init__(self):
        self.die = random.Random(self.seed)
        self.redis = redis_client()
        self.reader = Reader()

    # --- what people do

    def do_submit(self):
        kind, params = self.die.choice(KINDS)
        job = submit(kind, params)
        self.jobs.append(job.id)
        self.kinds[job.id] = kind
        if self.die.random() < 0.7:  # else: the web process died between commit and publishing
            publish_now([job])

    def do_submit_workflow(self):
        """Two side by side, then one after both, then one more."""
        side = [{"kind": "add"}, {"kind": self.die.choice(["add", "flaky"]), "params": {}}]
        spec = {"chain": [{"group": side}, {"kind": "once"}, {"kind": "add", "params": {"x": "${result}"}}]}
        workflow = submit_workflow({**spec, "on_failure": self.die.choice(["end", "skip"])})
        self.workflows.append(workflow)
        for job in workflow.jobs.all():
            self.jobs.append(job.id)
            self.kinds[job.id] = job.kind
            self.before[job.id] = set(job.edges_before.values_list("before__id", flat=True))

    def do_retry_workflow(self):
        if self.workflows:
            workflow = self.die.choice(self.workflows)
            with suppress(Conflict):
                steer.retry(workflow)
                self.retried.update(workflow.jobs.values_list("id", flat=True))

    def do_cancel(self):
        if job := self._any_job():
            try:
                cancel(job)
            except Conflict:
                assert job.state in FINAL

    def do_retry(self):
        if job := self._any_job():
            try:
                retry(job)
                self.retried.add(job.id)
            except Conflict:
                pass

    def _any_job(self):
        return Job.objects.get(id=self.die.choice(self.jobs)) if self.jobs else None

    # --- what the broker and workers do

    def do_take(self):
        """A worker takes the oldest message and claims its attempt."""
        text = self._pop()
        if text:
            self._claim(text, self.die.choice(self.owners))

    def do_lose_message(self):
        self._pop()

    def do_double_message(self):
        text = self._pop()
        if text:
            for _ in range(2):
                self._claim(text, self.die.choice(self.owners))

    def _pop(self):
        for queue in ("io", "cpu"):
            if text := self.redis.rpop(keys.queue(queue, 6)):
                return text
        return None

    def _claim(self, text, owner):
        headers = json.loads(text)["headers"]
        run = Run(headers["id"], headers["jobsite_attempt"], owner)
        event = events.encode(State.STARTED, run.job, run.attempt, worker=owner)
        verdict, _ = scripts.call(
            self.redis, "claim", [keys.run(run.job), keys.EVENTS, keys.result(run.job)],
            [run.attempt, owner, owner, event, "{}", "0", 1000, f"token{len(self.claims)}{self.die.random()}", "", ""],
        )  # fmt: skip
        if verdict == "ok":
            assert not any((c.job, c.attempt) == (run.job, run.attempt) for c in self.claims), (
                "one attempt claimed twice"
            )
            assert self.before.get(run.job, set()) <= self.successes, "a step that ran before those before it"
            self.claims.append(run)
            self.running.append(run)

    def do_finish(self):
        """A worker ends what it runs, also where it was believed lost long ago."""
        if not self.running:
            return
        run = self.running.pop(self.die.randrange(len(self.running)))
        retries = [State.RETRY] if self.kinds[run.job] == "flaky" else []
        state = self.die.choice([State.SUCCESS, State.SUCCESS, State.FAILURE, *retries])
        self._report(run, state)
        if self.die.random() < 0.2:
            self._report(run, state)  # the outbox sends it again

    def _report(self, run, state):
        phase = "retry" if state == State.RETRY else "final"
        more = {"next": 1.0, "error": "again"} if state == State.RETRY else {"result": "1"}
        event = events.encode(state, run.job, run.attempt, worker=run.owner, **more)
        stored = celery_result.encode(run.job, state, None)
        _, verdict = scripts.call(
            self.redis, "report", [keys.run(run.job), keys.EVENTS, keys.result(run.job), keys.CANCELS, keys.PAUSES],
            [run.attempt, run.owner, str(state), phase, event, stored, 1000, 1000, run.job],
        )  # fmt: skip
        if state == State.SUCCESS:
            self.successes.add(run.job)
        assert verdict in ("ok", "superseded", "final", "taken")

    def do_kill_worker(self):
        """Everything that one incarnation had in hand is gone, without a word."""
        owner = self.die.choice(self.owners)
        self.running = [run for run in self.running if run.owner != owner]
        self.incarnations += 1
        self.owners[self.owners.index(owner)] = f"w{2 + self.incarnations}"

    # --- what the keeper does

    def do_record(self):
        self.reader.step(0.001)

    def do_kill_keeper(self):
        """Killed after reading and before acknowledging; the next one begins with what was left."""
        self.redis.xreadgroup(keys.GROUP, "keeper", {keys.EVENTS: ">"}, count=self.die.randint(1, 5))
        self.reader = Reader()

    def do_dispatch(self):
        """Time passes: whatever dispatch is to look at is due, and messages count as overdue."""
        past = timezone.now() - timedelta(seconds=60)
        Job.objects.filter(next_check_at__isnull=False).update(next_check_at=past)
        Job.objects.filter(published_at__isnull=False).update(published_at=past)
        dispatch.step(Admission(), settled=True)

    def do_rescue(self):
        """Tell of attempts that nobody holds."""
        held = {(run.job, run.attempt) for run in self.running}
        for job_id, attempt in Job.objects.filter(state=State.STARTED).values_list("id", "attempt"):
            if (job_id, attempt) not in held:
                rescue.report_lost(job_id, attempt)

    def do_rescue_wrongly(self):
        """A worker that was cut off for longer than a lease is believed lost, and goes on."""
        if self.running:
            run = self.die.choice(self.running)
            if Job.objects.filter(id=run.job, state=State.STARTED, attempt=run.attempt).exists():
                rescue.report_lost(run.job, run.attempt)
                run.told_lost = True

    # --- how it ends

    def step(self):
        actions = (
            [self.do_submit] * 4 + [self.do_take] * 6 + [self.do_finish] * 5 + [self.do_record] * 6
            + [self.do_dispatch] * 3 + [self.do_rescue] * 2
            + [self.do_cancel, self.do_retry, self.do_lose_message, self.do_double_message, self.do_kill_worker,
               self.do_kill_keeper, self.do_rescue_wrongly, self.do_submit_workflow, self.do_retry_workflow]
        )  # fmt: skip
        self.die.choice(actions)()

    def settle(self):
        """No more accidents: everybody works until nothing is left to do."""
        for _ in range(80):
            while self.reader.step(0.001):
                pass
            self.do_rescue()
            self.do_dispatch()
            while text := self._pop():
                self._claim(text, self.owners[0])
            while self.running:
                run = self.running.pop()
                self._report(run, State.SUCCESS)
            while self.reader.step(0.001):
                pass
            if not Job.objects.filter(id__in=self.jobs).exclude(state__in=FINAL).exists():
                return
        left = Job.objects.filter(id__in=self.jobs).exclude(state__in=FINAL)
        raise AssertionError(
            f"never final: {[(j.id, j.kind, j.state, j.attempt, self.redis.hgetall(keys.run(j.id))) for j in left]}"
        )
