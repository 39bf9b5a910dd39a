"""The kinds as programs use them: over REST with a token, by real workers, against real SMTP."""

import csv
import io
import random
import zipfile
from collections import Counter

import httpx
from PIL import Image

from jobs.models import ApiToken, Job, Mail
from jobs.wire import events, keys
from tests.system.rest import artifacts, attempts, finish, follow, recorded, submit
from tests.system.stack import wait_for


def mail_of(job):
    return list(Mail.objects.filter(job_id=job["id"]).order_by("pk"))


def recipients_of(job):
    return sorted(address for mail in mail_of(job) for address in mail.recipients.splitlines())


def progress_of(stack, job):
    """All that its worker told of how far it is; polls see what is left of that when they come."""
    entries = [(id, fields["e"]) for id, fields in stack.redis().xrange(keys.EVENTS) if job["id"] in fields["e"]]
    told = [events.decode(id, text) for id, text in entries]
    return [event.fields["p"] for event in told if event.job == job["id"] and event.type == events.PROGRESS]


def photo(width=4000, height=3000):
    """A picture with smooth parts and fine detail, as cameras make them."""
    coarse = Image.frombytes("RGB", (40, 30), random.Random(1).randbytes(40 * 30 * 3))
    file = io.BytesIO()
    coarse.resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def small(colour):
    file = io.BytesIO()
    Image.new("RGB", (200, 100), colour).save(file, "PNG")
    return file.getvalue()


def orders(rows):
    """A CSV, and the sum of the amounts by region [cents]."""
    draw, sums, file = random.Random(5), Counter(), io.StringIO()
    write = csv.writer(file).writerow
    write(["placed", "region", "amount"])
    for number in range(rows):
        region, cents = draw.choice(["North", "South", "Über"]), draw.randrange(100, 100_000)
        sums[region] += cents
        write([f"2025-{number % 12 + 1:02}-{number % 28 + 1:02}", region, f"{cents / 100:.2f}"])
    return file.getvalue().encode(), sums


class TestEmail:
    def test_a_message_reaches_both_its_recipients(self, stack, api):
        job = finish(
            api, "email", to=["ada@example.org", "Grace <grace@example.org>"], subject="Minutes", text="Here they are."
        )
        assert job["state"] == "SUCCESS" and job["result"]["sent"] == 2
        assert recipients_of(job) == ["ada@example.org", "grace@example.org"]
        assert b"Here they are." in bytes(mail_of(job)[0].source)

    def test_a_list_as_excel_writes_it_becomes_a_message_for_each_row(self, stack, api):
        table = (
            "E-Mail;Vorname;Ort\r\njörg@example.org;Jörg;Köln\r\nzoe@example.org;;Münster\r\nzoe@example.org;Zoë;\r\n"
        )
        table = table.replace("jörg@", "joerg@")
        job = finish(
            api, "email", files={"recipients": ("liste.csv", table.encode("cp1252"))},
            subject="Grüße nach {{ Ort }}", text="Liebe/r {{ Vorname|Kunde }}!",
        )  # fmt: skip
        assert job["state"] == "SUCCESS"
        assert (job["result"]["sent"], job["result"]["skipped"]) == (2, 1)
        mails = {mail.recipients: mail for mail in mail_of(job)}
        assert {to: mail.subject for to, mail in mails.items()} == {
            "joerg@example.org": "Grüße nach Köln", "zoe@example.org": "Grüße nach Münster",
        }  # fmt: skip
        assert "Liebe/r Jörg!" in body_of(mails["joerg@example.org"])
        assert "Liebe/r Kunde!" in body_of(mails["zoe@example.org"])

    def test_a_refused_recipient_is_told_and_the_others_get_theirs(self, stack, api):
        job = finish(api, "email", to=["a@example.org", "refused@example.org"], subject="S", text="T")
        assert job["state"] == "SUCCESS"
        assert (job["result"]["sent"], job["result"]["refused"]) == (1, 1)
        assert "550" in job["result"]["first_refused"][0]["reason"]
        assert recipients_of(job) == ["a@example.org"]

    def test_where_all_are_refused_the_job_fails_with_the_servers_answer(self, stack, api):
        job = finish(api, "email", to=["refused@example.org"], subject="S", text="T")
        assert job["state"] == "FAILURE" and job["attempt"] == 1
        assert "550 5.1.1" in job["error"]["message"]

    def test_one_put_off_is_tried_again_alone_and_each_attempt_keeps_its_error(self, stack, api):
        job = submit(api, "email", to=["b@example.org", "later@example.org"], subject="S", text="T")
        # The state is Redis' word at once; the error is there when SQL has it.
        wait_for(lambda: len(told := attempts(api, job)) >= 2 and told[1]["error"], 40, "two attempts")
        first, second, *_ = attempts(api, job)
        for attempt in (first, second):
            assert attempt["state"] == "RETRY"
            assert "450" in attempt["error"]["message"] and "1 of 2 not sent" in attempt["error"]["message"]
            assert attempt["next_retry_at"] > attempt["finished_at"]
        assert recipients_of(job) == ["b@example.org"]
        assert api.post(f"jobs/{job['id']}/cancel").status_code == 202
        assert follow(api, job)[-1]["state"] == "REVOKED"

    def test_mail_waits_for_a_server_that_is_away_and_goes_out_once_it_is_back(self, stack, api):
        stack.kill("mail", 15)
        job = submit(api, "email", to=["c@example.org"], subject="S", text="T")
        wait_for(lambda: [a["state"] for a in attempts(api, job)][:1] == ["RETRY"], 30, "the first attempt to fail")
        stack.start("mail")
        end = follow(api, job)[-1]
        assert end["state"] == "SUCCESS" and end["attempt"] > 1
        assert "cannot be reached" in attempts(api, job)[0]["error"]["message"]
        assert recipients_of(job) == ["c@example.org"]

    def test_a_paused_mailing_stands_still_and_leaves_out_who_is_suppressed_meanwhile(self, stack, api):
        job = self.paused(api, "pause")
        before = recipients_of(job)
        stack.manage("suppress", "pause29@example.org", "--reason", "unsubscribed")
        assert recipients_of(job) == before
        assert api.post(f"jobs/{job['id']}/resume").status_code == 202
        end = follow(api, job)[-1]
        assert end["state"] == "SUCCESS" and end["attempt"] == 1
        assert (end["result"]["sent"], end["result"]["left_out"]) == (29, 1)
        assert end["result"]["first_left_out"][0]["row"] == 31
        assert recipients_of(job) == sorted(f"pause{n}@example.org" for n in range(29))

    def test_the_rest_of_a_cancelled_mailing_goes_to_the_unsent_alone(self, stack, api):
        job = self.paused(api, "rest")
        assert api.post(f"jobs/{job['id']}/cancel").status_code == 202
        assert follow(api, job)[-1]["state"] == "REVOKED"
        recorded(api, job)
        rest = api.post(f"jobs/{job['id']}/rerun", json={"only": "unsent"}).json()
        assert api.post(f"jobs/{job['id']}/rerun", json={"only": "unsent"}).json()["id"] == rest["id"]
        assert follow(api, rest)[-1]["state"] == "SUCCESS"
        got = Counter(recipients_of(job) + recipients_of(rest))
        assert 0 < len(recipients_of(job)) < 30 and got == Counter(f"rest{n}@example.org" for n in range(30))

    def paused(self, api, name):
        """A mailing to thirty that was paused while it ran, once its worker stands still."""
        table = "email\n" + "".join(f"{name}{n}@example.org\n" for n in range(30))
        job = submit(api, "email", files={"recipients": ("all.csv", table)}, subject="S", text="T", per_second="6")
        wait_for(lambda: len(mail_of(job)) > 2, 30, "the first messages")
        assert api.post(f"jobs/{job['id']}/pause").status_code == 202

        def stands_still():
            found = api.get(f"jobs/{job['id']}").json()
            return found["paused"] and found["progress"]["step"] == "paused"

        wait_for(stands_still, 10, "the worker to stand still")
        return job

    def test_a_worker_killed_in_the_middle_sends_nobody_twice(self, stack, api):
        count = 1500
        table = "email,name\n" + "".join(f"r{n}@example.org,N{n}\n" for n in range(count))
        file = {"recipients": ("all.csv", table)}
        for _ in range(3):  # on a machine that pauses it may be done before it is killed
            job = submit(api, "email", files=file, subject="For {{ name }}", text="Dear {{ name }}.")
            sent = Mail.objects.filter(job_id=job["id"])
            wait_for(lambda sent=sent: sent.count() > 40, 30, "the first messages")
            stack.kill("io")
            in_the_middle = sent.count() < count
            stack.start("io")
            if in_the_middle:
                break
        assert in_the_middle, "each time it was done before it was killed"
        end = follow(api, job, 150)[-1]
        assert end["state"] == "SUCCESS", end["error"]
        assert [attempt["state"] for attempt in attempts(api, job)] == ["LOST", "SUCCESS"]
        got = Counter(recipients_of(job))
        assert max(got.values()) == 1
        # At most the one that was on its way is not known of, and that is said.
        unknown = end["result"]["unknown"]
        assert unknown <= 1 and end["result"]["sent"] == count - unknown
        assert len(got) >= count - unknown


def body_of(mail):
    from email import message_from_bytes, policy

    return message_from_bytes(bytes(mail.source), policy=policy.default).get_body(("plain",)).get_content()


class TestImage:
    def test_a_photograph_is_seen_through_to_a_smaller_webp(self, stack, api):
        job = submit(
            api, "image", files={"images": ("photo.jpg", photo())},
            format="webp", resize="fit", width="1024", height="1024",
        )  # fmt: skip
        assert job["state"] == "PENDING"
        seen = follow(api, job)
        assert [state["state"] for state in seen[:1]] == ["PENDING"] and seen[-1]["state"] == "SUCCESS"
        moving = progress_of(stack, job)
        assert moving and all(0 <= p["current"] <= p["total"] for p in moving)
        made = artifacts(api, job)
        (name,) = made
        image = Image.open(io.BytesIO(made[name]))
        assert name.endswith(".webp") and (image.format, image.size) == ("WEBP", (1024, 768))

    def test_images_and_a_zip_come_back_one_by_one_and_together(self, stack, api):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("inside/blue.png", small("blue"))
            archive.writestr("inside/white.png", small("white"))
        job = finish(
            api, "image", format="jpeg", width="50",
            files=[("images", ("red.png", small("red"))), ("images", ("green.png", small("green"))),
                   ("images", ("more.zip", packed.getvalue()))],
        )  # fmt: skip
        assert job["state"] == "SUCCESS", job["error"]
        made = artifacts(api, job)
        bundle = zipfile.ZipFile(io.BytesIO(made.pop("images.zip")))
        assert len(made) == 4 and set(bundle.namelist()) == set(made)
        for name, content in made.items():
            image = Image.open(io.BytesIO(content))
            assert (image.format, image.size) == ("JPEG", (50, 25)), name
            assert bundle.read(name) == content

    def test_a_damaged_image_fails_alone_and_is_named(self, stack, api):
        job = finish(
            api, "image", format="webp",
            files=[("images", ("good.png", small("red"))), ("images", ("torn.jpg", photo(800, 600)[:9000]))],
        )  # fmt: skip
        assert job["state"] == "SUCCESS"
        assert [image["input"] for image in job["result"]["images"]] == ["good.png"]
        (error,) = job["result"]["errors"]
        assert error["input"] == "torn.jpg" and error["error"]

    def test_a_job_of_nothing_but_a_damaged_image_fails_with_its_name(self, stack, api):
        job = finish(api, "image", format="webp", files={"images": ("torn.jpg", photo(800, 600)[:9000])})
        assert job["state"] == "FAILURE" and job["attempt"] == 1
        assert "torn.jpg" in job["error"]["message"]


class TestReport:
    def test_a_hundred_thousand_rows_become_a_pdf_and_a_workbook(self, stack, api):
        import polars

        table, sums = orders(100_000)
        job = submit(
            api, "report", files={"table": ("orders.csv", table)},
            params='{"group_by": "region", "measure": "amount", "measures": ["count", "sum"], "bucket": "month",'
            ' "formats": ["pdf", "xlsx"]}',
        )  # fmt: skip
        end = follow(api, job, 120)[-1]
        assert end["state"] == "SUCCESS", end["error"]
        assert end["result"]["rows"] == 100_000
        assert progress_of(stack, job)
        files = artifacts(api, job)
        (pdf,) = [content for name, content in files.items() if name.endswith(".pdf")]
        (xlsx,) = [content for name, content in files.items() if name.endswith(".xlsx")]
        assert pdf.startswith(b"%PDF-") and b"%%EOF" in pdf[-1024:] and len(pdf) > 10_000
        sheet = polars.read_excel(io.BytesIO(xlsx), sheet_name="Groups over all time")
        totals = {row[0]: round(row[-1] * 100) for row in sheet.rows()}
        assert totals == dict(sums)

    def test_a_damaged_table_fails_with_the_line(self, stack, api):
        table = "region,amount\n" + "North,1\n" * 2000 + "South,1,2,3\n"
        job = finish(api, "report", files={"table": ("ragged.csv", table)}, formats="csv")
        assert job["state"] == "FAILURE"
        assert "2,002" in job["error"]["message"] or "2002" in job["error"]["message"], job["error"]

    def test_the_job_history_of_its_owner_alone(self, stack):
        from django.contrib.auth.models import User

        carol = User.objects.create_user("carol")
        _, token = ApiToken.make(carol, "test")
        with stack.api(token) as api:
            ended = [finish(api, "add", x=n, y=1) for n in range(3)]
            job = finish(api, "report", source="jobs", formats=["csv"], group_by="kind", measures=["count"])
            assert job["state"] == "SUCCESS", job["error"]
            (content,) = artifacts(api, job).values()
        rows = dict(list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))[1:])
        # The report is a job of hers as well.
        assert rows == {"add": str(len(ended)), "report": "1"}
        assert Job.objects.filter(owner=carol).count() == 4


def test_a_form_names_every_bad_field(stack, api):
    answer: httpx.Response = api.post(
        "jobs", json={"kind": "email", "params": {"to": "no address", "subject": "two\nlines", "text": ""}}
    )
    assert answer.status_code == 422
    assert set(answer.json()["errors"]) == {"params.to", "params.subject", "params.text"}
