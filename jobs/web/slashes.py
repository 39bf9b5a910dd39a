"""Addresses that end in a slash, as people type them and other sites write them."""

from collections.abc import Iterable

from django.urls import URLPattern, path


def with_slash(patterns: Iterable[URLPattern]) -> list[URLPattern]:
    """The same pages once more, under their address and a slash; `reverse` goes on to give the address without.

    Not below jobs/: an id of a foreign task may end in any word, and has its page under the id and a slash.
    """
    routes = [(str(pattern.pattern), pattern.callback) for pattern in patterns]
    return [
        path(f"{route}/", view)
        for route, view in routes
        if route and not route.endswith("/") and not route.startswith("jobs/")
    ]
