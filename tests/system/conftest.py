import os

import pytest

from tests.system.stack import PASSWORD, Stack, wait_for

#: They bring their own databases, the same each time.
OWN_DATABASE = ["test_up.py", "test_compose_commands.py", "test_databases.py"]
collect_ignore = OWN_DATABASE if os.environ.get("TEST_DATABASE") == "postgres" else []


@pytest.fixture(scope="session")
def stack(django_db_blocker):
    """Everything running, with the users admin (operator), alice and bob (submitters)."""
    stack = Stack()
    stack.manage("prepare")
    with django_db_blocker.unblock():
        # The processes' own database, not pytest-django's: what a test commits, workers see.
        from django.contrib.auth.models import User

        for name in ("alice", "bob"):
            User.objects.create_user(name, password=PASSWORD)
        stack.redis().config_set("appendonly", "yes")
        stack.start("keeper", "io", "cpu", "web", "mail", "scheduler")
        stack.token = stack.manage("createtoken", "admin", "--scope", "admin").stdout.strip()
        try:
            wait_for(lambda: stack.ready().get("ok"), 60, f"readiness: {stack.ready()}")
            yield stack
        finally:
            stack.stop()


@pytest.fixture(autouse=True)
def whole(stack, monkeypatch):
    """Each test begins with every process up, whatever the one before did to it."""
    # This process asks as the site does, but gives up on none that pauses for some seconds.
    monkeypatch.setattr("jobs.submit.live.RECORD_WAITS", 30.0)
    monkeypatch.setattr("jobs.fleet.control.PATIENCE", 30.0)
    missing = [name for name in ("keeper", "io", "cpu", "web", "mail", "scheduler")
               if name not in stack.processes or stack.processes[name].poll() is not None]  # fmt: skip
    stack.start(*missing)
    wait_for(lambda: stack.ready().get("ok"), 90, "readiness")


@pytest.fixture
def api(stack):
    """A client of the REST API with the token of admin."""
    with stack.api() as client:
        yield client


@pytest.fixture(scope="session")
def tokens(stack):
    """Tokens of alice and bob, who are no operators."""
    return {name: stack.manage("createtoken", name, "--scope", "write").stdout.strip() for name in ("alice", "bob")}


@pytest.fixture
def alice(stack, tokens):
    with stack.api(tokens["alice"]) as client:
        yield client


@pytest.fixture
def bob(stack, tokens):
    with stack.api(tokens["bob"]) as client:
        yield client
