import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from jobs.core.tempdirs import TempDir

MAKES_ONE_AND_WAITS = """
import time
from jobs.core.tempdirs import TempDir
made = TempDir()
(made.path / "part").write_bytes(b"x" * 1000)
print(made.path, flush=True)
time.sleep(60)
"""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def other(elsewhere):
    """A process that has made a folder, an hour ago by its clock."""
    process = subprocess.Popen([sys.executable, "-c", MAKES_ONE_AND_WAITS], stdout=subprocess.PIPE, text=True)
    path = Path(process.stdout.readline().strip())
    age(path)
    yield process, path
    process.kill()
    process.wait()
    process.stdout.close()


def age(path):
    hour_ago = time.time() - 3_600
    os.utime(path, (hour_ago, hour_ago))


def test_a_folder_is_gone_once_its_attempt_has_ended(elsewhere):
    made = TempDir()
    (made.path / "part").write_text("some")

    made.remove()

    assert list(elsewhere.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next_attempt(other):
    process, path = other
    process.send_signal(signal.SIGKILL)
    process.wait()

    TempDir().remove()

    assert not path.exists()


def test_the_folder_of_a_living_process_stays(other):
    _, path = other

    TempDir().remove()

    assert (path / "part").exists()


def test_several_attempts_of_one_process_have_a_folder_each(elsewhere):
    first, second = TempDir(), TempDir()
    age(first.path)

    TempDir().remove()

    assert first.path != second.path
    assert first.path.exists()
    first.remove()
    second.remove()


def test_a_folder_that_was_just_made_and_is_not_locked_yet_stays(elsewhere):
    young = Path(tempfile.mkdtemp(prefix="jobsite-attempt-"))

    TempDir().remove()

    assert young.is_dir()
