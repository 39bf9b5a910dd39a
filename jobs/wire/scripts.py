"""The Lua scripts, each one atomic step of the line; `lua/` holds them with their arguments."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import redis

#: [s] that a finished job's run hash and Celery result stay in Redis; SQL has them longer.
KEEP_FINAL = 86_400

_FOLDER = Path(__file__).parent / "lua"


#: The first line of a script that uses the functions of messages.lua: Redis' scripts cannot load each other.
_WITH_MESSAGES = "--!messages\n"


@cache
def source(name: str) -> str:
    text = (_FOLDER / f"{name}.lua").read_text()
    return (_FOLDER / "messages.lua").read_text() + text if text.startswith(_WITH_MESSAGES) else text


@cache
def digest(name: str) -> str:
    return hashlib.sha1(source(name).encode(), usedforsecurity=False).hexdigest()


def call(client: Any, name: str, keys: list[str], args: list[Any]) -> Any:
    """Run a script by its digest, loading it where Redis does not know it (a new or emptied one)."""
    try:
        return client.evalsha(digest(name), len(keys), *keys, *args)
    except redis.exceptions.NoScriptError:
        return client.eval(source(name), len(keys), *keys, *args)
