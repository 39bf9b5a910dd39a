"""The supervisor, with tiny real processes for children."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.supervisor import disk, redis, undertaker
from jobs.supervisor.backoff import Backoff
from jobs.supervisor.child import Child, Program, reason_of
from jobs.supervisor.files import AlreadyRunning, lock, write_private
from jobs.supervisor.output import Output
from jobs.supervisor.ports import free_port, kept_url, why_taken
from jobs.supervisor.readiness import missing, probe
from jobs.supervisor.sources import Sources
from jobs.supervisor.supervisor import Supervisor

#: Tells of its start, lives until TERM, tells of its end.
OBEDIENT = """
import signal, sys
from pathlib import Path
log, name = Path(sys.argv[1]), sys.argv[2]
def end(*_):
    with log.open("a") as file: file.write(f"end {name}\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
with log.open("a") as file: file.write(f"start {name}\\n")
while True: signal.pause()
"""
DEAF = OBEDIENT.replace("signal.signal(signal.SIGTERM, end)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")


def until(condition, tick=lambda: None, timeout=20.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        tick()
        time.sleep(0.02)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def stage(tmp_path):
    """Makes programs that write to one log, and ends what is left of them."""
    made: list[Supervisor] = []

    class Stage:
        log = tmp_path / "log"
        text = io.StringIO()
        output = Output(["web", "redis"], text)
        table = tmp_path / "up.json"

        def program(self, name, rank=0, source=OBEDIENT, **options):
            return Program(name, (sys.executable, "-I", "-S", "-c", source, str(self.log), name), rank=rank, **options)

        def supervisor(self, *programs, **options):
            made.append(Supervisor(programs, self.output, self.table, **options))
            made[-1].start(*(program.name for program in programs))
            return made[-1]

        def lines(self):
            return self.log.read_text().splitlines() if self.log.exists() else []

        def started(self, supervisor, count):
            until(lambda: sum(line.startswith("start") for line in self.lines()) == count, supervisor.tick)

    yield Stage()
    for supervisor in made:
        supervisor.told_to_stop = 2
        supervisor.stop()


def test_backoff_grows_to_thirty_seconds_and_forgets_after_a_minute_alive():
    backoff = Backoff()
    assert [backoff.after(0.5) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(59.0) == 30
    assert backoff.after(60.0) == 1
    assert backoff.after(1.0) == 2


def test_a_child_that_dies_is_started_again_after_its_delay_and_the_reason_is_shown():
    text, clock = io.StringIO(), Clock()
    source = "import sys; print('the reason'); sys.exit(3)"
    child = Child(Program("web", (sys.executable, "-c", source), rank=0), Output(["web"], text), clock)
    child.start()
    first = child.process.pid
    until(lambda: not child.running, child.tick)
    assert "web | the reason" in text.getvalue()
    assert "web ended with exit code 3 after 0 s; started again in 1 s" in text.getvalue()
    clock.now += 0.9
    child.tick()
    assert not child.running
    clock.now += 0.2
    child.tick()
    assert child.running and child.process.pid != first
    until(lambda: not child.running, child.tick)
    assert "started again in 2 s" in text.getvalue()


def test_a_killed_child_is_told_with_the_name_of_the_signal(stage):
    supervisor = stage.supervisor(stage.program("web"))
    stage.started(supervisor, 1)
    os.kill(supervisor.children["web"].process.pid, signal.SIGKILL)
    stage.started(supervisor, 2)
    assert "web was killed by SIGKILL" in stage.text.getvalue()
    assert reason_of(-11) == "was killed by SIGSEGV"


def test_a_program_that_cannot_be_started_is_tried_again(stage):
    child = Child(Program("web", ("/nonexistent/program",), rank=0), stage.output)
    child.start()
    assert not child.running
    assert "web cannot be started" in stage.text.getvalue()
    assert "next try in 1 s" in stage.text.getvalue()


def test_children_stop_rank_by_rank(stage):
    supervisor = stage.supervisor(*(stage.program(name, rank) for rank, name in enumerate(("c", "b", "a"))))
    stage.started(supervisor, 3)
    supervisor.stop()
    assert stage.lines()[3:] == ["end c", "end b", "end a"]
    assert not stage.table.exists()


def test_what_stops_later_is_kept_alive_while_others_stop(stage):
    wait = "import time\n    while log.read_text().count('start redis') < 2: time.sleep(0.02)"
    slow = OBEDIENT.replace("def end(*_):", f"def end(*_):\n    {wait}")
    supervisor = stage.supervisor(stage.program("io", 0, slow), stage.program("redis", 1))
    stage.started(supervisor, 2)
    os.kill(supervisor.children["redis"].process.pid, signal.SIGKILL)
    supervisor.stop()
    assert stage.lines()[2:] == ["start redis", "end io", "end redis"]


def test_a_child_that_does_not_listen_is_killed_after_its_grace(stage):
    supervisor = stage.supervisor(stage.program("web", source=DEAF, grace=0.5))
    stage.started(supervisor, 1)
    supervisor.stop()
    assert not supervisor.children["web"].running
    assert "web did not end in time and is killed" in stage.text.getvalue()


def test_workers_are_not_waited_for_once_redis_is_gone(stage, monkeypatch):
    monkeypatch.setattr("jobs.supervisor.supervisor.REDIS_IS_GONE", 0.5)
    monkeypatch.setattr("jobs.supervisor.supervisor.GRACE_WITHOUT_REDIS", 0.5)
    program = stage.program("io", source=DEAF, grace=600.0, is_worker=True)
    supervisor = stage.supervisor(program, redis_answers=lambda: False)
    stage.started(supervisor, 1)
    supervisor.stop()
    assert not supervisor.children["io"].running


def test_a_second_ctrl_c_hurries(stage):
    supervisor = stage.supervisor(stage.program("io", source=DEAF, grace=600.0))
    stage.started(supervisor, 1)
    supervisor.told_to_stop = 2
    before = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - before < 10


def test_restart_runs_those_anew_whose_source_changed_without_delay(stage):
    supervisor = stage.supervisor(stage.program("web", reloads=True), stage.program("redis", 1))
    stage.started(supervisor, 2)
    supervisor.restart()
    stage.started(supervisor, 3)
    assert stage.lines()[2:] == ["end web", "start web"]
    assert "exit code" not in stage.text.getvalue()


def test_the_children_of_a_killed_supervisor_are_stopped_in_order(stage, tmp_path):
    script = f"""
import os, signal, sys, time
from pathlib import Path
from jobs.supervisor.child import Program
from jobs.supervisor.output import Output
from jobs.supervisor.supervisor import Supervisor
make = lambda name, rank: Program(
    name, (sys.executable, "-I", "-S", "-c", {OBEDIENT!r}, {str(stage.log)!r}, name), rank=rank)
supervisor = Supervisor([make("redis", 1), make("web", 0)], Output([]), Path({str(stage.table)!r}))
supervisor.start("redis", "web")
while len(Path({str(stage.log)!r}).read_text().splitlines() if Path({str(stage.log)!r}).exists() else []) < 2:
    time.sleep(0.05)
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.run([sys.executable, "-c", script], cwd=root, timeout=30, check=False)
    assert killed.returncode == -signal.SIGKILL
    until(lambda: stage.lines()[2:] == ["end web", "end redis"])
    until(lambda: undertaker.read_table(stage.table) == [])


def test_on_a_full_disk_children_are_started_again_and_it_is_told_once(stage):
    supervisor = stage.supervisor(stage.program("web"))
    stage.started(supervisor, 1)
    before = stage.table.read_text()
    # Where the new table is written before it takes the place of the old one.
    new = stage.table.with_name(f".up.json.{os.getpid()}")
    new.symlink_to("/dev/full")
    os.kill(supervisor.children["web"].process.pid, signal.SIGKILL)
    stage.started(supervisor, 2)
    assert stage.table.read_text() == before
    assert stage.text.getvalue().count("No space left on device") == 1
    new.unlink()
    supervisor.tick()
    assert [row["pid"] for row in undertaker.read_table(stage.table)] == [supervisor.children["web"].process.pid]


def test_children_stop_though_the_table_can_be_neither_written_nor_removed(stage):
    supervisor = stage.supervisor(stage.program("web", 0), stage.program("redis", 1))
    stage.started(supervisor, 2)
    stage.table.unlink()
    stage.table.mkdir()
    supervisor.stop()
    assert stage.lines()[2:] == ["end web", "end redis"]


def test_the_table_of_a_killed_start_names_no_process_that_merely_has_the_same_number(tmp_path):
    table = tmp_path / "up.json"
    row = {"name": "web", "pid": os.getpid(), "rank": 0, "grace": 1.0}
    table.write_text(json.dumps([{**row, "born": "another time"}]))
    assert undertaker.read_table(table) == []
    table.write_text(json.dumps([{**row, "born": undertaker.born(os.getpid())}]))
    assert [row["pid"] for row in undertaker.read_table(table)] == [os.getpid()]
    table.write_text("{half a")
    assert undertaker.read_table(table) == []


def test_a_second_start_is_refused_and_names_the_first(tmp_path):
    path = tmp_path / "up.lock"
    path.write_text("999999\n")  # left by a process that died: locks nobody out
    held = lock(path)
    with pytest.raises(AlreadyRunning, match=str(os.getpid())):
        lock(path)
    held.close()
    lock(path).close()


def test_up_says_why_it_does_not_start(tmp_path):
    root = Path(__file__).resolve().parents[2]

    def up(port):
        environment = {**os.environ, "VAR_DIR": str(tmp_path), "PORT": str(port)}
        command = [sys.executable, "manage.py", "up"]
        return subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        refused = up(port)
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in refused.stderr
    with lock(tmp_path / "up.lock"):
        refused = up(free_port())
    assert refused.returncode == 1
    assert f"already runs on {tmp_path} (process {os.getpid()})" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(("under", "told"), [(("env", "--default-signal=HUP"), "1"), (("nohup",), "0")])
def test_a_closed_terminal_stops_the_site_unless_it_runs_under_nohup(tmp_path, under, told):
    script = f"""
import os, signal
from pathlib import Path
from jobs.supervisor.output import Output
from jobs.supervisor.site import Site
from jobs.supervisor.supervisor import Supervisor
supervisor = Supervisor([], Output([]), Path({str(tmp_path / "up.json")!r}))
Site()._listen(supervisor)
os.kill(os.getpid(), signal.SIGHUP)
print("told:", supervisor.told_to_stop)
"""
    answer = subprocess.run(
        [*under, sys.executable, "-c", script],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "jobsite.settings"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer.stdout.splitlines()[-1:] == [f"told: {told}"], answer.stderr


def test_a_port_is_kept_until_somebody_else_has_it(tmp_path):
    path = tmp_path / "redis.url"

    def kept():
        return kept_url(path, lambda port, before: f"redis://:{before.password or 'secret'}@127.0.0.1:{port}/0")

    first = kept()
    assert kept() == first == path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    port = int(first.rpartition(":")[2].split("/")[0])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen(1)
        assert why_taken("127.0.0.1", port) == "Address already in use"
        moved = kept()
    assert moved != first and ":secret@" in moved
    path.write_text("not a url at all: x:y:z")
    assert kept().startswith("redis://:secret@127.0.0.1:")


def test_the_embedded_redis_is_durable_protected_and_answers_only_to_its_password(tmp_path):
    server, config = redis.prepare(tmp_path)
    url = (tmp_path / "redis.url").read_text().strip()
    process = subprocess.Popen([server, config], stdout=subprocess.DEVNULL)
    try:
        until(lambda: redis.answers(url))
        import redis as client

        connection = client.Redis.from_url(url, decode_responses=True)
        settings = connection.config_get("*")
        assert settings["appendonly"] == "yes" and settings["appendfsync"] == "everysec"
        assert settings["maxmemory-policy"] == "noeviction" and settings["bind"] == "127.0.0.1"
        assert not redis.answers(f"redis://127.0.0.1:{connection.connection_pool.connection_kwargs['port']}/0")
        assert Path(config).stat().st_mode & 0o777 == 0o600
        connection.close()
    finally:
        process.terminate()
        process.wait(20)
    assert not redis.answers(url)


def test_an_old_redis_on_path_is_passed_over_and_none_at_all_is_told(tmp_path, monkeypatch):
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.14 sha=0 malloc=libc bits=64'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert redis.version_of(old) == (5, 0, 14)
    assert redis.find_server() != old
    monkeypatch.setattr(redis.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(redis.NoRedis, match=r"5\.0\.14.*apt-get install redis-server"):
        redis.find_server()


def test_a_full_disk_is_warned_of(tmp_path, monkeypatch):
    assert disk.warning(tmp_path) == "" or "nearly full" in disk.warning(tmp_path)
    gb = 1024**3
    for total, free, full in ((1000 * gb, 40 * gb, True), (10 * gb, 0.9 * gb, True), (100 * gb, 6 * gb, False)):
        usage = type("Usage", (), {"total": total, "free": free})
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder, usage=usage: usage)
        assert bool(disk.warning(tmp_path)) is full


def test_source_changes_are_seen_once(tmp_path):
    (tmp_path / "one.py").write_text("1")
    sources = Sources([tmp_path])
    assert sources.changed() == []
    (tmp_path / "two.py").write_text("2")
    (tmp_path / "note.txt").write_text("not a source")
    assert sources.changed() == [tmp_path / "two.py"]
    assert sources.changed() == []
    (tmp_path / "one.py").unlink()
    assert sources.changed() == [tmp_path / "one.py"]


def test_what_is_missing_is_named():
    body = {"ok": False, "checks": {"sql": {"ok": True}, "worker_io": {"ok": False, "detail": "No worker."}}}
    assert missing(json.dumps(body).encode()) == "worker_io: No worker."
    assert missing(b"<h1>Server Error</h1>") == "<h1>Server Error</h1>"
    assert "does not answer yet" in probe(f"http://127.0.0.1:{free_port()}/readyz")


def test_output_names_the_process_and_survives_a_closed_terminal():
    text = io.StringIO()
    output = Output(["web", "scheduler"], text)
    output.line("web", "hello")
    assert text.getvalue() == "web       | hello\n"
    text.close()
    output.line("web", "nobody reads this")


def test_private_files_are_private(tmp_path):
    write_private(tmp_path / "secret", "text")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "secret"]
