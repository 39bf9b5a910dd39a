"""`make faults`: the whole product under kills, for minutes. A sample of it is a system test."""

import os
import random

from tests.environment import VAR
from tests.faults.history import play

SEED = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(10**6))
JOBS = int(os.environ.get("FAULTS_JOBS") or 5_000)
KILLS = int(os.environ.get("FAULTS_KILLS") or 30)


def test_nothing_is_lost_doubled_or_told_wrong(stack, capsys):
    with capsys.disabled():
        print(f"\nseed {SEED}: {JOBS} jobs, {KILLS} kills, {os.environ.get('TEST_DATABASE') or 'SQLite'}", flush=True)
        history = play(stack, VAR, SEED, JOBS, KILLS, messages=True)
        print(history, flush=True)
    assert not history.verdict.wrong(), history.verdict.wrong()
    assert len(history.load.accepted) + history.load.unanswered == JOBS
