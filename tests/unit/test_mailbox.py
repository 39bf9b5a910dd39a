"""The test mailbox: a real SMTP conversation in, the pages out."""

import os
import signal
import smtplib
import socket
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.urls import reverse

from jobs.mailbox import store
from jobs.mailbox.reading import read
from jobs.mailbox.server import MAX_SIZE, Catcher
from jobs.models import Job, Mail
from tests.unit.smtp_servers import in_thread


@pytest.fixture
def smtp(transactional_db):
    """A client of the test mailbox's own server, which writes into the test's database."""
    catcher = Catcher()
    with in_thread(catcher, data_size_limit=MAX_SIZE) as port, smtplib.SMTP("127.0.0.1", port) as client:
        yield client
    catcher.writer.submit(connections.close_all).result(10)
    catcher.writer.shutdown()


def message(**headers: str) -> EmailMessage:
    made = EmailMessage()
    for name, value in {"subject": "Hello", "from": "shop@example.com", "to": "a@example.com", **headers}.items():
        made[name.replace("_", "-")] = value
    made.set_content("Hi Ann")
    return made


def kept(**given) -> Mail:
    source = given.pop("source", None) or message(subject=given.get("subject", "Hello")).as_bytes()
    return Mail.objects.create(**{"sender": "shop@example.com", "recipients": "a@example.com", **given}, source=source)


# --- the server -------------------------------------------------------------------------------------


def test_a_message_is_kept_as_it_came(smtp):
    made = message(subject="Grüße aus Köln", message_id="<1@example.com>", x_jobsite_job="0199")
    smtp.send_message(made, to_addrs=["a@example.com", "b@example.com"])
    mail = Mail.objects.get()
    assert (mail.sender, mail.recipients) == ("shop@example.com", "a@example.com\nb@example.com")
    assert (mail.subject, mail.message_id, mail.job_id) == ("Grüße aus Köln", "1@example.com", "0199")
    assert bytes(mail.source).replace(b"\r\n", b"\n") == made.as_bytes().replace(b"\r\n", b"\n")


def test_eight_bit_and_utf8_addresses_are_taken(smtp):
    smtp.sendmail(
        "jörg@example.com", ["müller@example.com"], "Subject: ä\r\n\r\nö\r\n".encode(), ["SMTPUTF8", "BODY=8BITMIME"]
    )
    mail = Mail.objects.get()
    assert (mail.sender, mail.recipients) == ("jörg@example.com", "müller@example.com")
    assert "ö".encode() in bytes(mail.source)


def test_addresses_to_try_failures_with(smtp):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        smtp.sendmail("shop@example.com", ["Refused@example.com", "later@example.org"], b"Subject: x\r\n\r\n")
    codes = {address: answer[0] for address, answer in caught.value.recipients.items()}
    assert codes == {"Refused@example.com": 550, "later@example.org": 450}
    assert not Mail.objects.exists()


def test_a_message_over_the_limit_is_refused_and_the_next_one_taken(smtp):
    with pytest.raises(smtplib.SMTPSenderRefused) as caught:
        smtp.sendmail("shop@example.com", ["a@example.com"], b"x" * (MAX_SIZE + 1))
    assert caught.value.smtp_code == 552
    smtp.send_message(message())
    assert Mail.objects.count() == 1


@pytest.mark.parametrize("source", [b"", b"no header at all", b"Subject: =?bad?Q?x\x00?=\r\nFrom: <<>\r\n\r\n\xff\x00"])
def test_broken_messages_are_kept_too(smtp, source, client):
    smtp.sendmail("shop@example.com", ["a@example.com"], source)
    mail = Mail.objects.get()
    assert "\x00" not in mail.subject
    client.force_login(User.objects.create_user("alice", is_staff=True))
    assert client.get(reverse("mail", args=[mail.pk])).status_code == 200


def test_only_the_newest_are_kept(db, monkeypatch):
    monkeypatch.setattr(store, "KEPT", 3)
    for number in range(5):
        store.keep("shop@example.com", ["a@example.com"], message(subject=str(number)).as_bytes())
    assert list(Mail.objects.order_by("pk").values_list("subject", flat=True)) == ["2", "3", "4"]


def test_the_command_keeps_its_port_and_stops_when_told(tmp_path):
    environment = {**os.environ, "VAR_DIR": str(tmp_path)}
    root = Path(__file__).parents[2]
    manage = [sys.executable, str(root / "manage.py")]
    subprocess.run([*manage, "migrate", "-v0"], env=environment, check=True, timeout=120)
    ports = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
        process = subprocess.Popen([*manage, "mailcatcher"], env=environment, stderr=subprocess.PIPE, text=True)
        try:
            line = next(line for line in process.stderr if "listens on" in line)
            url = (tmp_path / "smtp.url").read_text().strip()
            assert line.strip().endswith(url)
            ports.append(urlsplit(url).port)
            with smtplib.SMTP("127.0.0.1", ports[-1]) as client:
                client.send_message(message())
            process.send_signal(number)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.stderr.close()
        if ports[-1] in ports[:-1]:
            break  # else another program took it meanwhile
    assert ports[-1] in ports[:-1]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = subprocess.run(
            [*manage, "mailcatcher", f"--port={port}"], env=environment, capture_output=True, text=True, timeout=60
        )
    assert answer.returncode == 1
    assert f"cannot listen on 127.0.0.1, port {port}" in answer.stderr


# --- the pages --------------------------------------------------------------------------------------


@pytest.fixture
def operator(client, db):
    client.force_login(User.objects.create_user("alice", is_staff=True))
    return client


def test_the_list_shows_the_newest_first_and_searches(operator):
    kept(subject="First", recipients="ann@example.com")
    kept(subject="Second <b>", recipients="\n".join(f"p{n}@example.com" for n in range(5)))
    page = operator.get(reverse("mailbox")).content.decode()
    assert page.index("Second &lt;b&gt;") < page.index("First")
    assert "p0@example.com, p1@example.com, p2@example.com and 2 more" in page
    assert "Nothing here left this machine" in page
    assert "refused@…" in page
    found = operator.get(reverse("mailbox"), {"q": "ANN first"}).content.decode()
    assert "First" in found
    assert "Second" not in found
    assert "No mail holds “nothing”" in operator.get(reverse("mailbox"), {"q": "nothing"}).content.decode()


def test_an_open_list_asks_only_for_what_is_new(operator):
    address = reverse("mailbox")
    assert "No mail yet." in operator.get(address).content.decode()
    assert operator.get(address, {"newest": 0}).status_code == 204
    mail = kept()
    rows = operator.get(address, {"newest": 0}, headers={"HX-Request": "true"})
    assert rows.status_code == 200
    assert b"<html" not in rows.content
    assert f"newest={mail.pk}" in rows.content.decode()
    assert operator.get(address, {"newest": mail.pk}).status_code == 204


def test_older_mail_is_a_page_further(operator):
    for number in range(60):
        kept(subject=f"No {number:02}.")
    first = operator.get(reverse("mailbox")).content.decode()
    assert "No 59." in first
    assert "No 10." in first
    assert "No 09." not in first
    older = operator.get(reverse("mailbox"), {"before": Mail.objects.get(subject="No 10.").pk}).content.decode()
    assert "No 09." in older
    assert "No 10." not in older
    assert "hx-get" not in older
    assert operator.get(reverse("mailbox"), {"before": "x' OR 1"}).status_code == 200


def test_the_lists_queries_do_not_grow(operator, django_assert_max_num_queries):
    jobs = [Job.objects.create(kind="email", title=f"Job {n}", queue="io") for n in range(30)]
    for job in jobs:
        kept(job_id=job.id)
    with django_assert_max_num_queries(6):
        operator.get(reverse("mailbox"), {"newest": 0}, headers={"HX-Request": "true"})


def test_a_message_is_read_in_parts(operator):
    made = message(subject="Report")
    made.add_alternative('<p>Hi <script>x</script><img src="cid:logo@x"></p>', subtype="html")
    made.get_payload()[1].add_related(b"\x89PNG", "image", "png", cid="<logo@x>")
    made.add_attachment(b"a;b\r\n", maintype="text", subtype="csv", filename='rows "1".csv')
    mail = kept(source=made.as_bytes())
    here = reverse("mail", args=[mail.pk])
    assert "Hi Ann" in operator.get(here).content.decode()
    page = operator.get(here, {"view": "html"}).content.decode()
    assert f'sandbox src="{reverse("mail-html", args=[mail.pk])}"' in page
    assert "<script>x" not in page
    assert "subject: Report" in operator.get(here, {"view": "source"}).content.decode()

    html = operator.get(reverse("mail-html", args=[mail.pk]))
    assert "data:image/png;base64,iVBORw==" in html.content.decode()
    policy = html["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'; img-src data: cid:; style-src 'unsafe-inline'")

    source = operator.get(reverse("mail-source", args=[mail.pk]))
    assert source.content == bytes(mail.source)
    assert "attachment" in source["Content-Disposition"]

    names = [file.name for file in read(made.as_bytes()).attachments]
    assert names == ["part-1", 'rows "1".csv']
    file = operator.get(reverse("mail-attachment", args=[mail.pk, 1]))
    assert file.content == b"a;b\r\n"
    assert file["Content-Disposition"] == 'attachment; filename="rows \\"1\\".csv"'
    assert (file["Content-Type"], file["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")
    assert operator.get(reverse("mail-attachment", args=[mail.pk, 2])).status_code == 404


def test_submitters_see_the_mail_of_their_own_jobs(client, db):
    bob, charlie = (User.objects.create_user(name) for name in ("bob", "charlie"))
    ids = [Job.objects.create(kind="email", title="Mail", queue="io", owner=owner).id for owner in (bob, charlie)]
    mine, other = kept(job_id=ids[0], subject="For bob"), kept(job_id=ids[1], subject="For charlie")
    nobodys = kept(subject="No job")
    client.force_login(bob)
    page = client.get(reverse("mailbox")).content.decode()
    assert "For bob" in page
    assert "For charlie" not in page
    assert "No job" not in page
    assert client.get(reverse("mail", args=[mine.pk])).status_code == 200
    for mail in (other, nobodys):
        for name in ("mail", "mail-html", "mail-source"):
            assert client.get(reverse(name, args=[mail.pk])).status_code == 404
        assert client.get(reverse("mail-attachment", args=[mail.pk, 0])).status_code == 404


def test_the_mailbox_is_for_those_who_are_signed_in(client, db):
    assert client.get(reverse("mailbox")).status_code == 302


def test_there_is_no_mailbox_where_mail_leaves(operator, settings):
    settings.EMAIL_IS_CAUGHT = False
    mail = kept()
    assert operator.get(reverse("mailbox")).status_code == 404
    assert operator.get(reverse("mail", args=[mail.pk])).status_code == 404
