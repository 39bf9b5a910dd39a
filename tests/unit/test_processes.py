"""Several processes as one: `manage.py worker io --processes N`."""

import os
import signal
import subprocess
import sys
import time

import pytest

#: Lives until TERM, and then ends with 0; writes its process id into a folder.
OBEDIENT = """
import os, signal, sys
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Path(sys.argv[1], str(os.getpid())).touch()
while True: signal.pause()
"""
PARENT = """
import sys
from jobs.supervisor.processes import run_many
sys.exit(run_many([sys.executable, "-I", "-S", "-c", {source!r}, {folder!r}], 3, print) % 256)
"""


@pytest.fixture
def family(tmp_path, request):
    """A parent of three children, once all run: (the process, their ids). Its parameter: a command that runs it."""
    source = PARENT.format(source=OBEDIENT, folder=str(tmp_path))
    command = [*getattr(request, "param", ("env", "--default-signal=HUP")), sys.executable, "-c", source]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 20
    while len(names := [path.name for path in tmp_path.iterdir()]) < 3:
        assert time.monotonic() < deadline, "the children did not start"
        time.sleep(0.02)
    yield parent, [int(name) for name in names]
    if parent.poll() is None:
        os.killpg(parent.pid, signal.SIGKILL)
    parent.communicate()


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_all_end_with_the_one_that_was_told(family, number):
    parent, children = family
    parent.send_signal(number)
    assert parent.wait(20) == 0
    assert not any(lives(child) for child in children)


@pytest.mark.parametrize("family", [("nohup",)], indirect=True)
def test_under_nohup_a_closed_terminal_ends_none(family):
    parent, children = family
    parent.send_signal(signal.SIGHUP)
    # Had it been told to end, it would not find this one's end worth a word.
    os.kill(children[1], signal.SIGKILL)
    assert parent.wait(20) == -signal.SIGKILL % 256
    assert f"process {children[1]} ended (-9): the others end too" in parent.stdout.read()


def test_where_one_dies_the_others_end_in_order_and_the_whole_tells_of_it(family):
    parent, children = family
    os.kill(children[1], signal.SIGKILL)
    assert parent.wait(20) == -signal.SIGKILL % 256
    assert f"process {children[1]} ended (-9): the others end too" in parent.stdout.read()
    assert not any(lives(child) for child in children)


def test_cpu_has_no_processes():
    answer = subprocess.run(
        [sys.executable, "manage.py", "worker", "cpu", "--processes", "2"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    assert "--processes is for the io worker" in answer.stderr
