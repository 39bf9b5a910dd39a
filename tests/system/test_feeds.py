"""Feeds and requests by the real io worker, from servers on this machine."""

import csv
import io
import json
import time

import pytest

from tests.system.rest import artifacts, attempts, finish, follow, submit
from tests.system.stack import wait_for
from tests.unit.web_server import WebServer, rss


@pytest.fixture
def api(stack):
    with stack.api() as client:
        yield client


@pytest.fixture
def server():
    server = WebServer()
    yield server
    server.stop()


class TestFeeds:
    def test_two_hundred_slow_feeds_at_once_on_the_event_loop(self, stack, api, server):
        urls = [server.serve(f"/{number}", server.slow(0.5, rss(f"Feed {number}", 2))) for number in range(200)]
        job = finish(api, "feeds", urls="\n".join([*urls, f"{server.url}/missing"]), at_once=200, timeout=30)
        assert job["state"] == "SUCCESS", job
        result = job["result"]
        assert result["summary"] == "200 of 201 feeds answered, 400 items."
        assert result["seconds"] < 30  # one after the other: 100 s
        files = artifacts(api, job)
        rows = list(csv.DictReader(io.StringIO(files["feeds.csv"].decode())))
        assert [row["title"] for row in rows[:200]] == [f"Feed {number}" for number in range(200)]
        assert rows[200]["error"] == "The server answered 404 Not Found."
        assert len(files["items.jsonl"].splitlines()) == 400
        assert server.connections <= 201

    def test_a_list_as_a_file_with_everything_that_servers_do_wrong(self, stack, api, server):
        good = server.route("/good", 200, rss())
        wrong = [server.serve(f"/{way}", getattr(server, way)) for way in ("bomb", "dribble", "dribble_head", "cut")]
        opml = "".join(f'<outline xmlUrl="{url}"/>' for url in [good, *wrong])
        job = finish(
            api, "feeds", files={"file": ("list.opml", f"<opml><body>{opml}</body></opml>".encode())}, timeout="5"
        )
        assert job["state"] == "SUCCESS", job
        assert (job["result"]["answered"], job["result"]["failed"]) == (1, 4)
        errors = " ".join(row["error"] for row in job["result"]["feeds"])
        assert "larger than" in errors and errors.count("within 5 s") == 2 and "broke off" in errors

    def test_only_what_has_changed(self, stack, api, server):
        body = rss()

        def versioned(handler):
            if handler.headers.get("If-None-Match") == '"v1"':
                handler.wfile.write(b"HTTP/1.1 304 Not Modified\r\n\r\n")
            else:
                head = f'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: {len(body)}\r\n\r\n'
                handler.wfile.write(head.encode() + body)

        url = server.serve("/", versioned)
        assert finish(api, "feeds", urls=url, only_changed=True)["result"]["items"] == 3
        assert finish(api, "feeds", urls=url, only_changed=True)["result"]["unchanged"] == 1

    def test_cancelling_ends_it_in_the_middle(self, stack, api, server):
        urls = [server.serve(f"/{number}", server.silence) for number in range(50)]
        job = submit(api, "feeds", urls="\n".join(urls), timeout=120)
        wait_for(lambda: len(server.seen) == 50, 30, "all to be fetched")
        assert api.post(f"jobs/{job['id']}/cancel").status_code == 202
        assert follow(api, job, 15)[-1]["state"] == "REVOKED"
        # The worker is free, and fetches for the next one.
        assert finish(api, "feeds", urls=server.route("/good", 200, rss()))["state"] == "SUCCESS"


class TestHttp:
    def test_a_webhook_is_called_again_when_the_server_asks_for_it(self, stack, api, server):
        answers = [(429, b"Retry-After: 6\r\n"), (200, b"")]

        def hook(handler):
            times.append(time.monotonic())
            status, header = answers.pop(0)
            body = b'{"ok": true}'
            head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n".encode()
            handler.wfile.write(head + header + b"\r\n" + body)

        times = []
        url = server.serve("/hook", hook)
        job = finish(
            api, "http", method="POST", url=url, body=json.dumps({"order": 7}), authorization="Bearer very-secret"
        )
        assert job["state"] == "SUCCESS", job
        assert (job["result"]["status"], job["result"]["body"]) == (200, '{"ok": true}')
        assert times[1] - times[0] >= 6
        first, second = server.seen["/hook"]
        assert first[1]["Authorization"] == second[1]["Authorization"] == "Bearer very-secret"
        assert first[1]["Idempotency-Key"] == second[1]["Idempotency-Key"] == job["id"]
        assert json.loads(second[2]) == {"order": 7}
        assert [attempt["state"] for attempt in attempts(api, job)] in (["RETRY", "SUCCESS"], ["SUCCESS", "RETRY"])
        assert "very-secret" not in api.get(f"jobs/{job['id']}").text

    def test_an_unexpected_status_fails_with_what_the_server_said(self, stack, api, server):
        job = finish(api, "http", url=server.route("/", 403, b"Not for you."))
        assert job["state"] == "FAILURE"
        assert "403 Forbidden" in json.dumps(job["error"]) and "Not for you." in json.dumps(job["error"])
