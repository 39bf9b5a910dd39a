"""Celery's own monitors: workers of ours are seen by them, and tell what they are asked to tell."""

import subprocess
import sys
import time

import httpx

from jobsite.celery import app
from tests.services import free_port
from tests.system.foreign.tasks import add
from tests.system.stack import ROOT, wait_for


def heard(seconds, until):
    """Events that Celery's own receiver takes in, until the condition holds of them or the time is over."""
    found = []
    deadline = time.monotonic() + seconds
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": found.append})
        while not until(found):
            assert time.monotonic() < deadline, [(event["type"], event["hostname"]) for event in found]
            try:
                for _ in receiver.itercapture(limit=None, timeout=1.0, wakeup=False):
                    if until(found):
                        break
            except TimeoutError:
                continue
    return found


def names(found, event_type):
    return {event["hostname"].split("@")[0] for event in found if event["type"] == event_type}


def test_both_workers_are_heard_and_tell_of_tasks_once_they_are_asked_to(stack):
    assert {"io", "cpu"} <= names(
        heard(30, lambda found: {"io", "cpu"} <= names(found, "worker-heartbeat")), "worker-heartbeat"
    )
    app.control.enable_events()
    try:
        wait_for(lambda: "task events already enabled" in str(app.control.broadcast("enable_events", reply=True)), 20)
        for queue in ("io", "cpu"):
            add.apply_async([1, 2], queue=queue, countdown=1)
        heard(30, lambda found: {"io", "cpu"} <= names(found, "task-succeeded"))
    finally:
        app.control.disable_events()


def test_flower_sees_them(stack):
    port = free_port()
    environment = {**stack.environment(), "FLOWER_UNAUTHENTICATED_API": "true"}
    command = [sys.executable, "-m", "celery", "-A", "jobsite", "flower", "--address=127.0.0.1", f"--port={port}"]
    flower = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def workers():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/api/workers?refresh=1&status=1", timeout=10).json()
        except (httpx.HTTPError, ValueError):
            return {}

    try:
        seen = wait_for(
            lambda: len(found := workers()) >= 2 and all(found.values()) and found, 60, f"Flower: {workers()}"
        )
        assert {name.split("@")[0] for name in seen} >= {"io", "cpu"}
    finally:
        flower.terminate()
        flower.wait(20)
