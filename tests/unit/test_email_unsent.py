"""A rerun of a half-sent mailing: only those whom it did not reach, and those in doubt only when asked for."""

import pytest
from django.core.files.base import ContentFile

from jobs.models import Artifact, Job, LedgerEntry
from jobs.submit import rerun_part
from tests.unit.api_client import Program, check_problem, make_user
from tests.unit.job_rows import make_job

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("storage")]
TABLE = (
    'E-Mail;Name\r\nann@example.com;Ann\r\nnone;\r\n"Bob <bob@example.com>";"B;b"\r\n'
    "Cy@example.com;\r\ndee@example.com;Dee\r\n"
)
LEDGER = {"ann@example.com": "sent", "bob@example.com": "refused", "dee@example.com": "unknown"}


@pytest.fixture
def lena(db):
    return make_user("lena")


@pytest.fixture
def program(lena):
    return Program(lena)


def mailing(owner, ledger=LEDGER, state="FAILURE", table=TABLE, **given):
    params = {
        "to": [], "cc": [], "bcc": [], "recipients": [], "attachments": [], "unusable_rows": "leave_out", "text": "Hi",
        "subject": "Hello", "html": "", "from_email": "", "reply_to": [], "per_second": 5.0, "test_to": "",
        "dry_run": False, **given,
    }  # fmt: skip
    job = make_job("Autumn newsletter", owner=owner, state=state, params=params)
    if table:
        path = Artifact.storage().save("people.csv", ContentFile(table.encode("cp1252")))
        file = Artifact.objects.create(
            job=job, name="people.csv", content_type="text/csv", size=len(table), path=path, is_input=True, owner=owner
        )
        job.params["recipients"] = [{"artifact": file.id, "name": file.name, "size": file.size, "path": path}]
        job.save()
    LedgerEntry.objects.bulk_create(
        LedgerEntry(job=job, key=key, state=word, at=job.created) for key, word in ledger.items()
    )
    return job


def rows_of(job):
    [file] = job.params["recipients"]
    with Artifact.storage().open(file["path"]) as stored:
        return stored.read().decode().splitlines()


def rerun(program, job, status=202, **body):
    answer = program.post(f"jobs/{job.id}/rerun", body)
    assert answer.status_code == status, answer.content
    return Job.objects.get(id=answer.json()["id"]) if status == 202 else check_problem(answer)


def test_only_the_unsent_get_the_mail_and_those_in_doubt_do_not(program, lena):
    job = mailing(lena)
    made = rerun(program, job, only="unsent")
    assert rows_of(made) == ["E-Mail,Name", "Bob <bob@example.com>,B;b", "Cy@example.com,"]
    assert (made.rerun_of, made.title, made.params["per_second"]) == (job, "Autumn newsletter", 5.0)
    # The old job's own file is as it was.
    assert "ann@example.com" in "".join(rows_of(job))


def test_those_in_doubt_only_when_they_are_asked_for(program, lena):
    job = mailing(lena, {**LEDGER, "cy@example.com": "sending"})
    assert rows_of(rerun(program, job, only="unknown")) == ["E-Mail,Name", "Cy@example.com,", "dee@example.com,Dee"]
    assert rows_of(rerun(program, job, only="unsent")) == ["E-Mail,Name", "Bob <bob@example.com>,B;b"]


def test_addresses_without_a_file_are_taken_out_where_they_stand(program, lena):
    ledger = {"ann@example.com": "sent", "bob@example.com": "deferred", "cy@example.com": "sent"}
    given = {
        "to": ["Ann <ann@example.com>", "Bob <bob@example.com>"],
        "cc": ["cy@example.com"],
        "bcc": ["d@example.com"],
    }
    made = rerun(program, mailing(lena, ledger, table="", **given), only="unsent")
    assert (made.params["to"], made.params["cc"], made.params["bcc"]) == (
        ["Bob <bob@example.com>"], [], ["d@example.com"],
    )  # fmt: skip
    hidden = rerun(program, mailing(lena, {**ledger, "bob@example.com": "sent"}, table="", **given), only="unsent")
    assert (hidden.params["to"], hidden.params["bcc"]) == ([], ["d@example.com"])


def test_asked_again_it_is_the_same_job_whoever_asks(program, lena):
    job = mailing(lena)
    first = rerun(program, job, only="unsent")
    assert rerun(program, job, only="unsent") == first
    assert rerun_part(job, "unsent", make_user("olga", is_staff=True)) == first
    assert Job.objects.count() == 2
    # Of a further attempt something else is left.
    Job.objects.filter(pk=job.pk).update(attempt=2)
    assert rerun(program, job, only="unsent") != first


def test_what_an_operator_started_is_not_started_again_by_the_owner(program, lena):
    job = mailing(lena)
    rerun_part(job, "unsent", make_user("olga", is_staff=True))
    assert "does this already" in rerun(program, job, 409, only="unsent")["detail"]


def test_what_a_rerun_has_taken_over_is_not_retried(program, lena):
    job = mailing(lena)
    rerun(program, job, only="unsent")
    answer = program.post(f"jobs/{job.id}/retry", {})
    assert answer.status_code == 409 and "would be done twice" in check_problem(answer)["detail"]
    assert Job.objects.get(pk=job.pk).attempt == 1


def test_edited_parameters_come_along(program, lena):
    made = rerun(program, mailing(lena), only="unsent", params={"subject": "Sorry"})
    assert made.params["subject"] == "Sorry" and len(rows_of(made)) == 3


def test_what_is_left_of_nothing_is_refused(program, lena):
    assert rerun(program, mailing(lena, state="STARTED"), 409, only="unsent")["state"] == "STARTED"
    everybody = dict.fromkeys(["ann@example.com", "bob@example.com", "cy@example.com", "dee@example.com"], "sent")
    done = mailing(lena, everybody, state="SUCCESS")
    assert "Nothing is left" in rerun(program, done, 409, only="unsent")["detail"]
    assert "Nothing is left" in rerun(program, done, 409, only="unknown")["detail"]
    assert set(rerun(program, done, 422, only="half")["errors"]) == {"only"}
    assert set(rerun(program, make_job(kind="sleep", owner=lena), 422, only="unsent")["errors"]) == {"only"}
    assert rerun(Program(make_user("bob")), done, 404, only="unsent")


@pytest.mark.parametrize(
    ("state", "ledger", "offered"),
    [
        ("FAILURE", LEDGER, ["unsent", "unknown"]),
        ("REVOKED", {"ann@example.com": "sent"}, ["unsent"]),
        ("REVOKED", {}, []),
        ("FAILURE", {"ann@example.com": "refused"}, []),
        ("SUCCESS", {"ann@example.com": "sent"}, []),
        ("SUCCESS", {"ann@example.com": "sent", "bob@example.com": "refused"}, ["unsent"]),
        ("SUCCESS", {"ann@example.com": "sent", "bob@example.com": "unknown"}, ["unknown"]),
        ("STARTED", LEDGER, []),
    ],
)
def test_the_page_offers_what_is_left(client, lena, state, ledger, offered):
    job = mailing(lena, ledger, state)
    client.force_login(lena)
    page = client.get(f"/jobs/{job.id}/").content.decode()
    assert [part for part in ("unsent", "unknown") if f'name="offer" value="{part}"' in page] == offered


def test_the_button_makes_the_job_once(client, lena):
    job = mailing(lena)
    client.force_login(lena)
    page = client.get(f"/jobs/{job.id}/").content.decode()
    assert "Send only the unsent</button>" in page and "Send again to 1 perhaps sent</button>" in page
    assert page.count('button-primary" name="offer"') == 1
    first = client.post(f"/jobs/{job.id}/offer", {"offer": "unsent"}).url
    assert client.post(f"/jobs/{job.id}/offer", {"offer": "unsent"}).url == first
    made = Job.objects.get(rerun_of=job)
    assert first == made.get_absolute_url() and len(rows_of(made)) == 3
