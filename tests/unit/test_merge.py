"""The merge of reports: the same truth in every order of arrival (LINE 7)."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from jobs.core.merge import Standing, attempt_yields
from jobs.core.states import State

REPORTS = st.builds(
    Standing,
    attempt=st.integers(1, 4),
    state=st.sampled_from([s for s in State if s != State.PENDING]),
).map(lambda s: Standing(s.attempt, s.state, s.state == State.LOST))


def merged(reports):
    standing = Standing(1, State.PENDING)
    for report in reports:
        if standing.yields_to(report):
            standing = report
    return standing


@given(st.lists(REPORTS, max_size=6))
def test_every_order_of_arrival_ends_in_the_same_standing(reports):
    orders = (
        list(itertools.permutations(reports))
        if len(reports) < 5
        else [reports, reports[::-1], sorted(reports, key=repr)]
    )
    assert len({merged(order) for order in orders}) == 1


@given(st.lists(REPORTS, max_size=6))
def test_hearing_a_report_twice_changes_nothing(reports):
    assert merged(reports) == merged([*reports, *reports])


@given(st.lists(REPORTS, max_size=6), st.integers(1, 4))
def test_a_success_of_any_attempt_ends_the_job(reports, attempt):
    assert merged([*reports, Standing(attempt, State.SUCCESS)]).state == State.SUCCESS


def test_a_real_end_replaces_a_loss_of_the_same_attempt():
    lost = Standing(1, State.FAILURE, assumed=True)
    assert lost.yields_to(Standing(1, State.FAILURE))
    assert lost.yields_to(Standing(1, State.SUCCESS))
    assert not Standing(1, State.FAILURE).yields_to(Standing(1, State.LOST, assumed=True))


def test_a_late_success_of_a_lost_attempt_wins_over_the_attempt_that_followed():
    assert Standing(2, State.STARTED).yields_to(Standing(1, State.SUCCESS))


def test_a_late_failure_of_a_lost_attempt_does_not_end_the_attempt_that_followed():
    assert not Standing(2, State.PENDING).yields_to(Standing(1, State.FAILURE))


def test_final_absorbs_what_comes_late_of_the_same_attempt():
    for state in (State.STARTED, State.RETRY, State.LOST):
        assert not Standing(1, State.REVOKED).yields_to(Standing(1, state))


def test_an_attempt_is_never_set_back():
    assert attempt_yields(None, State.STARTED)
    assert attempt_yields(State.LOST, State.SUCCESS)
    assert not attempt_yields(State.RETRY, State.STARTED)
    assert not attempt_yields(State.SUCCESS, State.LOST)
