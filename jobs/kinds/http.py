"""Send one HTTP request: call a webhook, check a page, fetch a file."""

import json
import mimetypes
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError

from jobs.core.errors import PermanentError
from jobs.core.fields import KB, MB, SecretField, size_in_words
from jobs.core.kind import Context, Kind
from jobs.core.redaction import MASK
from jobs.core.retry import Exponential, Retry
from jobs.core.secret_names import is_secret_name
from jobs.kinds._net import urls
from jobs.kinds._net.client import REPEATABLE, Answer, Client, FetchError, Request

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
BODY_TYPES = {
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
    "form": "application/x-www-form-urlencoded",
}
#: Answers after which the same request may well succeed.
PASSING = frozenset({408, 425, 429, *range(500, 600)})
#: The server may ask for a later try; longer than this it is not waited for [s].
MOST_WAIT = 6 * 3600
#: Text of an answer in the result [bytes of JSON]; the whole is a file.
SHOWN = 40 * KB
#: Text of an unexpected answer in the error [characters].
QUOTED = 300
#: Set by the client, or not for users to set.
_OWN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "te", "upgrade", "expect"}
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class TryAgain(Exception):
    """The request failed in a way that may pass. retry_after: [s] that the server asked to wait."""

    def __init__(self, text: str, retry_after: float | None = None):
        self.retry_after = retry_after
        super().__init__(text)


class HttpForm(Kind.Form):
    """The parameters of one request."""

    method = forms.ChoiceField(label="Method", choices=[(name, name) for name in METHODS], initial="GET")
    url = forms.CharField(
        label="URL", max_length=urls.LONGEST, widget=forms.TextInput(attrs={"placeholder": "https://example.org/hook"})
    )
    headers = forms.CharField(
        label="Headers",
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": "Accept: application/json"}),
        help_text="One a line, Name: value. Secret ones go below.",
    )
    authorization = SecretField(
        label="Authorization", required=False, max_length=8_000, help_text="Such as Bearer TOKEN. Stored encrypted."
    )
    secret_header = SecretField(
        label="Another secret header", required=False, max_length=8_000, help_text="Such as X-Api-Key: KEY."
    )
    body = forms.CharField(
        label="Body",
        required=False,
        strip=False,
        max_length=1_000_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
    )
    body_type = forms.ChoiceField(
        label="Body is",
        choices=[("json", "JSON"), ("text", "Text"), ("form", "Form fields (a=1&b=2)")],
        initial="json",
        required=False,
        help_text="A header Content-Type overrides it.",
    )
    expected = forms.CharField(
        label="Expected status", initial="200-299", required=False, max_length=100, help_text="Such as 200-299, 404."
    )
    timeout = forms.FloatField(label="Time allowed [s]", initial=30, min_value=0.5, max_value=600)
    max_redirects = forms.IntegerField(
        label="Redirects followed", initial=5, min_value=0, max_value=20, help_text="0: a redirect is the answer."
    )
    max_size = forms.FloatField(label="Largest answer [MB]", initial=10, min_value=0.01, max_value=100)
    again = forms.BooleanField(
        label="Try again where that may help",
        required=False,
        initial=True,
        help_text="After 408, 425, 429, 5xx, or no answer; up to 6 times, later if the server asks. "
        "Each carries the same Idempotency-Key.",
    )

    def clean_url(self) -> str:
        return urls.validate(self.cleaned_data["url"])

    def clean_headers(self) -> str:
        for name, _ in parsed_headers(self.cleaned_data["headers"]):
            if is_secret_name(name):
                raise ValidationError(f"{name} is secret: give it in Authorization or as the secret header.")
        return self.cleaned_data["headers"]

    def clean_authorization(self) -> str:
        _check_value("The value", self.cleaned_data["authorization"])
        return self.cleaned_data["authorization"]

    def clean_secret_header(self) -> str:
        lines = parsed_headers(self.cleaned_data["secret_header"])
        if len(lines) > 1:
            raise ValidationError("One header is taken here, as Name: value.")
        return self.cleaned_data["secret_header"]

    def clean_body_type(self) -> str:
        return self.cleaned_data["body_type"] or "json"

    def clean_expected(self) -> str:
        text = self.cleaned_data["expected"] or "200-299"
        expected_ranges(text)
        return text

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        body = data.get("body") or ""
        if body and data.get("method") in ("GET", "HEAD"):
            self.add_error("body", f"{data['method']} carries no body: leave it empty, or choose POST.")
        elif body and data.get("body_type") == "json":
            try:
                json.loads(body)
            except ValueError as error:
                self.add_error("body", f"This is not JSON: {error}.")
        return data


def parsed_headers(text: str) -> list[tuple[str, str]]:
    """Names and values of lines `Name: value`. Raises ValidationError."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not _NAME.fullmatch(name):
            raise ValidationError(f"Line {number} is not a header: expected Name: value.")
        if name.lower() in _OWN_HEADERS:
            raise ValidationError(f"{name} is set by Jobsite itself: leave it out.")
        _check_value(name, value)
        found.append((name, value))
    return found


def _check_value(name: str, value: str) -> None:
    if not value.isprintable() or not all(ord(letter) < 256 for letter in value):
        raise ValidationError(f"{name}: a header holds letters of Latin-1 in one line.")


def expected_ranges(text: str) -> list[range]:
    """Status codes as "200-299, 404" names them. Raises ValidationError."""
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{3})(?:\s*-\s*(\d{3}))?\s*", part)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 100 <= low <= high <= 599:
            raise ValidationError(f"{part.strip()!r} is no status: expected such as 200-299, 404.")
        found.append(range(low, high + 1))
    return found


class SendRequest(Kind):
    """Send one HTTP request, to call a webhook or to fetch something.

    What the server answers is the result; an unexpected status fails the job, and some are tried again.
    """

    slug, label, pool, order = "http", "Send an HTTP request", "io", 50
    retry = Retry(on=(TryAgain,), attempts=6, backoff=Exponential(base=5, factor=3, cap=600))
    time_limit = 900
    # A lost worker may have sent it, and not every server knows what an Idempotency-Key is.
    idempotent = False
    Form = HttpForm

    @classmethod
    def title(cls, params: Mapping[str, Any]) -> str:
        parts = urlsplit(params["url"])
        return f"{params['method']} {parts.hostname}{parts.path}"[:200]

    @classmethod
    def preview(cls, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        if not cleaned.get("url"):
            return []
        rows = [("Sends", f"{cleaned.get('method', 'GET')} {cleaned['url']}")]
        if body := cleaned.get("body"):
            rows.append(("Body", f"{size_in_words(len(body.encode()))}, {cleaned.get('body_type', 'json')}"))
        if cleaned.get("expected"):
            rows.append(("Succeeds with", cleaned["expected"]))
        return rows

    def run(self, params: dict[str, Any], ctx: Context) -> dict[str, Any]:
        client = Client(1)
        try:
            answer = client.fetch(_request(params, ctx))
        except FetchError as error:
            if error.may_pass and params["again"]:
                raise TryAgain(str(error)) from error
            raise PermanentError(str(error)) from error
        finally:
            client.close()
        ctx.check()
        result = _result(answer, ctx)
        if any(answer.status in found for found in expected_ranges(params["expected"])):
            return result
        text = f"The server answered {_status(answer)}; expected was {params['expected']}."
        if said := _text(answer):
            text += f" It said: {' '.join(said.split())[:QUOTED]}"
        if params["again"] and answer.status in PASSING:
            raise TryAgain(text, retry_after(answer.headers.get("Retry-After")))
        raise PermanentError(text)


def _request(params: Mapping[str, Any], ctx: Context) -> Request:
    headers: dict[str, str] = {}
    if params["body"]:
        headers["Content-Type"] = BODY_TYPES[params["body_type"]]
    if params["method"] not in REPEATABLE:
        headers["Idempotency-Key"] = ctx.job_id
    secret = parsed_headers(params["secret_header"])
    if params["authorization"]:
        secret.append(("Authorization", params["authorization"]))
    for name, value in [*parsed_headers(params["headers"]), *secret]:
        for same in [known for known in headers if known.lower() == name.lower()]:
            del headers[same]
        headers[name] = value
    return Request(
        params["url"],
        method=params["method"],
        headers=headers,
        body=params["body"].encode() if params["body"] else None,
        timeout=params["timeout"],
        max_size=int(params["max_size"] * MB),
        max_redirects=params["max_redirects"],
        secret=frozenset(name.lower() for name, _ in secret),
    )


def retry_after(value: str | None) -> float | None:
    """Seconds that a header Retry-After asks to wait, as a number or a date; None where it cannot be read."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(min(int(value.strip()[:9]), MOST_WAIT))
    try:
        seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), MOST_WAIT)


def _status(answer: Answer) -> str:
    return f"{answer.status} {answer.reason}".strip()


def _text(answer: Answer) -> str | None:
    """The body as text; None where it is none."""
    charset = answer.headers.get_content_charset() or "utf-8"
    try:
        text = answer.body.decode(charset)
    except (UnicodeDecodeError, LookupError):
        return None
    return None if "\0" in text else text


def _result(answer: Answer, ctx: Context) -> dict[str, Any]:
    text = _text(answer)
    shown = _shortened(text) if text is not None else ""
    if answer.body and (text is None or shown != text):
        name = f"answer{_suffix(answer.headers.get_content_type())}"
        ctx.save(name, answer.body, answer.headers.get_content_type())
    return {
        "summary": f"{_status(answer)} after {answer.ms:,.0f} ms, {size_in_words(len(answer.body))}.",
        "status": answer.status,
        "url": answer.url,
        "ms": answer.ms,
        "bytes": len(answer.body),
        "redirects": answer.redirects,
        "headers": [{"header": name, "value": _harmless(name, value)} for name, value in answer.headers.items()][:100],
        "body": shown,
    }


def _harmless(name: str, value: str) -> str:
    return MASK if is_secret_name(name) else value[:1_000]


def _shortened(text: str) -> str:
    """As much of the text as fits into the result."""
    kept = text[:SHOWN]
    while len(json.dumps(kept)) > SHOWN:
        kept = kept[: len(kept) * 3 // 4]
    return kept


def _suffix(content_type: str) -> str:
    return mimetypes.guess_extension(content_type) or ".bin"
