"""What can be wrong with a request, told so that the one who asked can put it right."""

from collections.abc import Mapping, Sequence

#: Unknown names that are told one by one.
_MOST_UNKNOWN = 50


class Refused(Exception):
    """The input was refused: every bad field, each with what would be right."""

    def __init__(self, errors: Mapping[str, list[str]]):
        self.errors = dict(errors)
        super().__init__("; ".join(f"{field}: {' '.join(texts)}" for field, texts in self.errors.items()))


class RefusedTerms(Refused):
    """What was refused is none of the parameters: the kind itself, its queue, its priority, its time."""


def unknown(names: Sequence[str], text: str) -> dict[str, list[str]]:
    """{name: [text]} for names that are not known; of very many the first, the last of which says how many follow."""
    errors = {name[:100]: [text] for name in names[:_MOST_UNKNOWN]}
    if len(names) > _MOST_UNKNOWN:
        errors[names[_MOST_UNKNOWN - 1][:100]].append(f"Further unknown names: {len(names) - _MOST_UNKNOWN:,}.")
    return errors


class Conflict(Exception):
    """The job is in a state that does not allow what was asked."""

    def __init__(self, message: str, state: str = ""):
        self.state = state
        super().__init__(message)


class OverQuota(Exception):
    """The owner has more unfinished jobs than allowed."""


class Cancelled(BaseException):
    """Raised inside a kind's `run` once its job has been cancelled; not an Exception, so that no kind swallows it."""


class Busy(Exception):
    """The server does as much of that at a time as it can; worth another try. The text is shown as it is."""


class NoRoom(Exception):
    """What a job makes could not be kept, because the place for it is full or read-only; worth another try later."""


class PermanentError(Exception):
    """A failure that a further attempt would only repeat. The text is shown to the submitter as it is."""
