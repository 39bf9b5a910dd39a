"""The kind feeds: many URLs at once, what they are, what failed and why, and only what has changed."""

import csv
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from jobs.core.errors import Cancelled, PermanentError, Refused
from jobs.core.fields import FileRef
from jobs.kinds import feeds
from jobs.kinds._feeds import lists, reading
from jobs.kinds.feeds import FetchFeeds, NothingAnswered
from jobs.submit.validate import bind, cleaned
from tests.services import closed_port
from tests.unit.contexts import RecordingContext
from tests.unit.web_server import WebServer, rss

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Atomic</title>
<entry><title type="html">A &lt;b&gt;bold&lt;/b&gt; one</title><id>tag:1</id><link href="/one"/>
<updated>2026-11-07T10:00:00+02:00</updated><author><name>Ann</name></author><summary>Short</summary></entry></feed>"""
JSON_FEED = {
    "version": "https://jsonfeed.org/version/1.1", "title": "Jason",
    "items": [{"id": "1", "url": "http://e.org/1", "title": "A", "content_text": "c",
               "date_published": "2026-11-07T10:00:00Z"}],
}  # fmt: skip
#: Broken as feeds in the wild are: a raw ampersand, an entity of HTML, an element that nobody closes.
WILD = (
    b'<?xml version="1.0"?><rss version="2.0"><channel><title>Wild</title><item><title>A & B&nbsp;C</title>'
    b"<link>http://e.org/?a=1&b=2</link><description>x<br>y</description></item></channel></rss>"
)


@pytest.fixture
def server(settings):
    settings.ALLOW_PRIVATE_URLS = True
    server = WebServer()
    yield server
    server.stop()


@pytest.fixture
def nobody():
    """A port at which nothing answers."""
    with closed_port() as port:
        yield port


@pytest.fixture
def ctx(tmp_path):
    return RecordingContext(tmp_path)


def params(**given):
    data = cleaned(bind(FetchFeeds, {name: value for name, value in given.items() if name != "file"}))
    return {**data, "file": given.get("file", [])}


def fetch(ctx, *urls, **given):
    return FetchFeeds().run(params(urls="\n".join(urls), **given), ctx)


def table(ctx):
    with ctx.saved["feeds.csv"].open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def items(ctx):
    return [json.loads(line) for line in ctx.saved["items.jsonl"].read_text().splitlines()]


# --- what is found


def test_rss_atom_json_and_pages(server, ctx):
    urls = [
        server.route("/rss", 200, rss(count=3), Content_Type="application/rss+xml"),
        server.route("/atom", 200, ATOM.encode()),
        server.route("/json", 200, json.dumps(JSON_FEED).encode(), Content_Type="application/feed+json"),
        server.route("/page", 200, b"<!doctype html><title>A &amp; page</title><p>hello", Content_Type="text/html"),
        server.route("/data", 200, b'{"a": 1}'),
        server.route("/empty", 200, b""),
    ]
    result = fetch(ctx, *urls)
    assert result["summary"] == "6 of 6 feeds answered, 5 items."
    rows = table(ctx)
    assert [(row["type"], row["title"], row["items"]) for row in rows] == [
        ("rss", "News", "3"), ("atom", "Atomic", "1"), ("json", "Jason", "1"), ("page", "A & page", "0"),
        ("page", "", "0"), ("page", "", "0"),
    ]  # fmt: skip
    assert [row["url"] for row in rows] == urls
    assert rows[0]["newest"] == "2026-11-03T10:00:00+00:00"
    assert rows[0]["bytes"] == str(len(rss(count=3))) and float(rows[0]["ms"]) > 0
    found = {item["id"]: item for item in items(ctx)}
    assert found["2"] == {
        "feed": urls[0], "id": "2", "title": "Item 2", "link": "http://example.org/2",
        "published": "2026-11-02T10:00:00+00:00", "author": "", "text": "Text of 2",
    }  # fmt: skip
    assert found["tag:1"] == {
        "feed": urls[1], "id": "tag:1", "title": "A bold one", "link": f"{server.url}/one",
        "published": "2026-11-07T08:00:00+00:00", "author": "Ann", "text": "Short",
    }  # fmt: skip


def test_a_feed_that_is_not_well_formed_loses_nothing(server, ctx):
    fetch(ctx, server.route("/wild", 200, WILD))
    [item] = items(ctx)
    assert (item["title"], item["link"], item["text"]) == ("A & B C", "http://e.org/?a=1&b=2", "x y")


@pytest.mark.parametrize(
    "document",
    [
        '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9))
        + '<!ENTITY x "&j;">]>',
        f'<?xml version="1.0"?><!--{"x" * 8000}--><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
    ],
    ids=["external entity", "billion laughs", "external entity, told late"],
)
def test_entities_bring_nothing_in(server, ctx, document):
    body = document + "<rss version='2.0'><channel><title>T</title><item><title>[&x;]</title></item></channel></rss>"
    fetch(ctx, server.route("/", 200, body.encode()), timeout=5)
    secret = Path("/etc/hostname").read_text().strip()
    assert all(secret not in item["title"] and len(item["title"]) < 100 for item in items(ctx))


def test_titles_are_no_formulas(server, ctx):
    fetch(ctx, server.route("/", 200, rss(title="=HYPERLINK(1)")))
    assert table(ctx)[0]["title"] == "'=HYPERLINK(1)"


# --- what fails


def test_each_failure_has_its_row_and_its_reason(server, ctx, nobody):
    good = server.route("/good", 200, rss())
    server.route("/circle", 302, Location="/circle")
    bad = {
        server.route("/missing", 404): "The server answered 404 Not Found.",
        f"http://127.0.0.1:{nobody}/": "127.0.0.1: connection refused.",
        server.serve("/bomb", server.bomb): "The answer is larger than 2.0 MB.",
        server.serve("/slow", server.dribble): "No complete answer within 10 s.",
        server.serve("/cut", server.cut): "127.0.0.1: the answer broke off.",
        f"{server.url}/circle": "Redirected more than 5 times, last to /circle.",
    }
    result = fetch(ctx, good, *bad, timeout=10)
    assert result["summary"] == "1 of 7 feeds answered, 3 items."
    assert {row["url"]: row["error"] for row in table(ctx)} == {good: "", **bad}
    assert [row["result"] for row in result["feeds"]] == ["failed"] * 6 + ["ok"]
    assert result["failed"] == 6


def test_where_nothing_answers_the_job_fails(server, ctx):
    with pytest.raises(NothingAnswered, match="None of 2 URLs could be fetched"):
        fetch(ctx, server.route("/a", 503), server.route("/b", 404))
    with pytest.raises(PermanentError, match="404"):
        fetch(ctx, f"{server.url}/b")
    assert table(ctx)[0]["status"] == "404"


def test_private_networks_are_refused_in_the_list_and_behind_names(server, ctx, settings, monkeypatch):
    given = params(urls=f"{server.url}/\nhttp://localhost:{server.port}/")
    settings.ALLOW_PRIVATE_URLS = False
    with pytest.raises(PermanentError, match=r"Line 1: .* private address"):
        FetchFeeds().run(given, ctx)
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port))]
    )
    with pytest.raises(PermanentError, match=r"inside\.example is 10\.0\.0\.1, a private address"):
        FetchFeeds().run({**given, "urls": "http://inside.example/"}, ctx)
    assert server.connections == 0


# --- many at once


def test_hundreds_at_once_share_connections_and_keep_their_order(server, ctx):
    urls = [server.serve(f"/{number}", server.slow(0.1, rss(f"Feed {number}", 1))) for number in range(300)]
    started = time.monotonic()
    result = fetch(ctx, *urls, at_once=100)
    assert time.monotonic() - started < 10  # one after the other: 30 s
    assert result["answered"] == 300 and result["items"] == 300
    assert [row["title"] for row in table(ctx)] == [f"Feed {number}" for number in range(300)]
    assert server.connections <= 100
    assert ctx.reports[0] == (0, 300, "fetched") and ctx.reports[-1] == (300, 300, "fetched")
    assert len(json.dumps(result)) < 64 * 1024


def test_a_file_of_items_has_a_bound(server, ctx, monkeypatch):
    monkeypatch.setattr(feeds, "MOST_LINES", 1_000)
    result = fetch(ctx, *[server.route(f"/{number}", 200, rss(count=3)) for number in range(4)])
    kept = len(items(ctx))
    assert ctx.saved["items.jsonl"].stat().st_size <= 1_000
    assert 0 < kept < 12 and result["items_left_out"] == 12 - kept
    assert "items are not in it" in ctx.lines[0]


def test_cancelling_ends_the_fetching(server, tmp_path):
    urls = [server.serve(f"/{number}", server.dribble) for number in range(50)]
    urls += [server.route("/good", 200, rss())]
    started = time.monotonic()
    with pytest.raises(Cancelled):
        fetch(RecordingContext(tmp_path, cancel_at=1), *urls, timeout=60)
    assert time.monotonic() - started < 30
    wait_until(lambda: not any("_fetch_all" in thread.name for thread in threading.enumerate()))


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.05)


# --- the readers


def test_a_reader_that_dies_is_replaced(server, ctx):
    url = server.route("/", 200, rss())
    fetch(ctx, url)
    for child in list(reading._idle):
        os.kill(child.process.pid, signal.SIGKILL)
    assert fetch(ctx, url)["items"] == 3


def test_a_feed_that_takes_too_long_to_read_fails_alone(server, ctx, monkeypatch):
    while reading._idle:
        reading._idle.pop().end()
    stuck = ctx.folder / "child.py"
    stuck.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(reading, "PATIENCE", 0.5)
    monkeypatch.setattr(reading, "__file__", str(stuck.with_name("reading.py")))
    with pytest.raises(PermanentError, match=r"Not read within 0\.5 s"):
        fetch(ctx, server.route("/", 200, rss()))
    assert not reading._idle


# --- only what has changed


def test_only_what_has_changed_is_fetched_again(server, tmp_path):
    def versioned(handler):
        if handler.headers.get("If-None-Match") == '"v1"':
            handler.wfile.write(b"HTTP/1.1 304 Not Modified\r\n\r\n")
            return
        body = rss()
        handler.wfile.write(b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: %d\r\n\r\n' % len(body) + body)

    urls = [server.serve("/versioned", versioned), server.route("/plain", 200, rss(count=1))]
    run = {"only_changed": True}
    first = RecordingContext(tmp_path, job_id="job-1")
    assert fetch(first, *urls, **run)["items"] == 4
    again = fetch(RecordingContext(tmp_path, job_id="job-1", attempt=2), *urls, **run)
    assert again["items"] == 4, "an attempt of the same job still owes the items"
    second = RecordingContext(tmp_path, job_id="job-2")
    result = fetch(second, *urls, **run)
    assert result["summary"] == "2 of 2 feeds answered, 1 of them unchanged, 1 item."
    assert [row["result"] for row in table(second)] == ["unchanged", "ok"]
    assert fetch(RecordingContext(tmp_path, job_id="job-3"), *urls, **run)["unchanged"] == 1
    other = RecordingContext(tmp_path, job_id="job-4", owner="bob")
    assert fetch(other, *urls, **run)["unchanged"] == 0, "another owner has not seen it yet"
    assert fetch(RecordingContext(tmp_path, job_id="job-5"), *urls)["unchanged"] == 0, "not asked for"


# --- lists


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.txt", b"# mine\nhttp://e.org/1\n\n  http://e.org/2  \nhttp://e.org/1\n"),
        ("list.csv", b"name,URL\r\nOne,http://e.org/1\r\nTwo,http://e.org/2\r\n"),
        ("list.csv", "\ufeffNäme;Feed URL\nEins;http://e.org/1\n;\nZwei;http://e.org/2\n".encode()),
        ("list.csv", b"One,http://e.org/1\nTwo,http://e.org/2\n"),
        ("list.tsv", b"url\tx\nhttp://e.org/1\t1\nhttp://e.org/2\t2\n"),
        ("list.opml", b'<?xml version="1.0"?><opml><body><outline text="Folder"><outline xmlUrl="http://e.org/1"/>'
                      b'</outline><outline type="rss" xmlURL="http://e.org/2"/></body></opml>'),
    ],
)  # fmt: skip
def test_lists_as_files(name, content):
    assert lists.of("", name, content).urls == ["http://e.org/1", "http://e.org/2"]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", b"http://e.org/\nfeed\n", r"a\.txt, line 2: “feed” does not start with http"),
        ("a.csv", b"name,title\nx,y\n", "no column “url”"),
        ("a.csv", b"url\nhttp://e.org/\nx y\n", r"a\.csv, row 3: “x y” holds a space"),
        ("a.opml", b"<opml><body>", "cannot be read as OPML"),
        ("a.opml", b"<opml><body/></opml>", "names no feed"),
        ("a.opml", b'<!DOCTYPE o [<!ENTITY a "b">]><opml/>', "declares entities"),
        ("a.txt", b"\0\1", "This is no text"),
        ("a.txt", b"http://e.org/%d\n" * 10_001, "More than 10,000"),
    ],
)
def test_lists_that_cannot_be_used(name, content, text):
    with pytest.raises(lists.Unusable, match=text):
        lists.of("", name, content)


def test_both_fields_together_and_duplicates():
    found = lists.of("http://e.org/1\nhttp://E.org/1#x", "a.txt", b"http://e.org/2\nhttp://e.org/1")
    assert (found.urls, found.duplicates) == (["http://e.org/1", "http://e.org/2"], 2)


def test_a_list_as_a_file_is_fetched(server, ctx):
    server.route("/1", 200, rss())
    file = ctx.upload("list.csv", f"url\n{server.url}/1\n".encode())
    assert fetch(ctx, f"{server.url}/1", file=[file])["urls"] == 1


@pytest.mark.parametrize(
    ("given", "field", "text"),
    [
        ({}, "urls", "Name at least one URL"),
        ({"urls": "# nothing"}, "urls", "There is no URL in it"),
        ({"urls": "http://e.org/\nftp://e.org/"}, "urls", "Line 2: “ftp://e.org/” does not start with"),
        ({"urls": "http://10.0.0.1/"}, "urls", "ALLOW_PRIVATE_URLS"),
        ({"urls": "http://e.org/", "at_once": 501}, "at_once", "500"),
        ({"urls": "http://e.org/", "at_once": 500, "max_size": 10}, "at_once", "at most 102 at once"),
        ({"urls": "http://e.org/", "timeout": 0}, "timeout", "0.5"),
    ],
)
def test_bad_parameters_are_refused_by_name(given, field, text):
    with pytest.raises(Refused) as refused:
        cleaned(bind(FetchFeeds, given))
    assert text in " ".join(refused.value.errors[field])


def test_title_and_preview():
    data = cleaned(bind(FetchFeeds, {"urls": "http://e.org/1\nhttp://e.org/2\nhttp://e.org/1"}))
    assert FetchFeeds.title(data) == "Fetch 3 feeds"
    assert FetchFeeds.title({"urls": "http://e.org/1", "file": []}) == "Fetch http://e.org/1"
    file = FileRef("a", "list.csv", 1, "x")
    assert FetchFeeds.title({"urls": "", "file": [file.as_json()]}) == "Fetch the feeds of list.csv"
    assert dict(FetchFeeds.preview(data)) == {
        "Fetches": "2 URLs, 2 at a time", "Duplicates": "1, fetched once", "First": "http://e.org/1",
    }  # fmt: skip
