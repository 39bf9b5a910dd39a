"""What can be wrong with a request, told so that the one who asked can put it right."""

from collections.abc import Mapping


class Refused(Exception):
    """The input was refused: every bad field, each with what would be right."""

    def __init__(self, errors: Mapping[str, list[str]]):
        self.errors = dict(errors)
        super().__init__("; ".join(f"{field}: {' '.join(texts)}" for field, texts in self.errors.items()))


class Conflict(Exception):
    """The job is in a state that does not allow what was asked."""

    def __init__(self, message: str, state: str = ""):
        self.state = state
        super().__init__(message)


class OverQuota(Exception):
    """The owner has more unfinished jobs than allowed."""


class Cancelled(BaseException):
    """Raised inside a kind's `run` once its job has been cancelled; not an Exception, so that no kind swallows it."""


class PermanentError(Exception):
    """A failure that a further attempt would only repeat. The text is shown to the submitter as it is."""
