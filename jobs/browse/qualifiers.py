"""The little language of the search field: `kind:image state:failed error:"timed out" autumn news*`."""

import difflib
import re

from jobs.core.states import SHOWN, State

#: Qualifiers and what they take, in the order that help lists them.
NAMES = ("state", "kind", "owner", "queue", "error", "id", "since", "until")

#: What people and programs call a state: shown words, Celery's own, and their near forms.
STATES: dict[str, str] = {
    **{word: word for word in SHOWN if word != "lost"},
    **{state.lower(): state.value for state in State if state != State.LOST},
    "success": "succeeded",
    "failure": "failed",
    "revoked": "cancelled",
    "started": "running",
    "retry": "retrying",
    "canceled": "cancelled",
}

_TERM = re.compile(r'(?:(?P<name>[A-Za-z_]+):(?!//))?(?P<value>"[^"]*"?|\S+)?')


def split(text: str) -> tuple[dict[str, str], str]:
    """The qualifiers of a search by name, and the rest of its text.

    Raises ValueError in words for people: an unknown qualifier, one without a value, one given twice.
    """
    found: dict[str, str] = {}
    rest = []
    for name, value in _terms(text):
        if not name:
            rest.append(value)
        elif name not in NAMES:
            raise ValueError(_unknown(f"{name}:", [f"{known}:" for known in NAMES]))
        elif not value:
            raise ValueError(f"`{name}:` needs a value, such as `{name}:{_EXAMPLES[name]}`.")
        elif name in found:
            raise ValueError(f"`{name}:` is given twice.")
        else:
            found[name] = value
    return found, " ".join(rest)


_EXAMPLES = {
    "state": "failed", "kind": "image", "owner": "alice", "queue": "io", "error": "Timeout", "id": "0199f3c2",
    "since": "2h", "until": "2026-11-21",
}  # fmt: skip


def without(text: str, *names: str) -> str:
    """The search with the named qualifiers taken out."""
    kept = [(name, value) for name, value in _terms(text) if name not in names]
    return " ".join(f"{name}:{_quoted(value)}" if name else _quoted(value) for name, value in kept)


def _terms(text: str) -> list[tuple[str, str]]:
    terms = []
    for match in _TERM.finditer(text):
        name, value = (match["name"] or "").lower(), (match["value"] or "").strip('"')
        if name or value:
            terms.append((name, value))
    return terms


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"[\s:]", value) else value


def state(text: str) -> str:
    """The state that a word means: a key of SHOWN, or "PENDING" for scheduled and queued alike. Raises ValueError."""
    try:
        return STATES[text.strip().lower()]
    except KeyError:
        raise ValueError(_unknown(text, [*SHOWN, *STATES], among="state")) from None


def _unknown(given: str, known: list[str], among: str = "") -> str:
    near = difflib.get_close_matches(given.lower(), known, n=1, cutoff=0.6)
    what = f"`{given}` is no {among}." if among else f"`{given}` is unknown."
    if near:
        return f"{what} Did you mean `{near[0]}`?"
    return f"{what} There are {', '.join(dict.fromkeys(known[: len(SHOWN)]))}."
