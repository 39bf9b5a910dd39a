"""The page Job: what it tells to whom, its actions, its files."""

import io
import zipfile
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_results.models import TaskResult

from jobs.models import Artifact, Attempt, AuditEntry, Job, LedgerEntry, LogLine
from jobs.web.pages.traceback import pieces
from tests.unit.job_rows import alice, bob, make_job, olga, run_hash, users  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("storage")]
TRACEBACK = """Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/celery/app/trace.py", line 453, in trace_task
    R = fun(*args)
  File "/venv/lib/python3.11/site-packages/celery/app/trace.py", line 736, in __call__
    return self.run()
  File "/app/kinds/shop.py", line 8, in run
    connect()
OSError: [Errno 5] gone"""


def get(client, user, job, tab="", suffix=""):
    client.force_login(user)
    return client.get(f"/jobs/{job.id}/{suffix}", {"tab": tab} if tab else {})


def text(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def save(job, name, content=b"bytes", content_type="text/plain", **more):
    path = Artifact.storage().save(name, ContentFile(content))
    return Artifact.objects.create(job=job, name=name, content_type=content_type, size=len(content), path=path, **more)


def body(answer):
    return b"".join(answer.streaming_content)


@pytest.mark.parametrize("suffix", ["", "live", "outputs.zip", "artifacts/"])
def test_a_job_is_nobodys_business_but_its_owners_and_operators(client, alice, bob, olga, suffix):  # noqa: F811
    job = make_job("Secret title", owner=alice)
    file = save(job, "out.txt", attempt=1)
    suffix += file.id if suffix == "artifacts/" else ""
    for user, status in ((alice, 200), (olga, 200), (bob, 404)):
        answer = get(client, user, job, suffix=suffix)
        assert answer.status_code == status
        assert status == 200 or "Secret title" not in answer.content.decode()
    client.logout()
    assert client.get(f"/jobs/{job.id}/{suffix}").url.startswith("/login")


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_actions_are_refused_to_others(client, alice, bob, action):  # noqa: F811
    job = make_job(owner=alice, state="PENDING" if action == "cancel" else "FAILURE")
    client.force_login(bob)
    assert client.post(f"/jobs/{job.id}/{action}").status_code == 404
    assert client.get(f"/jobs/{job.id}/{action}").status_code == 405
    assert not AuditEntry.objects.exists()


def test_a_job_that_is_gone_is_named(client, alice):  # noqa: F811
    client.force_login(alice)
    answer = client.get("/jobs/0199f3c2/")
    assert answer.status_code == 404
    assert 'No job <span class="mono">0199f3c2</span>. Jobs are kept 30 days.' in answer.content.decode()


def test_a_running_job_shows_progress_pace_and_time_left(client, olga):  # noqa: F811
    job = make_job(
        state="STARTED", started_at=timezone.now() - timedelta(seconds=10), worker="io@web-1", max_attempts=3
    )
    run_hash(job, current=2500, total=10_000, step="sent")
    page = text(get(client, olga, job))
    assert "<title>25% Autumn newsletter</title>" in page
    for words in ("2,500 of 10,000 sent", "250/s, 30 s left", "attempt 1 of 3, io@web-1", "Cancel</button>"):
        assert words in page
    assert "Retry</button>" not in page
    assert "Autumn newsletter" in text(get(client, olga, job, suffix="live"))


def test_failed_opens_its_attempts_with_tracebacks_for_operators_only(client, alice, olga):  # noqa: F811
    job = make_job(owner=alice, state="FAILURE", error="It is gone", error_type="OSError", attempt=2)
    for number in (1, 2):
        Attempt.objects.create(
            job=job, number=number, state="RETRY" if number == 1 else "FAILURE", error_type="OSError",
            error="It is gone", traceback=TRACEBACK, worker="io@web-1",
        )  # fmt: skip
    page = text(get(client, olga, job))
    assert page.index("Attempt 2") < page.index("Attempt 1")
    assert (
        "OSError" in page
        and "kinds/shop.py:8 run" in page
        and "Retry</button>" in page
        and "Cancel</button>" not in page
    )
    page = text(get(client, alice, job))
    assert "It is gone" in page
    for hidden in ("OSError", "kinds/shop.py", "io@web-1", "Queue", "Owner"):
        assert hidden not in page


def test_frames_of_libraries_are_folded_and_ones_own_open():
    found = pieces(TRACEBACK)
    assert [(piece.frames, piece.ours) for piece in found] == [(0, True), (2, False), (1, True), (0, True)]
    assert found[1].label == "2 frames of libraries" and found[3].text == "OSError: [Errno 5] gone"
    assert pieces("") == [] and "".join(piece.text for piece in pieces("no traceback")) == "no traceback"


def test_parameters_are_masked(client, olga):  # noqa: F811
    job = make_job(params={"subject": "Hello", "password": "hunter2", "key": "encrypted:abc"})
    page = text(get(client, olga, job, "parameters"))
    assert "Hello" in page and "••••••" in page and "hunter2" not in page and "encrypted:abc" not in page


def test_results_are_tables_facts_or_json(client, olga):  # noqa: F811
    def shown(result):
        job = make_job()
        TaskResult.objects.create(task_id=job.id, status="SUCCESS", result=result)
        return text(get(client, olga, job))

    table = shown('[{"country": "Germany", "orders": 3}, {"country": "<i>"}]')
    assert '<th scope="col">country</th>' in table and "<td>Germany</td>" in table and "<td>&lt;i&gt;</td>" in table
    assert "<dt>First sent</dt><dd>2</dd>" in shown('{"first_sent": 2}')
    made = shown(
        '{"summary": "2 images", "images": [{"name": "a.png", "artifact": "0fa", "w": 4}], "zip": {"artifact": "f"}}'
    )
    assert "<p>2 images</p>" in made and "<td>a.png</td>" in made and "0fa" not in made and "zip" not in made
    assert "&quot;deep&quot;" in shown('{"a": {"deep": [1]}}')
    assert "It returned nothing." in shown("null")


def test_log_ledger_and_history_are_shown(client, alice):  # noqa: F811
    job = make_job(owner=alice)
    LogLine.objects.create(job=job, attempt=1, event="1-1", at=timezone.now(), text="Connected <ok>")
    LedgerEntry.objects.create(job=job, key="anna@example.com", state="refused", note="550", at=timezone.now())
    AuditEntry.record(alice, "submit", job=job, via="form")
    assert "Connected &lt;ok&gt;" in text(get(client, alice, job, "log"))
    assert "anna@example.com" in text(get(client, alice, job, "result"))
    assert "<td>submit</td>" in text(get(client, alice, job, "history"))


def test_reruns_are_linked_both_ways(client, olga):  # noqa: F811
    first = make_job("First")
    second = make_job("Second", rerun_of=first, ago=10)
    assert f'href="/jobs/{first.id}/"' in text(get(client, olga, second))
    assert f'href="/jobs/{second.id}/"' in text(get(client, olga, first))


def test_cancel_and_retry_from_the_page(client, alice):  # noqa: F811
    job = make_job(owner=alice, state="PENDING")
    client.force_login(alice)
    assert client.post(f"/jobs/{job.id}/cancel").url == f"/jobs/{job.id}/"
    assert Job.objects.get(id=job.id).state == "REVOKED"
    client.post(f"/jobs/{job.id}/retry")
    again = Job.objects.get(id=job.id)
    assert (again.state, again.attempt) == ("PENDING", 2)
    client.post(f"/jobs/{job.id}/retry")
    assert "Only a failed or cancelled job can be retried" in text(client.get(f"/jobs/{job.id}/"))
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "via")) == [
        ("cancel", "form"),
        ("retry", "form"),
    ]


def test_a_running_job_is_cancelling_until_its_worker_confirms(client, olga):  # noqa: F811
    job = make_job(state="STARTED", worker="io@web-1")
    run_hash(job)
    client.force_login(olga)
    client.post(f"/jobs/{job.id}/cancel")
    page = text(client.get(f"/jobs/{job.id}/"))
    assert "Cancelling</button>" in page and "until io@web-1 confirms" in page
    assert Job.objects.get(id=job.id).state == "STARTED"


def test_files_are_downloads_and_only_safe_images_are_shown(client, alice):  # noqa: F811
    job = make_job(owner=alice)
    image = save(job, "a.png", b"png", "image/png", attempt=1)
    page = save(job, "a.html", b"<script>", "text/html", attempt=1)
    drawing = save(job, "a.svg", b"<svg>", "image/svg+xml", attempt=1)
    for file, inline in ((image, True), (page, False), (drawing, False)):
        answer = get(client, alice, job, suffix=f"artifacts/{file.id}?inline")
        assert answer["Content-Disposition"].startswith("inline" if inline else "attachment")
        assert answer["X-Content-Type-Options"] == "nosniff" and "sandbox" in answer["Content-Security-Policy"]
        body(answer)
    plain = get(client, alice, job, suffix=f"artifacts/{image.id}")
    assert plain["Content-Disposition"] == 'attachment; filename="a.png"' and body(plain) == b"png"
    shown = text(get(client, alice, job))
    assert f"/artifacts/{image.id}?inline" in shown and f"/artifacts/{page.id}?inline" not in shown


def test_a_file_of_another_job_is_not_reached_through_ones_own(client, alice, bob):  # noqa: F811
    mine, other = make_job(owner=alice), make_job(owner=bob)
    file = save(other, "secret.txt")
    assert get(client, alice, mine, suffix=f"artifacts/{file.id}").status_code == 404


def test_all_outputs_come_as_one_zip_of_the_last_attempt(client, alice):  # noqa: F811
    job = make_job("Fotos für München", owner=alice)
    save(job, "in.csv", b"input", is_input=True)
    save(job, "a.txt", b"old", attempt=1)
    save(job, "a.txt", b"new" * 200_000, attempt=2)
    save(job, "../b.txt".replace("../", ""), b"b", attempt=2)
    answer = get(client, alice, job, suffix="outputs.zip")
    assert answer.streaming
    with zipfile.ZipFile(io.BytesIO(body(answer))) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["a.txt", "b.txt"] and archive.read("a.txt") == b"new" * 200_000


@pytest.mark.parametrize("title", ["🎉", "???", "..", "***"])
def test_the_zip_of_a_job_without_a_letter_in_its_label_has_a_name(client, alice, title):  # noqa: F811
    job = make_job(title, owner=alice)
    save(job, "a.txt", b"a")
    assert get(client, alice, job, suffix="outputs.zip")["Content-Disposition"] == 'attachment; filename="files.zip"'


def test_a_foreign_task_with_an_odd_id_has_its_page(client, olga):  # noqa: F811
    job = make_job("shop.tasks.index", kind="shop.tasks.index", is_kind=False, id="orders/2026 #1?")
    client.force_login(olga)
    page = text(client.get(job.get_absolute_url()))
    assert "shop.tasks.index" in page and "Edit and rerun" not in page
    assert "shop.tasks.index" in text(client.get("/jobs/"))


def test_the_page_costs_a_fixed_number_of_statements(client, olga):  # noqa: F811
    def cost(job):
        get(client, olga, job, "log")
        with CaptureQueriesContext(connection) as queries:
            get(client, olga, job, "log")
        return len(queries)

    small, large = make_job(state="FAILURE"), make_job(state="FAILURE")
    for number in range(1, 20):
        Attempt.objects.create(job=large, number=number, state="RETRY")
        LogLine.objects.create(job=large, attempt=number, event=f"1-{number}", at=timezone.now(), text="line")
        make_job(rerun_of=large, ago=number)
    assert cost(small) == cost(large) <= 17
