import json
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from django_celery_results.models import TaskResult

from jobs.core.errors import Cancelled, PermanentError
from jobs.core.registry import get_kind
from jobs.keeper import prune
from jobs.kinds.cleanup import CleanUp
from jobs.models import Artifact, Attempt, AuditEntry, Job
from jobs.submit import rerun
from tests.unit.contexts import RecordingContext
from tests.unit.job_rows import alice, bob, make_job, olga, users  # noqa: F401

DAY = 86_400


@pytest.fixture
def ctx(tmp_path, users):  # noqa: F811
    return RecordingContext(tmp_path, owner="olga")


def form(**params):
    data = {"what": "jobs", "dry_run": "on", **params}
    return CleanUp.Form({name: value for name, value in data.items() if value is not None})


def run(ctx, **params):
    filled = form(**params)
    assert filled.is_valid(), filled.errors
    return CleanUp().run(filled.cleaned_data, ctx)


def both(ctx, **params):
    """The result, after a dry run that told the same and deleted nothing."""
    before = set(Job.objects.values_list("id", flat=True)), set(Artifact.objects.values_list("id", flat=True))
    told = run(ctx, **params)
    assert before == (set(Job.objects.values_list("id", flat=True)), set(Artifact.objects.values_list("id", flat=True)))
    assert told["dry_run"] and told["summary"].startswith("Would delete")
    done = run(ctx, **params, dry_run=None)
    same = ("jobs", "files", "bytes", "by_kind", "kept_for_schedules")
    assert {name: told[name] for name in same} == {name: done[name] for name in same}
    return done


def old_job(title, days=40, files=0, size=1000, **more):
    finished = timezone.now() - timedelta(days=days)
    job = make_job(title, ago=days * DAY, finished_at=finished, **more)
    for number in range(files):
        stored(job, f"{title}-{number}", size)
    return job


def stored(job, name, size=1000, path=None, is_input=False):
    path = path or Artifact.storage().save(f"outputs/{name}", ContentFile(b"x,y\n" * (size // 4)))
    return Artifact.objects.create(job=job, name=name, size=size, path=path, is_input=is_input)


def titles():
    return set(Job.objects.values_list("title", flat=True))


# --- by age ------------------------------------------------------------------------------------------


def test_old_jobs_go_with_all_that_belongs_to_them(ctx):
    old, new = old_job("old", 40, files=2), old_job("new", 5, files=1)
    Attempt.objects.create(job=old, number=1, state="SUCCESS")
    TaskResult.objects.create(task_id=old.id)
    TaskResult.objects.create(task_id=new.id)
    paths = list(old.artifacts.values_list("path", flat=True))
    result = both(ctx, older_than=30)
    assert (result["jobs"], result["files"], result["bytes"]) == (1, 2, 2000)
    assert titles() == {"new"} and TaskResult.objects.get().task_id == new.id
    assert not Attempt.objects.exists() and not any(map(Artifact.storage().exists, paths))
    assert Artifact.storage().exists(new.artifacts.get().path)
    assert AuditEntry.objects.get(action="clean up").target == "Deleted 1 job with 2 files (2.0 KB)."


def test_jobs_that_have_not_ended_stay_whatever_their_age(ctx):
    for state in ("PENDING", "STARTED", "RETRY"):
        make_job(state, ago=100 * DAY, state=state)
    old_job("over")
    assert both(ctx, older_than=1)["jobs"] == 1
    assert titles() == {"PENDING", "STARTED", "RETRY"}


def test_a_long_job_counts_from_its_end(ctx):
    make_job("long", ago=40 * DAY, finished_at=timezone.now() - timedelta(days=2))
    assert both(ctx, older_than=30)["jobs"] == 0


def test_only_the_kinds_and_states_that_were_asked_for(ctx):
    old_job("a", kind="image", state="FAILURE")
    old_job("b", kind="image")
    old_job("c", kind="email", state="FAILURE")
    result = both(ctx, older_than=30, kinds=["image"], states=["failed"])
    assert titles() == {"b", "c"}
    assert result["by_kind"] == [{"kind": get_kind("image").label, "jobs": 1, "files": 0, "size": "0 B"}]


def test_only_the_files(ctx):
    job, bare = old_job("job", files=2), old_job("bare")
    result = both(ctx, older_than=30, what="files")
    assert (result["jobs"], result["files"], result["bytes"]) == (1, 2, 2000)
    assert titles() == {"job", "bare"} and not job.artifacts.exists() and not bare.artifacts.exists()


# --- by size -----------------------------------------------------------------------------------------


def test_the_newest_are_kept_as_long_as_their_files_fit(ctx):
    for days in (4, 3, 2, 1):
        old_job(f"{days} days", days, files=1, size=400 * 1024)
    result = both(ctx, keep_size=1)
    assert titles() == {"2 days", "1 days"}
    assert (result["jobs"], result["bytes"]) == (2, 2 * 400 * 1024)


def test_either_limit_takes(ctx):
    old_job("aged", 40)
    old_job("large", 3, files=1, size=2 * 1024**2)
    old_job("small", 2, files=1)
    both(ctx, older_than=30, keep_size=1)
    assert titles() == {"small"}


def test_keep_nothing(ctx):
    old_job("file", 1, files=1)
    old_job("newer, without", 0.5)
    both(ctx, keep_size=0, what="files")
    assert not Artifact.objects.exists() and len(titles()) == 2


# --- what is in use ----------------------------------------------------------------------------------


def test_bytes_stay_while_another_job_names_them(ctx, alice):  # noqa: F811
    old = old_job("old", files=1)
    path = old.artifacts.get().path
    waiting = make_job("rerun", owner=alice, state="PENDING", rerun_of=old)
    stored(waiting, "copy", path=path, is_input=True)
    result = both(ctx, older_than=30)
    assert (result["jobs"], result["files"], result["bytes"]) == (1, 0, 0)
    assert Artifact.storage().exists(path) and waiting.artifacts.get().path == path


def test_bytes_shared_by_jobs_that_all_go_are_counted_once(ctx):
    jobs = [old_job(str(number), 40 + number, files=1 if not number else 0) for number in range(120)]
    path = jobs[0].artifacts.get().path
    for job in jobs[1:]:
        stored(job, "copy", path=path)
    result = both(ctx, older_than=30)
    assert (result["jobs"], result["files"], result["bytes"]) == (120, 1, 1000)
    assert not Artifact.storage().exists(path)


def test_a_rerun_can_be_run_again_after_the_first_is_gone(ctx, alice):  # noqa: F811
    first = old_job("first", kind="import", owner=alice)
    table = stored(first, "jobs.csv", is_input=True)
    Job.objects.filter(pk=first.pk).update(
        params={"kind": "add", "columns": "", "rows": "all", "dry_run": True,
                "table": [{"artifact": table.id, "name": "jobs.csv", "size": 1000, "path": table.path}]}
    )  # fmt: skip
    first.refresh_from_db()
    second = rerun(first, alice)
    both(ctx, older_than=30)
    assert not Job.objects.filter(pk=first.pk).exists()
    second.refresh_from_db()
    third = rerun(second, alice)
    assert third.artifacts.get().path == table.path and Artifact.storage().exists(table.path)


def test_files_that_a_schedule_starts_with_stay(ctx):
    job = old_job("needed", files=1)
    old_job("not needed", files=1)
    every = IntervalSchedule.objects.create(every=1, period="days")
    reference = {"table": [{"artifact": job.artifacts.get().id}]}
    PeriodicTask.objects.create(name="daily", task="jobs.import", interval=every, kwargs=json.dumps(reference))
    result = both(ctx, older_than=30)
    assert titles() == {"needed"} and (result["jobs"], result["kept_for_schedules"]) == (1, 1)


def test_a_job_that_is_started_again_meanwhile_stays(users):  # noqa: F811
    from jobs.models.forget import forget_files, forget_jobs

    job = old_job("again", files=1)
    Job.objects.filter(pk=job.pk).update(state="PENDING")
    assert forget_jobs([job.pk]).jobs == forget_files([job.pk]).jobs == 0
    assert titles() == {"again"} and job.artifacts.count() == 1


# --- who, how ----------------------------------------------------------------------------------------


def test_only_operators(ctx, tmp_path, client, users):  # noqa: F811
    with pytest.raises(PermanentError, match="no operator any more"):
        run(RecordingContext(tmp_path, owner="alice"), older_than=30)
    client.force_login(users["alice"])
    assert "/new/cleanup" not in client.get("/new").text and client.get("/new/cleanup").status_code == 404
    client.force_login(users["olga"])
    assert "/new/cleanup" in client.get("/new").text and client.get("/new/cleanup").status_code == 200


def test_a_dry_run_is_the_default(db):
    from jobs.submit.validate import bind, cleaned

    assert cleaned(bind(CleanUp, {"older_than": 30}))["dry_run"] is True


def test_a_limit_is_needed(db):
    assert form().errors == {"older_than": ["Give an age, a size to keep, or both."]}


def test_it_goes_in_small_transactions_and_can_be_cancelled_between(tmp_path, users):  # noqa: F811
    for number in range(120):
        old_job(str(number), 40)
    ctx = RecordingContext(tmp_path, owner="olga", cancel_at=2)
    with pytest.raises(Cancelled):
        run(ctx, older_than=30, dry_run=None)
    assert Job.objects.count() == 20 and [report[0] for report in ctx.reports] == [0, 50, 100]


def test_the_keeper_forgets_in_the_same_way(settings, users):  # noqa: F811
    settings.RETENTION_DAYS = 30
    old = old_job("old", files=1)
    path = old.artifacts.get().path
    keeps = old_job("kept", 5)
    stored(keeps, "copy", path=path)
    gone = old_job("gone", files=1).artifacts.get().path
    assert prune.step() == 2
    assert titles() == {"kept"} and Artifact.storage().exists(path) and not Artifact.storage().exists(gone)
