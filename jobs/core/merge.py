"""Which of two reports about a job is the later truth, whatever order they arrive in (LINE 7)."""

from typing import NamedTuple

from jobs.core.states import RANK, State


class Standing(NamedTuple):
    """What is known of a job: its attempt, that attempt's state, and whether a vanished worker is all it rests on."""

    attempt: int
    state: str
    assumed: bool = False

    @property
    def order(self) -> tuple[int, int, int, str]:
        """A total order, so that the greatest of any set of reports is the same in every order of arrival.

        A success of any attempt ends the job: the work is done, even if its worker was believed lost and a further
        attempt sent. Among others a later attempt is later, and within one attempt the rank decides. What was
        concluded from a vanished worker ranks as LOST, so that a real report of that attempt replaces it.
        """
        if self.state == State.SUCCESS:
            return (1, -self.attempt, RANK[State.SUCCESS], "")
        rank = RANK[State.LOST] if self.assumed else RANK[self.state]
        return (0, self.attempt, rank, "" if self.assumed else self.state)

    def yields_to(self, other: "Standing") -> bool:
        """Whether `other` is to be recorded in place of this."""
        return other.order > self.order


def attempt_yields(state: str | None, new: str) -> bool:
    """Whether within one attempt a recorded state (None: nothing yet) yields to a reported one."""
    if state is None:
        return True
    return (RANK[new], new) > (RANK[state], state)
