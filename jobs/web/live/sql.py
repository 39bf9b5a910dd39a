"""SQL for the edge: two threads of its own, so that a flood of pages never keeps a poll or a login check waiting."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections

T = TypeVar("T")

_threads = ThreadPoolExecutor(2, thread_name_prefix="edge-sql")


async def in_sql(function: Callable[..., T], *args: Any) -> T:
    """The function's answer, from a thread with a persistent connection."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _fresh, function, args)


def _fresh(function: Callable[..., T], args: tuple[Any, ...]) -> T:
    close_old_connections()
    try:
        return function(*args)
    finally:
        close_old_connections()
