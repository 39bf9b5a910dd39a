"""One history: bursts of jobs with a kill in each, then quiet, then the count."""

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from django.db.models import QuerySet

from jobs.models import Job
from tests.faults.kills import NAMES, Killer, Recovery
from tests.faults.ledger import VARIABLE, Ledger
from tests.faults.load import Load, Planned
from tests.faults.target import Target
from tests.faults.verdict import FINAL, Verdict, judge
from tests.system.stack import Stack, wait_for

#: [s] after the beginning of a burst of jobs in which its kill comes.
WITHIN = 3.0
#: [s] for all that was accepted to end after the last kill.
LONGEST_REST = 300.0


@dataclass(frozen=True)
class History:
    """What came of it."""

    seed: int
    load: Load
    verdict: Verdict
    recoveries: list[Recovery]
    #: [s] under load and kills, and from then on until nothing moved any more.
    storm: float
    rest: float

    def __str__(self) -> str:
        verdict, load = self.verdict, self.load
        states = ", ".join(f"{kind} {state} {count}" for (kind, state), count in sorted(verdict.states.items()))
        lines = [
            f"seed {self.seed}: {self.storm:.0f} s under load and kills, {self.rest:.0f} s more until all had ended",
            f"accepted {len(load.accepted)}, sent with an error {len(load.uncertain)}, unanswered {load.unanswered}",
            f"by kind and state, with the schedule's runs and the probes: {states}",
            f"succeeded after an attempt was lost: {verdict.repeated}",
            f"lost {len(verdict.lost)}, doubled {len(verdict.doubled)}, told wrong {len(verdict.untrue)}",
        ]
        for name in NAMES:
            if took := sorted(each.seconds for each in self.recoveries if each.name == name):
                lines.append(
                    f"  {name}: {len(took)} kills, at work again after {took[0]:.1f} to {took[-1]:.1f} s, "
                    f"median {median(took):.1f} s"
                )
        return "\n".join(lines)


def play(stack: Stack, folder: Path, seed: int, jobs: int, kills: int, *, messages: bool) -> History:
    """Play it on a running stack, whose workers are started anew so that they note what they do.

    messages: go on until none is left of those that killed workers had in hand, which takes the broker two minutes. A
    body that one of them started would be counted.
    """
    path = folder / f"ledger-{seed}.jsonl"
    path.touch()
    noted = {VARIABLE: str(path)}
    for name in ("io", "cpu"):
        stack.kill(name)
        stack.start(name, **noted)
    stack.redis().config_set("appendfsync", "always")
    wait_for(lambda: stack.ready().get("ok"), 60, "readiness")
    last = Job.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    mine = Job.objects.filter(seq__gt=last)
    rolls, target = Random(seed), Target()
    load = Load(stack.api, target.url, seed)
    with stack.api() as client:
        tick = {"name": f"faults {seed}", "kind": "add", "params": {}, "every": 1, "period": "seconds"}
        schedule = client.post("schedules", json=tick).raise_for_status().json()["id"]
    try:
        began = time.monotonic()
        recoveries = _storm(load, Killer(stack, rolls, schedule, noted), load.plan(jobs), kills)
        storm = time.monotonic() - began
        with stack.api() as client:
            client.patch(f"schedules/{schedule}", json={"enabled": False}).raise_for_status()
        _until_quiet(stack, mine, messages=messages)
        rest = time.monotonic() - began - storm
    finally:
        target.close()
    verdict = judge(load, list(mine.prefetch_related("attempts")), Ledger.read(path), target.hits, stack.redis())
    return History(seed, load, verdict, recoveries, storm, rest)


def _storm(load: Load, killer: Killer, planned: list[Planned], kills: int) -> list[Recovery]:
    """As many bursts as kills, and each kill somewhere in its burst or while its jobs run."""
    recoveries = []
    size = -(-len(planned) // kills)
    for number, name in enumerate(killer.order(kills)):
        burst = planned[number * size : (number + 1) * size]
        failed: list[BaseException] = []
        thread = threading.Thread(target=_submit, args=(load, burst, failed))
        thread.start()
        time.sleep(killer.rolls.uniform(0, WITHIN))
        recoveries.append(killer.strike(name))
        print(f"{number + 1}. {name}: back after {recoveries[-1].seconds:.1f} s", flush=True)
        thread.join()
        if failed:
            raise failed[0]
    return recoveries


def _submit(load: Load, burst: list[Planned], failed: list[BaseException]) -> None:
    try:
        load.submit(burst)
    except BaseException as error:  # told by the main thread
        failed.append(error)


def _until_quiet(stack: Stack, mine: QuerySet[Job], *, messages: bool) -> None:
    """All rows are final, and no message of a job without one is on its way; with `messages`, none at all."""
    redis = stack.redis()
    left: dict[str, Any] = {}

    def is_quiet() -> bool:
        left["unfinished"] = list(mine.exclude(state__in=FINAL).values_list("id", "kind", "state")[:5])
        left["queued"] = {key: redis.llen(key) for key in redis.scan_iter(_type="list")}
        in_hand = {json.loads(text)[0]["headers"]["id"] for text in redis.hvals("unacked")}
        left["in hand"] = list(in_hand if messages else in_hand - set(mine.values_list("id", flat=True)))[:5]
        return not any(left.values())

    try:
        wait_for(is_quiet, LONGEST_REST)
    except AssertionError:
        # What is left over is told by the count, with all else that is wrong.
        print(f"not quiet after {LONGEST_REST:g} s: {left}", flush=True)
