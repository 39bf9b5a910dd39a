"""The suppression list: kept by operators, copied for workers, followed by every mailing."""

import csv
import io
import threading

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils.datastructures import MultiValueDict

from jobs.core.errors import Refused
from jobs.keeper import suppression as copy
from jobs.kinds._email import suppression
from jobs.kinds._email.book import TemporaryFailure
from jobs.kinds.email import SendEmail
from jobs.models import AuditEntry, Suppression
from jobs.submit.validate import bind, cleaned
from jobs.wire import keys
from jobs.wire.connection import redis_client
from tests.unit.contexts import RecordingContext
from tests.unit.job_rows import alice, bob, olga, users  # noqa: F401
from tests.unit.test_email_kind import (  # noqa: F401
    PEOPLE,
    ctx,
    mail_settings,
    params_of,
    run,
    server,
    states,
    suppression_list,
)

pytestmark = pytest.mark.django_db
BOB = "b@example.com is on the suppression list: bounced"


def in_copy():
    return {key: reason for key, reason in redis_client().hgetall(keys.SUPPRESSED).items() if key}


def data_of(file=None, **params):
    files = MultiValueDict({"recipients": [SimpleUploadedFile("people.csv", file)]}) if file is not None else None
    return cleaned(bind(SendEmail, {"subject": "Hello", "text": "Hi", **params}, files))


def refused(*args, **params):
    with pytest.raises(Refused) as caught:
        data_of(*args, **params)
    return caught.value.errors


def taken_by(server):  # noqa: F811
    return [address for envelope in server.taken for address in envelope.recipients]


def test_the_form_tells_who_is_left_out_by_row():
    suppression.add(["B@example.com"], "bounced")
    rows = dict(SendEmail.preview(data_of(PEOPLE)))
    assert rows["Sends"].startswith("2 messages") and rows["Left out"] == f"1 row: row 3 ({BOB})"
    errors = refused(PEOPLE, unusable_rows="refuse")
    assert errors == {"recipients": [f"Cannot be used: 1 row: row 3 ({BOB}). Correct or leave them out."]}
    assert refused(b"email\nb@example.com\n") == {"recipients": [f"No row can be used: 1 row: row 2 ({BOB})."]}


def test_of_addresses_without_a_file_the_others_are_written_to(server, ctx):  # noqa: F811
    suppression.add(["b@example.com"], "bounced")
    given = {"to": "a@example.com, Bob <b@example.com>", "cc": "c@example.com"}
    assert dict(SendEmail.preview(data_of(**given)))["Left out"] == f"1 address: {BOB}"
    result = run(ctx, params_of(ctx, **given))
    assert (result["recipients"], result["sent"], result["left_out"]) == (2, 2, 1)
    assert result["first_left_out"] == [{"row": None, "value": "b@example.com", "reason": BOB}]
    [envelope] = server.taken
    assert sorted(envelope.recipients) == ["a@example.com", "c@example.com"]
    assert (envelope.message["To"], envelope.message["Cc"]) == ("a@example.com", "c@example.com")
    assert refused(to="b@example.com", cc="B@example.com") == {"to": [f"Nobody is left to write to. 1 address: {BOB}."]}


def test_a_row_is_left_out_and_told_in_result_and_dry_run(server, ctx):  # noqa: F811
    suppression.add(["b@example.com"], "bounced")
    params = params_of(ctx, PEOPLE)
    dry = run(ctx, {**params, "dry_run": True})
    result = run(ctx, params)
    for told, recipients in ((dry, 2), (result, 2)):
        assert (told["recipients"], told["left_out"]) == (recipients, 1)
        assert told["first_left_out"] == [{"row": 3, "value": "b@example.com", "reason": BOB}]
    assert result["summary"] == "2 sent, 1 left out."
    assert taken_by(server) == ["a@example.com", "c@example.com"]
    assert ctx.reports[-1] == (2, 2, "sent")


def test_a_list_that_changes_while_the_mailing_runs_is_followed(server, tmp_path):  # noqa: F811
    class Changing(RecordingContext):
        def progress(self, current, total, step=""):
            super().progress(current, total, step)
            if current == 1:
                redis_client().hset(keys.SUPPRESSED, "b@example.com", "bounced")

    ctx = Changing(tmp_path)  # noqa: F811
    rows = PEOPLE + b"".join(b"x%d@example.com,\n" % number for number in range(30))
    result = run(ctx, params_of(ctx, rows))
    assert (result["sent"], result["left_out"], result["recipients"]) == (32, 1, 32)
    assert "b@example.com" not in taken_by(server) and "b@example.com" not in states(ctx)
    told = list(csv.DictReader(io.StringIO(ctx.saved["recipients.csv"].read_text("utf-8-sig"))))
    [out] = [line for line in told if line["recipient"] == "b@example.com"]
    assert (out["outcome"], out["answer"], out["row"]) == ("left out", BOB, "3")


def test_who_was_put_off_and_is_on_the_list_by_now_gets_nothing(server, ctx, tmp_path):  # noqa: F811
    server.rcpt = {"b@example.com": ["451 later"]}
    params = params_of(ctx, PEOPLE)
    with pytest.raises(TemporaryFailure):
        run(ctx, params)
    suppression.add(["b@example.com", "a@example.com"], "bounced")
    again = RecordingContext(tmp_path, attempt=2, max_attempts=7, ledger=ctx.ledger)
    result = run(again, params)
    # What was sent before stays sent.
    assert (result["sent"], result["left_out"]) == (2, 1)
    assert states(ctx)["b@example.com"] == "suppressed"
    assert taken_by(server) == ["a@example.com", "c@example.com"]


def test_a_mailing_to_nobody_but_the_suppressed_ends_well(server, ctx):  # noqa: F811
    params = params_of(ctx, b"email\nb@example.com\n")
    suppression.add(["b@example.com"], "")
    assert run(ctx, params)["summary"] == "0 sent, 1 left out."
    assert not server.taken


def test_without_a_copy_of_the_list_nothing_is_sent(server, ctx, monkeypatch):  # noqa: F811
    redis_client().delete(keys.SUPPRESSED)
    suppression.add(["b@example.com"], "bounced")  # changes what is no whole copy
    params = params_of(ctx, PEOPLE)
    monkeypatch.setattr(suppression, "WAITS", 0.2)
    with pytest.raises(TemporaryFailure, match="suppression list cannot be read: the keeper has not copied it"):
        run(ctx, params)
    assert not server.taken


def test_a_mailing_waits_for_the_copy(server, ctx):  # noqa: F811
    redis_client().delete(keys.SUPPRESSED)
    params = params_of(ctx, PEOPLE)
    threading.Timer(0.3, lambda: redis_client().hset(keys.SUPPRESSED, keys.COMPLETE, "0:None")).start()
    assert run(ctx, params)["sent"] == 3


def test_a_change_is_in_the_copy_at_once():
    assert suppression.add(["B@example.com", "c@example.com", "b@Example.com"], "bounced") == 2
    assert suppression.add(["b@example.com"], "again") == 0
    assert in_copy() == {"b@example.com": "bounced", "c@example.com": "bounced"}
    assert suppression.remove(["C@example.com", "d@example.com"]) == 1
    assert in_copy() == {"b@example.com": "bounced"}
    assert [(entry.action, entry.target) for entry in AuditEntry.objects.order_by("pk")] == [
        ("suppress", "2 addresses"),
        ("end suppression", "c@example.com"),
    ]


def test_the_keeper_makes_good_what_the_copy_lacks():
    assert copy.step() is False
    Suppression.objects.create(address="a@example.com", reason="past the page")
    assert copy.step() is True and in_copy() == {"a@example.com": "past the page"}
    Suppression.objects.bulk_create(Suppression(address=f"x{number}@example.com") for number in range(2500))
    redis_client().hdel(keys.SUPPRESSED, "a@example.com")
    assert copy.step() is True and len(in_copy()) == 2501
    Suppression.objects.filter(address__startswith="x").delete()
    assert copy.step() is True and list(in_copy()) == ["a@example.com"]
    redis_client().flushall()
    assert copy.step() is True and list(in_copy()) == ["a@example.com"]
    assert copy.step() is False


def test_the_page_is_the_operators(client, alice, olga):  # noqa: F811
    client.force_login(alice)
    assert client.get("/suppression-list").status_code == 404
    client.force_login(olga)
    assert "Nobody is on the list." in client.get("/suppression-list").content.decode()


def test_addresses_are_pasted_found_and_removed(client, olga):  # noqa: F811
    client.force_login(olga)
    pasted = {"addresses": "Nina <Nina@Example.com>\r\nbob@example.com; nina@example.com\n", "reason": "unsubscribed"}
    page = client.post("/suppression-list", pasted, follow=True).content.decode()
    assert "2 addresses added." in page
    assert "nina@example.com" in page and "unsubscribed" in page and "olga" in page
    page = client.post("/suppression-list", pasted, follow=True).content.decode()
    assert "0 addresses added. 2 stood on the list already." in page
    page = client.get("/suppression-list", {"q": "NINA"}).content.decode()
    assert "nina@example.com" in page and "bob@example.com" not in page
    row = Suppression.objects.get(address="bob@example.com")
    assert row.added_by == olga
    client.post(f"/suppression-list/{row.pk}/remove")
    assert list(in_copy()) == ["nina@example.com"]


def test_what_is_no_address_is_named_and_nothing_is_added(client, olga):  # noqa: F811
    client.force_login(olga)
    answer = client.post("/suppression-list", {"addresses": "nina@example.com\n" + "nobody\n" * 12})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "&#x27;nobody&#x27; is not an address" in page and "And 2 more." in page
    assert not Suppression.objects.exists()


def test_the_list_has_pages(client, olga):  # noqa: F811
    client.force_login(olga)
    suppression.add([f"x{number:03}@example.com" for number in range(120)], "")
    first = client.get("/suppression-list").content.decode()
    assert "x119@" in first and "x069@" not in first
    last = client.get("/suppression-list", {"before": Suppression.objects.get(address="x020@example.com").pk})
    assert "x019@" in last.content.decode() and "Older" not in last.content.decode()


def test_the_command_adds_and_removes(capsys, monkeypatch):
    call_command("suppress", "nina@example.com", "bob@example.com", reason="bounced")
    monkeypatch.setattr("sys.stdin", io.StringIO("Bob <BOB@example.com>\nnew@example.com\n"))
    call_command("suppress")
    call_command("suppress", "nina@example.com", remove=True)
    assert capsys.readouterr().out.splitlines() == ["2 of 2 added.", "1 of 2 added.", "1 of 1 removed."]
    assert set(Suppression.objects.values_list("address", "reason")) == {
        ("bob@example.com", "bounced"),
        ("new@example.com", ""),
    }
    with pytest.raises(CommandError, match="'nobody' is not an address"):
        call_command("suppress", "nobody")


def test_a_long_list_costs_a_form_few_queries(django_assert_max_num_queries):
    suppression.add([f"x{number}@example.com" for number in range(3000)], "")
    rows = b"".join(b"x%d@example.com\n" % number for number in range(0, 20_000, 2))
    with django_assert_max_num_queries(50):
        assert dict(SendEmail.preview(data_of(b"email\n" + rows)))["Sends"].startswith("8,500 messages")
