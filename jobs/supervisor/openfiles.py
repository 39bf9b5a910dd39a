"""How many files a process may open: the limit that most systems set at first is a fraction of what they allow."""

import resource
from contextlib import suppress

#: Beyond it nothing here has use for more, and programs that walk through all numbers of files would take seconds.
ENOUGH = 65_536


def raise_limit() -> None:
    """Raise the soft limit to the hard one, at most to ENOUGH; processes that this one starts inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # a system that allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
