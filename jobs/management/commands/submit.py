"""manage.py submit KIND --param name=value …, or --task NAME --arg value …: submit a job, and follow it if asked."""

import sys
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.core import priorities
from jobs.core.errors import OverQuota, Refused
from jobs.core.kind import Kind
from jobs.core.moment import moment
from jobs.core.registry import all_kinds, get_kind
from jobs.foreign.task import task_named
from jobs.management.follow import follow
from jobs.management.parameters import files_of, params_of, values_of_words
from jobs.models import Job
from jobs.submit import submit
from jobs.submit.foreign import submit_task

#: Exit statuses beside 0 for SUCCESS.
FAILED, REFUSED, REVOKED, TIMED_OUT, INTERRUPTED = 1, 2, 3, 4, 130


class Command(BaseCommand):
    help = (
        "Submit a job and print its id. With --wait, follow it: exit status 0 for success, 1 failure, "
        "2 refused input, 3 cancelled, 4 not finished within --timeout."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", nargs="?", help="slug of the kind: see manage.py kinds")
        parser.add_argument("--task", metavar="NAME", help="instead of a kind: a Celery task of an installed app")
        parser.add_argument("--arg", action="append", default=[], metavar="VALUE", help="a positional argument of it")
        parser.add_argument("--kwarg", action="append", default=[], metavar="NAME=VALUE", help="an argument by name")
        parser.add_argument(
            "--param", "-p", action="append", default=[], metavar="NAME=VALUE",
            help="one parameter; a name given again makes a list; VALUE of @FILE is read from that file",
        )  # fmt: skip
        parser.add_argument("--file", "-f", action="append", default=[], metavar="NAME=PATH", help="one file")
        parser.add_argument("--user", default="admin", help="owner of the job; default: admin")
        parser.add_argument("--label", default="", help="title for people")
        parser.add_argument("--priority", choices=priorities.BY_NAME, default="normal", help="default: normal")
        parser.add_argument("--queue", help="another queue of the kind's pool")
        parser.add_argument("--due", metavar="WHEN", help="earliest start, such as 2030-01-31T07:00:00+01:00")
        parser.add_argument("--wait", action="store_true", help="follow the job to its end")
        parser.add_argument("--timeout", type=float, metavar="SECONDS", help="with --wait: how long; default: for ever")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["timeout"] is not None and not 0 <= options["timeout"] < float("inf"):
            raise CommandError("--timeout: expected seconds, 0 or more.", returncode=REFUSED)
        if bool(options["kind"]) == bool(options["task"]):
            raise CommandError("Name a kind, or a task with --task NAME.", returncode=REFUSED)
        job = self._submit(options)
        self.stdout.write(job.id)
        self.stdout.flush()
        if options["wait"]:
            sys.exit(self._wait(job, options["timeout"]))

    def _submit(self, options: dict[str, Any]) -> Job:
        common = {
            "user": _user(options["user"]), "via": "cli", "title": options["label"], "priority": options["priority"],
            "queue": options["queue"], "due_at": _due(options["due"]),
        }  # fmt: skip
        try:
            if options["task"]:
                return _submit_task(options, common)
            kind = _kind(options["kind"])
            if options["arg"] or options["kwarg"]:
                raise Refused({"--arg": ["--arg and --kwarg go with --task; a kind takes --param NAME=VALUE."]})
            params, files = params_of(kind, options["param"]), files_of(kind, options["file"])
            return submit(kind, params, files=files, **common)
        except Refused as refused:
            lines = (f"{name}: {' '.join(texts)}" for name, texts in refused.errors.items())
            raise CommandError("Refused.\n" + "\n".join(lines), returncode=REFUSED) from refused
        except OverQuota as error:
            raise CommandError(str(error), returncode=REFUSED) from error

    def _wait(self, job: Job, timeout: float | None) -> int:
        """Follow to the end; the exit status."""
        try:
            state = follow(job, self.stdout, self.stderr, timeout)
        except KeyboardInterrupt:
            self.stderr.write(f"\nNo longer watching. Job {job.id} goes on.")
            return INTERRUPTED
        if state is None:
            self.stderr.write(f"Not finished after {timeout:g} s. Job {job.id} goes on.")
            return TIMED_OUT
        return {"SUCCESS": 0, "FAILURE": FAILED, "REVOKED": REVOKED}[state]


def _submit_task(options: dict[str, Any], common: dict[str, Any]) -> Job:
    if options["param"] or options["file"]:
        raise Refused({"--param": ["--param and --file go with a kind; a task takes --arg and --kwarg."]})
    task = task_named(options["task"])
    if task is None:
        raise Refused({"task": [f"No Celery task {options['task']!r} is known here."]})
    return submit_task(task.name, values=values_of_words(task, options["arg"], options["kwarg"]), **common)


def _kind(slug: str) -> type[Kind]:
    kind = get_kind(slug)
    if kind is None:
        raise CommandError(f"No kind {slug!r}. There are: {', '.join(all_kinds())}.", returncode=REFUSED)
    return kind


def _user(name: str) -> Any:
    model = get_user_model()
    user = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    if user is None:
        raise CommandError(f"There is no user {name!r}: name one with --user.", returncode=REFUSED)
    return user


def _due(text: str | None) -> Any:
    if not text:
        return None
    try:
        return moment(text)
    except ValueError as error:
        raise CommandError(f"--due: {error}", returncode=REFUSED) from error
