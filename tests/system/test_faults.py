"""A sample of `make faults`: a few kills among jobs of all sorts."""

import pytest

from tests.environment import VAR
from tests.faults.history import play


@pytest.fixture
def unnoted(stack):
    """The tests after this one have workers as they were."""
    yield
    for name in ("io", "cpu"):
        stack.kill(name)
        stack.start(name)


def test_a_few_kills_lose_double_and_misreport_nothing(stack, unnoted):
    history = play(stack, VAR, seed=7, jobs=300, kills=5, messages=False)
    print(history)
    assert not history.verdict.wrong(), history.verdict.wrong()
    assert len(history.load.accepted) + history.load.unanswered == 300
