"""Full text over Job.search: FTS5 on SQLite, a GIN index on PostgreSQL. Every word matches as a prefix.

Both answer with the newest jobs by `seq`, the order of acceptance, without sorting all that match.
"""

from collections.abc import Sequence
from typing import Any

from django.db import connection, connections
from django.db.models import Q
from django.db.models.expressions import RawSQL

_SQLITE = (
    # The text stays in the jobs' table: the index keeps only words and rowids. Our words are cut already
    # (core/search_words.py), so the tokenizer has nothing to do but to split at spaces. A prefix of a length
    # that has an index of its own is read newest first like a word; any other one is gathered from all its words.
    """CREATE VIRTUAL TABLE IF NOT EXISTS jobs_search USING fts5(
        search, content='jobs_job', content_rowid='seq', detail=none, prefix='2 3 4 5 6 7 8', tokenize='ascii')""",
    """CREATE TRIGGER IF NOT EXISTS jobs_search_insert AFTER INSERT ON jobs_job BEGIN
        INSERT INTO jobs_search(rowid, search) VALUES (new.seq, new.search); END""",
    """CREATE TRIGGER IF NOT EXISTS jobs_search_delete AFTER DELETE ON jobs_job BEGIN
        INSERT INTO jobs_search(jobs_search, rowid, search) VALUES ('delete', old.seq, old.search); END""",
    """CREATE TRIGGER IF NOT EXISTS jobs_search_update AFTER UPDATE OF search ON jobs_job
        WHEN old.search <> new.search BEGIN
        INSERT INTO jobs_search(jobs_search, rowid, search) VALUES ('delete', old.seq, old.search);
        INSERT INTO jobs_search(rowid, search) VALUES (new.seq, new.search); END""",
)
_POSTGRESQL = ("CREATE INDEX IF NOT EXISTS jobs_search ON jobs_job USING gin (to_tsvector('simple', search))",)


def install(database: Any = connection) -> None:
    """Make the index and what keeps it, where they are missing.

    Run by a migration, and after every migration: Django rebuilds a SQLite table to change it, which drops
    its triggers.
    """
    with database.cursor() as cursor:
        if database.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE name LIKE 'jobs_search%%' AND type = 'trigger'")
            complete = len(cursor.fetchall()) == len(_SQLITE) - 1
            for statement in _SQLITE:
                cursor.execute(statement)
            if not complete:
                cursor.execute("INSERT INTO jobs_search(jobs_search) VALUES ('rebuild')")
        else:
            for statement in _POSTGRESQL:
                cursor.execute(statement)


def after_migrate(using: str = "default", **kwargs: Any) -> None:
    """Receiver of post_migrate."""
    if "jobs_job" in connections[using].introspection.table_names():
        install(connections[using])


def uninstall(database: Any = connection) -> None:
    with database.cursor() as cursor:
        if database.vendor == "sqlite":
            for name in ("insert", "delete", "update"):
                cursor.execute(f"DROP TRIGGER IF EXISTS jobs_search_{name}")
            cursor.execute("DROP TABLE IF EXISTS jobs_search")
        else:
            cursor.execute("DROP INDEX IF EXISTS jobs_search")


def matching(words: Sequence[str], limit: int, *, after: int | None = None, before: int | None = None) -> RawSQL:
    """A subquery for `seq__in`: at most `limit` jobs that have every word, newest first.

    words: as `words_of` cuts them. before: only older ones than this seq; after: only newer, oldest first.
    """
    sqlite = connection.vendor == "sqlite"
    if sqlite:
        sql, params = "SELECT rowid FROM jobs_search WHERE jobs_search MATCH %s", [" ".join(map(_fts5_term, words))]
    else:
        sql = "SELECT seq FROM jobs_job WHERE to_tsvector('simple', search) @@ to_tsquery('simple', %s)"
        params = [" & ".join(f"'{word}':*" for word in words)]
    key = "rowid" if sqlite else "seq"
    bounds: list[Any] = []
    for sign, bound in (("<", before), (">", after)):
        if bound is not None:
            sql += f" AND {key} {sign} %s"
            bounds.append(bound)
    sql += f" ORDER BY {key} {'ASC' if after is not None else 'DESC'} LIMIT %s"
    return RawSQL(sql, [*params, *bounds, limit])  # noqa: S611 - every value is a parameter


def _fts5_term(word: str) -> str:
    """A single letter matches only itself: as a prefix it would gather nearly every word there is."""
    return f'"{word}"*' if len(word) > 1 else f'"{word}"'


def starts_with(prefix: str) -> Q:
    """Ids that start so, in the form that the id's index serves on either database."""
    if connection.vendor == "sqlite":
        return Q(id__gte=prefix, id__lt=prefix + "\U0010ffff")
    return Q(id__startswith=prefix)
