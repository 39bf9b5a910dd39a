"""Feeds: fetched, made into a report, and sent by mail."""

from collections.abc import Mapping
from typing import Any

from django import forms

from jobs.kinds._tables import choices
from jobs.kinds.feeds import FeedsForm, FetchFeeds
from jobs.workflows.ready import Ready, _mail, ids

#: How the list's file is read.
READ = ("encoding", "separator", "header")
HOW = ("at_once", "timeout", "max_size", "max_redirects")


class FeedsMailForm(_mail.MailForm, FeedsForm):
    """The form of the kind feeds; a run in which nothing has changed would have nothing to report."""

    only_changed = None  # type: ignore[assignment]
    title = forms.CharField(label="Title of the report", max_length=150, initial="What the feeds hold")
    subject = _mail.subject_field("What the feeds hold")
    text = _mail.text_field("Hello,\n\nthe report on the feeds is attached. It is also kept at\n${link}")
    fieldsets = (("How to fetch", HOW), choices.FIELDSET, _mail.FIELDSET)


class Feeds(Ready):
    """Fetches a list of feeds, makes a report of their items and mails it as a PDF."""

    slug, label, Form = "feeds", "Feeds", FeedsMailForm
    steps = (
        ("feeds", "Fetches all feeds at once."),
        ("report", "Makes a PDF of what they hold."),
        ("email", "Sends the PDF."),
    )

    def preview(self, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [*FetchFeeds.preview(cleaned), ("Report", cleaned["title"]), *_mail.rows(cleaned)]

    def spec(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        fetch = {
            "urls": cleaned["urls"],
            "file": ids(cleaned["file"]),
            **{name: cleaned[name] for name in (*HOW, *READ)},
        }
        report = {
            "table": "${files:items.jsonl}", "title": cleaned["title"], "group_by": "feed", "bad_values": "missing",
            "formats": ["pdf"],
        }  # fmt: skip
        return {
            "title": FetchFeeds.title(cleaned),
            "chain": [
                {"kind": "feeds", "params": fetch},
                {"kind": "report", "params": report},
                {"kind": "email", "params": {**_mail.params_of(cleaned), "attachments": "${files:*.pdf}"}},
            ],
        }
