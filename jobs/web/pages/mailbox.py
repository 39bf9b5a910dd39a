"""The test mailbox: what was caught, message by message. There only where mail stays on this machine."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from jobs.core.access import is_operator
from jobs.mailbox.reading import Attachment, read
from jobs.mailbox.server import ANSWERS
from jobs.models import Job, Mail

PAGE = 50
#: Nothing runs, nothing is fetched; pictures come with the message, styles are its own.
MAIL_POLICY = "sandbox; default-src 'none'; img-src data: cid:; style-src 'unsafe-inline'; frame-ancestors 'self'"
#: [characters] of a source that the page itself shows; the download has all.
SOURCE_SHOWN = 200_000

View = Callable[..., HttpResponse]


def mailbox_page(view: View) -> View:
    """For readers who are signed in, and only where there is a mailbox."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.EMAIL_IS_CAUGHT:
            raise Http404("Mail goes to the server that EMAIL_URL names.")
        return view(request, *args, **kwargs)

    return login_required(require_safe(checked))


@mailbox_page
def mailbox(request: HttpRequest) -> HttpResponse:
    """The newest messages. With `newest`, as the open page asks every second: 204 while nothing has come since."""
    query = request.GET.get("q", "").strip()
    before = _number(request.GET.get("before"))
    found = matching(visible(request.user), query)
    newest = found.values_list("pk", flat=True).first()
    if "newest" in request.GET and _number(request.GET["newest"]) == (newest or 0):
        return HttpResponse(status=204)
    rows = list((found.filter(pk__lt=before) if before else found).defer("source")[: PAGE + 1])
    more = len(rows) > PAGE
    rows = rows[:PAGE]
    context = {
        "mails": _with_jobs(rows),
        "query": query,
        "newest": newest or "",
        "is_first_page": not before,
        "newer": _url(q=query) if before else "",
        "older": _url(q=query, before=rows[-1].pk) if more else "",
        "live_url": _url(q=query, newest=newest or 0),
        "failing": sorted(ANSWERS),
    }
    is_refresh = bool(request.headers.get("HX-Request")) and "newest" in request.GET
    return render(request, "jobs/mailbox_rows.html" if is_refresh else "jobs/mailbox.html", context)


@mailbox_page
def mail(request: HttpRequest, pk: int) -> HttpResponse:
    """One message: its text, its HTML or its source."""
    found = _find(request, pk)
    content = read(bytes(found.source))
    views = [name for name, there in (("text", content.text), ("html", content.html), ("source", True)) if there]
    view = request.GET.get("view", "")
    view = view if view in views else views[0]
    words = {"text": "Text", "html": "HTML", "source": "Source"}
    here = reverse("mail", args=[pk])
    context = {
        "mail": found,
        "job": Job.objects.filter(id=found.job_id).first() if found.job_id else None,
        "content": content,
        "view": view,
        "tabs": [{"label": words[name], "url": f"{here}?view={name}", "current": name == view} for name in views],
        "source": bytes(found.source[:SOURCE_SHOWN]).decode("utf-8", "replace") if view == "source" else "",
        "is_cut": len(found.source) > SOURCE_SHOWN,
    }
    return render(request, "jobs/mailbox_mail.html", context)


@mailbox_page
def mail_html(request: HttpRequest, pk: int) -> HttpResponse:
    """The message's HTML alone, for the frame of its page."""
    html = read(bytes(_find(request, pk).source)).html
    return _contained(HttpResponse(html, content_type="text/html; charset=utf-8"))


@mailbox_page
def mail_source(request: HttpRequest, pk: int) -> HttpResponse:
    """The message as it came over the wire, as a file."""
    response = HttpResponse(bytes(_find(request, pk).source), content_type="message/rfc822")
    response["Content-Disposition"] = f'attachment; filename="mail-{pk}.eml"'
    return _contained(response)


@mailbox_page
def mail_attachment(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """One attachment, counted from 0, as a file."""
    files = read(bytes(_find(request, pk).source)).attachments
    if number >= len(files):
        raise Http404(f"The message has {len(files)} attachments.")
    return _contained(_download(files[number]))


def visible(user: Any) -> QuerySet[Mail]:
    """Newest first: everything for operators, for others what their own jobs sent."""
    mails = Mail.objects.order_by("-pk")
    if is_operator(user):
        return mails
    return mails.filter(Exists(Job.objects.filter(id=OuterRef("job_id"), owner=user)))


def matching(mails: QuerySet[Mail], query: str) -> QuerySet[Mail]:
    """Those in which every word stands: in the addresses, the subject or the job's id."""
    for word in query.split():
        mails = mails.filter(
            Q(recipients__icontains=word)
            | Q(subject__icontains=word)
            | Q(sender__icontains=word)
            | Q(job_id__istartswith=word)
        )
    return mails


def _find(request: HttpRequest, pk: int) -> Mail:
    return get_object_or_404(visible(request.user), pk=pk)


def _with_jobs(mails: list[Mail]) -> list[dict[str, Any]]:
    jobs = Job.objects.in_bulk({found.job_id for found in mails if found.job_id}, field_name="id")
    return [
        {
            "mail": found,
            "to": ", ".join(found.recipients.splitlines()[:3]),
            "more": max(0, len(found.recipients.splitlines()) - 3),
            "job": jobs.get(found.job_id),
        }
        for found in mails
    ]


def _contained(response: HttpResponse) -> HttpResponse:
    response["Content-Security-Policy"] = MAIL_POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


def _download(file: Attachment) -> HttpResponse:
    response = HttpResponse(file.content, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, file.name) or "attachment"
    return response


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _url(**query: Any) -> str:
    given = {name: value for name, value in query.items() if value not in ("", None)}
    return f"{reverse('mailbox')}?{urlencode(given)}" if given else reverse("mailbox")


urlpatterns = [
    path("mailbox", mailbox, name="mailbox"),
    path("mailbox/<int:pk>", mail, name="mail"),
    path("mailbox/<int:pk>/html", mail_html, name="mail-html"),
    path("mailbox/<int:pk>/source", mail_source, name="mail-source"),
    path("mailbox/<int:pk>/attachments/<int:number>", mail_attachment, name="mail-attachment"),
]
