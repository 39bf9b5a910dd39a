"""Reads feeds in a process of its own, so that neither their size nor what is wrong with them reaches the event loop.

Run as a script (`python -I child.py`) with a socket as standard input. A question is two lengths, JSON and a body; the
answer two lengths, JSON and the items as JSON Lines, which the asking side writes to a file as they are. It imports
nothing of Jobsite, and ends with the socket, or when nothing was asked for IDLE seconds.
"""

import html
import json
import os
import re
import resource
import socket
import struct
import sys
import time
import xml.parsers.expat
from typing import Any
from urllib.parse import urljoin

#: [s] without a question; [bytes] of memory that a feed may drive the process to.
IDLE, MEMORY = 60.0, 1024**3
#: Items kept of one feed; characters of an item's text, and of any other field.
MOST_ITEMS, MOST_TEXT, MOST_FIELD = 2_000, 2_000, 1_000
#: Of a document's beginning that is searched for a feed's root element [bytes].
BEGINNING = 4_096
_ROOTS = frozenset({"rss", "feed", "RDF"})
_ROOT = re.compile(rb"<\s*(?:\w+:)?(rss|feed|RDF)[\s>]")
_TAGS = re.compile(r"<[^>]*>")


def read(body: bytes, url: str, content_type: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a body is: {"type", "title", "newest"} and, of a feed, its items. type: "rss", "atom", "json" or "page"."""
    start = body[:BEGINNING].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        return _json_feed(body, url)
    root = _root(body)
    if root is None:
        match = _ROOT.search(start)
        if match is None:
            return {"type": "page", "title": _page_title(body), "newest": ""}, []
        kind = "atom" if match[1] == b"feed" else "rss"
    else:
        kind = "atom" if root == "feed" else "rss"
    parsed = _fast(body) if root and b"<!DOCTYPE" not in start else None
    feed, entries = parsed or _lenient(body, content_type)
    return _answer(kind, feed, entries, url)


def _json_feed(body: bytes, url: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    parsed = _fast(body)
    if parsed is None:
        return {"type": "page", "title": "", "newest": ""}, []
    return _answer("json", *parsed, url)


def _root(body: bytes) -> str | None:
    """The feed's root element, where the document is well-formed to its end; None otherwise."""
    names: list[str] = []

    def on_start(name: str, _: Any) -> None:
        if not names:
            names.append(name.rpartition(" ")[2])

    parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = on_start
    try:
        parser.Parse(body, True)
    except (xml.parsers.expat.ExpatError, ValueError, LookupError):
        return None
    return names[0] if names and names[0] in _ROOTS else None


def _fast(body: bytes) -> tuple[Any, list[Any]] | None:
    """By fastfeedparser, which is forty times as fast, and only good where a document is well-formed."""
    import fastfeedparser

    try:
        parsed = fastfeedparser.parse(body)
    except Exception:  # whatever it stumbles over, the lenient one is asked next
        return None
    return parsed.feed, parsed.entries


def _lenient(body: bytes, content_type: str) -> tuple[Any, list[Any]]:
    """By feedparser, which makes the best of anything."""
    import feedparser

    parsed = feedparser.parse(
        body, response_headers={"content-type": content_type}, sanitize_html=False, resolve_relative_uris=False
    )
    return parsed.feed, parsed.entries


def _answer(kind: str, feed: Any, entries: list[Any], url: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    items = [_item(entry, url) for entry in entries[:MOST_ITEMS]]
    newest = max((item["published"] for item in items), default="")
    return {"type": kind, "title": _text(feed.get("title"), MOST_FIELD), "newest": newest}, items


def _item(entry: Any, url: str) -> dict[str, Any]:
    link = str(entry.get("link") or "")[:MOST_FIELD]
    content = (
        entry.get("summary")
        or entry.get("description")
        or next((part.get("value") for part in entry.get("content") or []), "")
    )
    return {
        "feed": url,
        "id": str(entry.get("id") or link)[:MOST_FIELD],
        "title": _text(entry.get("title"), MOST_FIELD),
        "link": urljoin(url, link) if link else "",
        "published": _date(entry, "published") or _date(entry, "updated"),
        "author": _text(entry.get("author"), MOST_FIELD),
        "text": _text(content, MOST_TEXT),
    }


def _date(entry: Any, name: str) -> str:
    """ISO 8601 in UTC, "" where there is none that can be read."""
    if parsed := entry.get(f"{name}_parsed"):
        return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", parsed)
    found = str(entry.get(name) or "")
    return found[:32] if re.match(r"\d{4}-\d\d-\d\dT", found) else ""


def _text(value: Any, most: int) -> str:
    """Without tags, in one line."""
    text = html.unescape(_TAGS.sub(" ", str(value or "")[: most * 20]))
    return " ".join(text.split())[:most]


def _page_title(body: bytes) -> str:
    match = re.search(rb"<title[^>]{0,200}>([^<]{0,1000})", body[: 64 * 1024], re.I)
    return _text(match[1].decode("utf-8", "replace"), 300) if match else ""


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = sock.recv(min(1 << 20, count - len(data)))
        if not part:
            sys.exit(0)
        data += part
    return bytes(data)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.nice(5)  # the event loop goes first
    sock = socket.socket(fileno=0)
    sock.settimeout(IDLE)
    while True:
        try:
            lengths = _exactly(sock, 8)
        except TimeoutError:
            return
        head_length, body_length = struct.unpack(">II", lengths)
        question = json.loads(_exactly(sock, head_length))
        body = _exactly(sock, body_length)
        started = time.perf_counter()
        try:
            head, items = read(body, question["url"], question["content_type"])
        except Exception as error:
            head, items = {"error": f"cannot be read: {type(error).__name__}: {error}"[:300]}, []
        head.update(items=len(items), seconds=time.perf_counter() - started)
        lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items).encode("utf-8", "replace")
        answer = json.dumps(head).encode()
        sock.sendall(struct.pack(">II", len(answer), len(lines)) + answer + lines)


if __name__ == "__main__":
    main()
