"""What a kind's `run` is given: progress, log, files, ledger. Usable in both pools, since none of it is SQL."""

import mimetypes
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import IO, Any, TypeVar

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from jobs.core.errors import Cancelled
from jobs.core.filenames import save_whole, shown_name, stored_name
from jobs.core.kind import PAUSED_STEP, Ledger
from jobs.core.tempdirs import TempDir
from jobs.wire import events, keys
from jobs.wire.connection import UNREACHABLE, redis_client
from jobs.worker import logs, report
from jobs.worker.execution import NEVER, Execution, HandedOver, Superseded, process

T = TypeVar("T")

#: [s] that a ledger entry waits for Redis before the attempt fails (and is tried again later).
LEDGER_WAITS = 120.0
#: [s] between looks of a paused attempt at whether it goes on, and between its reports that it stands still.
PAUSED_LOOK, PAUSED_SAID_EVERY = 0.25, 10.0


class JobContext:
    """The Context of one attempt (core/kind.py says what each part does)."""

    def __init__(self, execution: Execution, pausable: bool = False):
        self._execution, self._pausable = execution, pausable
        #: What was reported last: (current, total, step).
        self._reached: tuple[float, float, str] = (0, 0, "")
        self.job_id = execution.job
        self.attempt = execution.attempt
        self.max_attempts = execution.max_attempts
        self.owner = execution.owner_name
        self.ledger: Ledger = RedisLedger(execution)
        self._folder: TempDir | None = None

    def progress(self, current: float, total: float, step: str = "") -> None:
        self._reached = (current, total, step)
        self.check()
        self._report(current, total, step)
        self._end_if_asked()

    def _report(self, current: float, total: float, step: str) -> None:
        execution = self._execution
        progress = {
            "current": current, "total": total, "step": step[:200], "at": round(time.time(), 3),
            # Later by the time that it stood still, so that its pace is that of the work.
            "started": execution.started + execution.stood_still,
        }  # fmt: skip
        try:
            verdict = report.send_progress(
                execution, report.progress_command(execution, progress, self._shown(progress))
            )
        except UNREACHABLE:
            return  # the next report tells more
        if verdict == "cancel":
            raise Cancelled
        execution.taken |= verdict == "taken"

    def _shown(self, progress: dict[str, Any]) -> Any:
        """What Celery's clients read: a kind stays STARTED, with how far it is."""
        return report.started_result(self._execution, progress=progress) if self._execution.keeps else ""

    def check(self) -> None:
        self._end_if_asked()
        if self._pausable:
            self._wait_while_paused()

    def _end_if_asked(self) -> None:
        if self._execution.taken:
            raise Superseded
        if self._execution.cancel_asked:
            raise Cancelled

    def _wait_while_paused(self) -> None:
        execution = self._execution
        if execution.paused is None:
            # The lease thread has not looked yet; an earlier attempt may have been paused.
            pause = _until_redis_answers(lambda: redis_client().hget(keys.PAUSES, execution.job))
            execution.paused = pause == "1"
        if not execution.paused:
            return
        since, said = time.monotonic(), -PAUSED_SAID_EVERY
        if execution.clock:
            execution.clock.stop()
        try:
            while execution.paused:
                if time.monotonic() - said >= PAUSED_SAID_EVERY:
                    said, execution.sent_at = time.monotonic(), NEVER  # told at once: somebody waits for it
                    self._report(*self._reached[:2], PAUSED_STEP)
                time.sleep(PAUSED_LOOK)
                self._end_if_asked()
                if process.stops and process.stops():
                    raise HandedOver("The worker stops; the job stays paused, and goes on in another one.")
        finally:
            execution.stood_still += time.monotonic() - since
            if execution.clock:
                execution.clock.start()
        execution.sent_at = NEVER
        self._report(*self._reached)

    def log(self, text: str) -> None:
        logs.add(self._execution, str(text))

    def open(self, ref: Mapping[str, Any]) -> IO[bytes]:
        return storages["jobs"].open(ref["path"], "rb")

    def path(self, ref: Mapping[str, Any]) -> Path:
        storage = storages["jobs"]
        try:
            return Path(storage.path(ref["path"]))
        except NotImplementedError:  # a storage that is not on this machine
            target = self.tempdir() / f"{uuid.uuid4().hex}{PurePath(ref['name']).suffix}"
            with storage.open(ref["path"], "rb") as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            return target

    def tempdir(self) -> Path:
        if self._folder is None:
            self._folder = TempDir()
        return self._folder.path

    def save(self, name: str, content: bytes | Path | IO[bytes], content_type: str = "") -> dict[str, Any]:
        self.check()
        name = shown_name(name)
        artifact = uuid.uuid4().hex
        path, size = _write(f"outputs/{artifact[:2]}/{artifact}/{stored_name(name)}", content)
        fields = {
            "artifact": artifact,
            "name": name,
            "size": size,
            "path": path,
            "content_type": content_type or mimetypes.guess_type(name)[0] or "application/octet-stream",
        }
        report.tell(self._execution, events.ARTIFACT, **fields)
        return {key: fields[key] for key in ("artifact", "name", "size", "path")}

    def close(self) -> None:
        if self._folder is not None:
            self._folder.remove()


def _write(path: str, content: bytes | Path | IO[bytes]) -> tuple[str, int]:
    storage = storages["jobs"]
    if isinstance(content, bytes):
        return save_whole(storage, path, ContentFile(content)), len(content)
    if isinstance(content, Path):
        with content.open("rb") as file:
            return save_whole(storage, path, File(file)), content.stat().st_size
    stored = save_whole(storage, path, File(content))
    return stored, storage.size(stored)


class RedisLedger:
    """The ledger of one job: in Redis, where it outlives the attempt, and copied to SQL by the keeper (LINE 14)."""

    def __init__(self, execution: Execution):
        self._execution = execution
        self._key = keys.ledger(execution.job)

    def all(self) -> dict[str, dict[str, Any]]:
        stored = _until_redis_answers(lambda: redis_client().hgetall(self._key))
        entries = {}
        for key, value in stored.items():
            state, _, note = value.partition("\n")
            entries[key] = {"state": state, "note": note}
        return entries

    def mark(self, key: str, state: str, note: str = "") -> None:
        event = report.event_of(self._execution, events.LEDGER, key=key[:320], state=state, note=note[:500])

        def write() -> None:
            pipe = redis_client().pipeline(transaction=True)
            pipe.hset(self._key, key, f"{state}\n{note[:500]}")
            pipe.expire(self._key, keys.LEDGER_EXPIRES)
            pipe.xadd(keys.EVENTS, {"e": event})
            pipe.execute()

        _until_redis_answers(write)


def _until_redis_answers(call: Callable[[], T]) -> T:
    """Raises ConnectionError after LEDGER_WAITS."""
    until = time.monotonic() + LEDGER_WAITS
    while True:
        try:
            return call()
        except UNREACHABLE as error:
            if time.monotonic() > until:
                raise ConnectionError(f"Redis did not come back within {LEDGER_WAITS:g} s: {error}") from error
            time.sleep(0.5)
