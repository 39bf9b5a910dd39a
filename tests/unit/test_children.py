"""A prefork child that has ended is replaced, also where it cannot be waited for when its sentinel closes."""

import time

import pytest
from billiard.process import BaseProcess
from kombu.asynchronous import Hub, set_event_loop

from jobs.worker.children import Pool


class OneLook(Pool):
    """Without Celery's own look every 5 s."""

    timers = {}


@pytest.fixture
def hub():
    hub = Hub()
    set_event_loop(hub)
    yield hub
    set_event_loop(None)
    hub.close()


@pytest.mark.parametrize("looks_too_early", [1, 3])
def test_a_child_that_ends_is_replaced(hub, monkeypatch, looks_too_early):
    pool = OneLook(1, threads=False)
    try:
        pool.register_with_event_loop(hub)
        first, early = pool._pool[0], []
        exitcode = BaseProcess.exitcode.fget

        def found_late(process):
            if process is first and len(early) < looks_too_early and exitcode(process) is not None:
                early.append(process)
                return None
            return exitcode(process)

        monkeypatch.setattr(BaseProcess, "exitcode", property(found_late))
        first.terminate()
        loop, until = hub.create_loop(), time.monotonic() + 30
        while pool._pool == [first] or not pool._pool:
            assert time.monotonic() < until, "the place of the child stays empty"
            next(loop)
        assert pool._pool[0].pid != first.pid and len(early) == looks_too_early
    finally:
        pool.terminate()
        pool.join()
