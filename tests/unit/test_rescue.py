"""Who is judged lost: every interleaving of beats, outages and claims, on a clock of the test's own (LINE 2 to 4)."""

import random

from jobs.keeper.rescue import MISSING_FOR, Watch
from jobs.wire.workers import GONE_AFTER

RUNNING = [("job", 1)]


def judged(watch, processes, now, running=RUNNING):
    held = watch.held(processes, now)
    return [] if held is None else watch.lost(running, held, now)


def test_nothing_is_judged_for_one_lease_after_the_start():
    watch = Watch()
    for now in range(int(GONE_AFTER)):
        assert judged(watch, {}, float(now)) == []


def test_a_silent_worker_is_lost_after_one_lease_and_a_beating_one_never():
    watch = Watch()
    lost_at = None
    for now in range(100):
        alive = {"a": (str(now), ["job"])} if now < 40 else {"a": ("39", ["job"])}
        if judged(watch, alive, float(now)) and lost_at is None:
            lost_at = now
    assert lost_at is not None
    assert GONE_AFTER <= lost_at - 39 <= GONE_AFTER + MISSING_FOR + 2


def test_found_within_thirty_seconds():
    assert GONE_AFTER + MISSING_FOR + 2 * 2 < 30


def test_after_an_outage_of_redis_everybody_gets_a_whole_lease():
    watch = Watch()
    for now in range(30):
        judged(watch, {"a": (str(now), ["job"])}, float(now))
    watch.blind()
    for now in range(100, 100 + int(GONE_AFTER)):
        assert judged(watch, {"a": ("29", ["job"])}, float(now)) == []
    assert judged(watch, {"a": ("29", ["job"])}, 100 + GONE_AFTER + 1) == []  # missing, but not for long enough yet
    assert judged(watch, {"a": ("29", ["job"])}, 100 + GONE_AFTER + MISSING_FOR + 2) == RUNNING


def test_a_claim_younger_than_the_beat_that_names_it_is_not_lost():
    watch = Watch()
    for now in range(40):
        judged(watch, {"a": (str(now), [])}, float(now), running=[])
    assert judged(watch, {"a": ("40", [])}, 40.0) == []
    assert judged(watch, {"a": ("42", ["job"])}, 42.0) == []
    assert watch.missing == {}


def test_any_living_process_that_names_the_job_keeps_it():
    watch = Watch()
    for now in range(60):
        processes = {"child": ("0", ["job"]), "parent": (str(now), ["job"])}
        assert judged(watch, processes, float(now)) == []


def test_simulated_histories_never_lose_a_held_job_and_always_find_a_dead_one():
    for seed in range(200):
        rolls = random.Random(seed)
        watch, now, beat = Watch(), 0.0, 0
        dies_at = rolls.uniform(30, 120)
        blind_until, found_at, seen_from = 0.0, None, 0.0
        while now < 250 and found_at is None:
            now += rolls.uniform(0.5, 3.0)
            if now < 150 and rolls.random() < 0.02:
                blind_until = now + rolls.uniform(1, 40)
            if now < dies_at:
                beat += 1
            if now < blind_until:
                watch.blind()
                seen_from = now
                continue
            if judged(watch, {"a": (str(beat), ["job"])}, now):
                found_at = now
        assert found_at is not None, seed
        assert found_at > dies_at, seed
        assert found_at - max(dies_at, seen_from) >= GONE_AFTER - 3.0, seed
