"""Import, export and clean-up through the API and real workers, as programs use them."""

import csv
import io
import json

import polars as pl

from jobs.models import Artifact, Job
from tests.system.stack import wait_for


def submit(client, kind, params, **files):
    """Submit over REST; answers the job's row."""
    if files:
        data = {"kind": kind, "params": json.dumps(params)}
        answer = client.post("jobs", data=data, files={name: (f"{name}.csv", text) for name, text in files.items()})
    else:
        answer = client.post("jobs", json={"kind": kind, "params": params})
    assert answer.status_code == 202, answer.text
    return Job.objects.get(id=answer.json()["id"])


def result(client, job):
    return client.get(f"jobs/{job.id}").json()["result"]


def file(stack, job, name):
    """A file that the job made, once the keeper has recorded it."""
    made = wait_for(lambda: Artifact.objects.filter(job=job, name=name, is_input=False).first(), 20, name)
    with Artifact.storage().open(made.path) as stored:
        return stored.read()


def test_rows_become_jobs_that_run_and_a_retry_makes_none_twice(stack, alice):
    table = "First number,y\n" + "".join(f"{number},1\n" for number in range(300))
    importing = submit(alice, "import", {"kind": "add"}, table=table)
    (importing,) = stack.wait([importing], 90)
    assert importing.state == "SUCCESS", importing.error
    listed = list(csv.DictReader(io.StringIO(file(stack, importing, "jobs.csv").decode())))
    made = stack.wait(Job.objects.filter(id__in=[row["job"] for row in listed]), 90)
    assert len(made) == 300 and {job.state for job in made} == {"SUCCESS"}
    assert {job.owner.username for job in made} == {"alice"} and {job.via for job in made} == {"import"}
    assert sorted(job.params["x"] for job in made) == list(range(300))
    assert result(alice, importing)["imported"] == 300


def test_a_wrong_row_imports_nothing_and_is_named(stack, alice):
    before = Job.objects.filter(kind="add").count()
    (importing,) = stack.wait([submit(alice, "import", {"kind": "add"}, table="x,y\n1,2\nmany,2\n")], 60)
    assert importing.state == "FAILURE" and "1 of 2 rows wrong" in importing.error
    assert b"3,x,x,many,Enter a number." in file(stack, importing, "errors.csv")
    assert Job.objects.filter(kind="add").count() == before


def test_an_import_whose_worker_is_killed_goes_on_and_makes_no_job_twice(stack, alice):
    table = "x,y\n" + "".join(f"{number},7\n" for number in range(3000))
    for _ in range(3):  # on a machine that pauses it may be done before it is killed
        importing = submit(alice, "import", {"kind": "add"}, table=table)
        of_this = Job.objects.filter(via="import", kind="add", idempotency_key__startswith=f"import:{importing.id}:")
        wait_for(lambda of_this=of_this: of_this.count() >= 200, 60, "the first batches")
        stack.kill("cpu")
        in_the_middle = of_this.count() < 3000
        stack.start("cpu")
        if in_the_middle:
            break
    assert in_the_middle, "each time it was done before it was killed"
    (importing,) = stack.wait([importing], 120)
    assert importing.state == "SUCCESS" and importing.attempts.count() == 2, importing.error
    assert of_this.count() == 3000 and of_this.values("idempotency_key").distinct().count() == 3000
    wait_for(lambda: of_this.filter(state="SUCCESS").count() == 3000, 180, "every job of it to run")


def test_each_owner_exports_what_they_may_see_in_every_format(stack, api, alice, bob):
    stack.wait([submit(client, "add", {"x": 1, "y": 2}) for client in (alice, bob)])
    exports = {name: submit(alice, "export", {"format": name}) for name in ("csv", "jsonl", "xlsx", "parquet")}
    exports["all"] = submit(api, "export", {"format": "parquet", "q": "kind:add"})
    stack.wait(exports.values(), 90)
    frames = {}
    for name, job in exports.items():
        job.refresh_from_db()
        assert job.state == "SUCCESS", job.error
        made = wait_for(lambda job=job: Artifact.objects.filter(job=job, is_input=False).first(), 20, name)
        content = file(stack, job, made.name)
        read = {
            "csv": lambda file: pl.read_csv(file, infer_schema=False),
            "jsonl": pl.read_ndjson,
            "xlsx": pl.read_excel,
        }.get(name, pl.read_parquet)
        frames[name] = read(io.BytesIO(content))
    assert all(set(frames[name]["owner"]) == {"alice"} for name in ("csv", "jsonl", "xlsx", "parquet"))
    assert {"alice", "bob"} <= set(frames["all"]["owner"]) and set(frames["all"]["kind"]) == {"add"}


def test_cleaning_up_is_for_operators_and_dry_first(stack, api, alice):
    refused = alice.post("jobs", json={"kind": "cleanup", "params": {"keep_size": 0}})
    assert refused.status_code == 422 and "cleanup" not in [one["kind"] for one in alice.get("kinds").json()["items"]]
    kept = submit(alice, "export", {"format": "csv"})
    stack.wait([kept], 60)
    path = wait_for(lambda: Artifact.objects.filter(job=kept, is_input=False).first(), 20, "the file").path
    wanted = {"what": "files", "keep_size": 0, "kinds": ["export"]}
    dry = submit(api, "cleanup", wanted)
    stack.wait([dry], 60)
    assert Artifact.storage().exists(path)
    real = submit(api, "cleanup", {**wanted, "dry_run": False})
    (real,) = stack.wait([real], 60)
    assert real.state == "SUCCESS", real.error
    assert not Artifact.storage().exists(path) and Job.objects.filter(pk=kept.pk).exists()
    told, done = result(api, dry), result(api, real)
    assert told["dry_run"] and told["bytes"] == done["bytes"] > 0 and told["files"] == done["files"]
