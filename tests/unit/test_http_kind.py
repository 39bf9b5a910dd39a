"""The kind http: one request, its answer as the result, what is tried again and what is not."""

import datetime as dt
import json
import time
from email.utils import format_datetime

import pytest

from jobs.core.errors import Cancelled, PermanentError, Refused
from jobs.core.redaction import MASK
from jobs.kinds.http import HttpForm, SendRequest, TryAgain, retry_after
from jobs.submit.validate import bind, cleaned, to_json
from tests.services import closed_port
from tests.unit.contexts import RecordingContext
from tests.unit.web_server import WebServer


@pytest.fixture
def server(settings):
    settings.ALLOW_PRIVATE_URLS = True
    server = WebServer()
    yield server
    server.stop()


@pytest.fixture
def ctx(tmp_path):
    return RecordingContext(tmp_path)


def params(**given):
    """Parameters as a worker gets them, through the form, secrets in clear."""
    form = bind(SendRequest, given)
    data = cleaned(form)
    stored = to_json(form, data)
    assert all(stored[name].startswith("encrypted:") for name in ("authorization", "secret_header") if stored[name])
    return {**stored, **{name: data[name] for name in ("authorization", "secret_header")}}


def send(ctx, **given):
    return SendRequest().run(params(**given), ctx)


# --- what is sent, and the answer


def test_a_get_and_its_answer(server, ctx):
    url = server.route("/page", 200, "Grüße".encode(), Content_Type="text/plain; charset=utf-8", X_Kind="page")
    result = send(ctx, url=url)
    assert (result["status"], result["url"], result["body"], result["bytes"]) == (200, url, "Grüße", 7)
    assert {"header": "X-Kind", "value": "page"} in result["headers"]
    assert result["summary"].startswith("200 OK after ")
    assert 0 < result["ms"] < 5000
    assert not ctx.saved


def test_a_webhook_with_json_headers_and_secrets(server, ctx):
    url = server.route("/hook", 201)
    send(
        ctx, method="POST", url=url, body='{"order": 7}', headers="X-Source: shop\nAccept: application/json",
        authorization="Bearer abc", secret_header="X-Api-Key: k1",
    )  # fmt: skip
    method, headers, body = server.seen["/hook"][0]
    assert (method, json.loads(body)) == ("POST", {"order": 7})
    expected = {
        "Content-Type": "application/json", "X-Source": "shop", "Accept": "application/json",
        "Authorization": "Bearer abc", "X-Api-Key": "k1", "Idempotency-Key": ctx.job_id,
    }  # fmt: skip
    assert expected.items() <= headers.items()


def test_a_header_replaces_what_would_be_sent_by_itself(server, ctx):
    url = server.route("/hook", 200)
    send(ctx, method="PUT", url=url, body="<a/>", body_type="text", headers="content-type: application/xml")
    headers = server.seen["/hook"][0][1]
    assert [value for name, value in headers.items() if name.lower() == "content-type"] == ["application/xml"]
    assert "Idempotency-Key" not in headers


def test_secrets_in_the_answer_are_masked(server, ctx):
    url = server.route("/", 200, b"x", Set_Cookie="session=abc", X_Auth_Token="t")
    headers = {entry["header"]: entry["value"] for entry in send(ctx, url=url)["headers"]}
    assert headers["Set-Cookie"] == headers["X-Auth-Token"] == MASK


def test_binary_and_long_answers_are_files(server, ctx):
    url = server.route("/image", 200, b"\x89PNG\0\1", Content_Type="image/png")
    assert send(ctx, url=url)["body"] == ""
    assert ctx.saved["answer.png"].read_bytes() == b"\x89PNG\0\1"
    long = ("line ü\n" * 20_000).encode()
    result = send(ctx, url=server.route("/long", 200, long, Content_Type="text/plain"))
    assert ctx.saved["answer.txt"].read_bytes() == long
    assert result["body"] and "line ü\n".startswith(result["body"][:6]) and len(json.dumps(result)) < 64 * 1024


def test_head_and_an_empty_answer(server, ctx):
    url = server.route("/", 200, b"hello")
    assert send(ctx, method="HEAD", url=url)["bytes"] == 0
    assert send(ctx, method="DELETE", url=server.route("/gone", 204))["status"] == 204


# --- status, and what is tried again


def test_expected_statuses(server, ctx):
    url = server.route("/", 404, b"not here")
    assert send(ctx, url=url, expected="200, 400-404")["status"] == 404
    with pytest.raises(PermanentError, match=r"answered 404 Not Found; expected was 200-299\. It said: not here"):
        send(ctx, url=url)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_statuses_that_may_pass_are_tried_again(server, ctx, status):
    url = server.route("/", status)
    with pytest.raises(TryAgain, match=str(status)) as raised:
        send(ctx, url=url)
    assert SendRequest.retry.delay_after(raised.value, 1) is not None
    with pytest.raises(PermanentError):
        send(ctx, url=url, again=False)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_statuses_that_stay_are_not(server, ctx, status):
    with pytest.raises(PermanentError):
        send(ctx, url=server.route("/", status))


def test_the_server_says_when_to_come_back(server, ctx):
    with pytest.raises(TryAgain) as raised:
        send(ctx, url=server.route("/", 429, Retry_After="1234"))
    assert raised.value.retry_after == 1234
    assert SendRequest.retry.delay_after(raised.value, 1) == 1234


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("0", 0), ("99999999999", 6 * 3600), ("soon", None), ("", None), (None, None), ("-5", None),
     ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("Wed, 99 Oct 2015 07:28:00 GMT", None)],
)  # fmt: skip
def test_retry_after(value, seconds):
    assert retry_after(value) == seconds


def test_retry_after_as_a_date():
    at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=90)
    assert 85 < retry_after(format_datetime(at, usegmt=True)) <= 90


def test_no_answer_is_tried_again_but_a_refused_address_is_not(server, ctx, settings):
    with closed_port() as port, pytest.raises(TryAgain, match="connection refused"):
        send(ctx, url=f"http://127.0.0.1:{port}/")
    with pytest.raises(TryAgain, match=r"within 0\.5 s"):
        send(ctx, url=server.serve("/", server.dribble), timeout=0.5)
    with pytest.raises(PermanentError, match=r"larger than 10 KB"):
        send(ctx, url=server.serve("/", server.bomb), max_size=0.01)
    given = params(url=f"{server.url}/inside")
    settings.ALLOW_PRIVATE_URLS = False
    with pytest.raises(PermanentError, match="private address"):
        SendRequest().run(given, ctx)
    assert not server.seen["/inside"]


def test_redirects_may_be_the_answer(server, ctx):
    url = server.route("/", 302, Location="/next")
    server.route("/next", 200, b"there")
    assert send(ctx, url=url)["redirects"] == 1
    assert send(ctx, url=url, max_redirects=0, expected="302")["status"] == 302


def test_a_cancelled_request_ends(server, tmp_path):
    with pytest.raises(Cancelled):
        send(RecordingContext(tmp_path, cancel_at=0), url=server.route("/", 200))


# --- the form


@pytest.mark.parametrize(
    ("given", "field", "text"),
    [
        ({"url": "example.org"}, "url", "does not start with http"),
        ({"url": "http://127.0.0.1/"}, "url", "ALLOW_PRIVATE_URLS"),
        ({"url": "http://localhost:8000/"}, "url", "leads to this machine"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "url", "private address"),
        ({"headers": "no colon"}, "headers", "Line 1 is not a header"),
        ({"headers": "A: b\nBad Name: x"}, "headers", "Line 2 is not a header"),
        ({"headers": "Host: other"}, "headers", "set by Jobsite itself"),
        ({"headers": "Authorization: Bearer x"}, "headers", "is secret"),
        ({"headers": "X-Api-Key: x"}, "headers", "is secret"),
        ({"headers": "Cookie: x"}, "headers", "is secret"),
        ({"headers": "X: \u20ac"}, "headers", "Latin-1"),
        ({"authorization": "a\r\nX: y"}, "authorization", "one line"),
        ({"secret_header": "X-A: 1\nX-B: 2"}, "secret_header", "One header"),
        ({"method": "POST", "body": "{"}, "body", "This is not JSON"),
        ({"method": "GET", "body": "{}"}, "body", "GET carries no body"),
        ({"method": "BREW"}, "method", "Select a valid choice"),
        ({"expected": "2xx"}, "expected", "'2xx' is no status"),
        ({"expected": "299-200"}, "expected", "is no status"),
        ({"timeout": 0}, "timeout", "0.5"),
    ],
)
def test_bad_parameters_are_refused_by_name(given, field, text):
    with pytest.raises(Refused) as refused:
        params(**{"url": "https://example.org/", **given})
    assert text in " ".join(refused.value.errors[field])


def test_title_and_preview():
    data = cleaned(bind(SendRequest, {"url": "https://example.org/hook?token=abc", "method": "POST", "body": "{}"}))
    assert SendRequest.title(data) == "POST example.org/hook"
    assert dict(SendRequest.preview(data))["Body"] == "2 B, json"
    assert HttpForm.base_fields["again"].initial is True


def test_time_is_of_the_whole_exchange(server, ctx):
    started = time.monotonic()
    result = send(ctx, url=server.serve("/", server.slow(0.3, b"late")))
    assert 300 <= result["ms"] <= (time.monotonic() - started) * 1000
