"""The words of a job that the search finds, written so that SQLite and PostgreSQL cut them alike."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")
#: Between the parts of a name in one word: ConnectionRefusedError, SMTPAuthenticationError.
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
#: Longest word that is kept [characters], and most words of one job.
LONGEST, MOST = 60, 200


def words_of(text: str) -> list[str]:
    """The words of a text: lower case, without accents and punctuation, each once, in order."""
    if not text.isascii():
        apart = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return list(dict.fromkeys(word[:LONGEST] for word in _WORD.findall(text.casefold())))


def words_for(title: str, kind: str, kind_label: str, owner_name: str, error: str = "") -> str:
    """The text of Job.search."""
    return add_words("", f"{title} {kind} {kind_label} {owner_name} {error}")


def add_words(search: str, text: str) -> str:
    """Job.search with the words of one more text, such as the error of the last attempt.

    A name such as ConnectionRefusedError counts whole and by its parts.
    """
    apart = _HUMP.sub(" ", text)
    parts = words_of(apart) if apart != text else []
    words = dict.fromkeys([*search.split(), *words_of(text), *parts])
    return " ".join(list(words)[:MOST])
