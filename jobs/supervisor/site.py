"""Jobsite under the supervisor: its programs, the order of start and stop, what is said while it runs."""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings

from jobs.supervisor import disk, openfiles, prepare, redis, undertaker
from jobs.supervisor.child import Program
from jobs.supervisor.files import AlreadyRunning, lock
from jobs.supervisor.output import Output
from jobs.supervisor.ports import kept_url, why_taken
from jobs.supervisor.readiness import Readiness
from jobs.supervisor.signals import listen
from jobs.supervisor.sources import Sources
from jobs.supervisor.supervisor import Supervisor

#: [s] that leftovers of a killed supervisor have to end.
LEFTOVER_GRACE = 10.0
DISK_EVERY, DISK_WARNING_EVERY = 60.0, 600.0
SOURCES_EVERY = 1.0


class CannotStart(Exception):
    """Something stands in the way; the text says what, and what would help."""


def programs(redis_argv: tuple[str, ...] | None) -> list[Program]:
    """Everything to run, in the order of start. Stopped by rank: first those that take work in, Redis last."""

    def command(name: str, *args: str, rank: int, grace: float = 10.0, is_worker: bool = False) -> Program:
        return Program(
            name=args[0] if is_worker else name,
            argv=(sys.executable, str(settings.BASE_DIR / "manage.py"), name, *args),
            rank=rank,
            grace=grace,
            reloads=name != "mailcatcher",
            is_worker=is_worker,
            env={"PYTHONUNBUFFERED": "1"},
            cwd=settings.BASE_DIR,
        )

    chosen = []
    if redis_argv:
        chosen.append(Program(name="redis", argv=redis_argv, rank=5, grace=20.0))
    if settings.EMAIL_IS_CAUGHT:
        chosen.append(command("mailcatcher", rank=4))
    return [
        *chosen,
        command("keeper", rank=3, grace=15.0),
        command("worker", "io", rank=2, grace=45.0, is_worker=True),
        command("worker", "cpu", rank=2, grace=45.0, is_worker=True),
        command("scheduler", rank=1),
        command("web", rank=0, grace=15.0),
    ]


class Site:
    """One run of `manage.py up`."""

    def __init__(self) -> None:
        self.var_dir: Path = settings.VAR_DIR
        self.output = Output(["redis", "mailcatcher", "keeper", "io", "cpu", "scheduler", "web"])
        self._login = ""
        self._due: dict[str, float] = {}

    def run(self) -> None:
        """Start everything, watch it, and return once it was stopped. Raises CannotStart."""
        try:
            held = lock(self.var_dir / "up.lock")
        except AlreadyRunning as error:
            raise CannotStart(
                f"Jobsite already runs on {self.var_dir} (process {error}). Stop it with Ctrl-C there, "
                f"or with: kill {error}. To run a second one beside it, give it its own VAR_DIR and PORT."
            ) from error
        with held:
            self._bury(self.var_dir / "up.json")
            self._check_port()
            self._check_disk(0.0)
            openfiles.raise_limit()
            if warning := prepare.close_to_others(self.var_dir):
                self.output.warn(warning)
            supervisor = self._supervisor()
            handlers = self._listen(supervisor)
            try:
                self._start(supervisor)
            finally:
                supervisor.stop()
                for number, handler in handlers.items():
                    signal.signal(number, handler)
                self._tell_login()
            self.output.say("all stopped")

    def _bury(self, table: Path) -> None:
        """Stop what an earlier supervisor left behind when it was killed; two Redis on one file would spoil it."""
        if rows := undertaker.read_table(table):
            self.output.say(f"stopping what a killed start left behind: {', '.join(row['name'] for row in rows)}")
            undertaker.stop(rows, LEFTOVER_GRACE)

    def _check_port(self) -> None:
        if why := why_taken(settings.HOST, settings.PORT):
            raise CannotStart(
                f"cannot listen on {settings.HOST}, port {settings.PORT}: {why}. "
                f"Stop what listens there, or choose another port: PORT={settings.PORT % 65535 + 1} make up"
            )

    def _supervisor(self) -> Supervisor:
        redis_argv = None
        if not settings.REDIS_URL_GIVEN:
            try:
                redis_argv = redis.prepare(self.var_dir)
            except redis.NoRedis as error:
                raise CannotStart(str(error)) from error
        if settings.EMAIL_IS_CAUGHT:
            kept_url(self.var_dir / "smtp.url", lambda port, before: f"smtp://127.0.0.1:{port}")
        broker = settings.REDIS_URL_GIVEN or (self.var_dir / "redis.url").read_text().strip()
        return Supervisor(programs(redis_argv), self.output, self.var_dir / "up.json", lambda: redis.answers(broker))

    def _listen(self, supervisor: Supervisor) -> dict[int, Any]:
        def told(number: int, frame: FrameType | None) -> None:
            supervisor.told_to_stop += 1
            if supervisor.told_to_stop == 1:
                self.output.say("stopping; jobs that run may finish (Ctrl-C again to hurry)")

        return listen((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), told)

    def _start(self, supervisor: Supervisor) -> None:
        names = list(supervisor.children)
        if "redis" in names:
            supervisor.start("redis")
        if prepare.migrate():
            self.output.say("the database is up to date")
        self._login = prepare.first_user()
        if supervisor.told_to_stop:
            return
        supervisor.start(*(name for name in names if name not in ("redis", "web")))
        supervisor.start("web")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)  # noqa: S104 (not bound here)
        address = f"[{host}]" if ":" in host else host
        readiness = Readiness(f"http://{address}:{settings.PORT}/readyz", self._ready, self._late)
        readiness.start()
        try:
            supervisor.run(self._each_tick(supervisor))
        finally:
            readiness.stop()

    def _ready(self) -> None:
        login, self._login = self._login, ""
        self.output.say(f"Jobsite is ready: {settings.BASE_URL}  (admin / {login or 'your password'})")

    def _late(self, lacking: str) -> None:
        self.output.warn(f"Jobsite is not ready yet: {lacking}")
        self._tell_login()

    def _tell_login(self) -> None:
        """A drawn password is told once, also where the site never got ready."""
        login, self._login = self._login, ""
        if login:
            self.output.say(f"sign in as admin / {login}")

    def _each_tick(self, supervisor: Supervisor) -> Callable[[], None]:
        sources = Sources(_source_folders()) if settings.DEBUG else None

        def each_tick() -> None:
            now = time.monotonic()
            self._check_disk(now)
            if sources and self._is_due("sources", now, SOURCES_EVERY) and (changed := sources.changed()):
                more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
                self.output.say(f"{changed[0].name}{more} changed: starting again")
                supervisor.restart()

        return each_tick

    def _check_disk(self, now: float) -> None:
        if not self._is_due("disk", now, DISK_EVERY):
            return
        warnings = dict.fromkeys(filter(None, (disk.warning(folder, name) for name, folder in disk.places().items())))
        if warnings and self._is_due("disk warning", now, DISK_WARNING_EVERY):
            for text in warnings:
                self.output.warn(text)

    def _is_due(self, what: str, now: float, every: float) -> bool:
        if now < self._due.get(what, float("-inf")):
            return False
        self._due[what] = now + every
        return True


def _source_folders() -> list[Path]:
    """Where this project's own source lies: its apps, its settings, its templates."""
    from django.apps import apps

    found = {Path(config.path) for config in apps.get_app_configs()}
    found |= {settings.BASE_DIR / "jobsite", settings.BASE_DIR / "templates"}
    return sorted(
        path for path in found if path.is_relative_to(settings.BASE_DIR) and "site-packages" not in path.parts
    )
