"""Tags and filters of the shell: the nav, icons, states, and how times, sizes and numbers are written."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.conf import settings
from django.forms import CheckboxInput, CheckboxSelectMultiple, RadioSelect
from django.forms.boundfield import BoundField
from django.template import defaultfilters
from django.template.defaultfilters import floatformat
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.browse.live import Progress
from jobs.core.fields import UploadField, size_in_words
from jobs.core.states import SHOWN
from jobs.models import Job
from jobs.web import words
from jobs.web.nav import Item, nav_for, page_url, phone_nav
from jobs.web.pages.columns import Column

register = template.Library()
THEMES = ("light", "dark")


@register.simple_tag(takes_context=True)
def nav_items(context: template.Context) -> list[Item]:
    """The nav of the signed-in user: pages that exist, in order, each with its group's title."""
    return nav_for(context["request"])


@register.simple_tag(takes_context=True)
def phone_items(context: template.Context) -> list[Item]:
    """The three pages of the bottom bar."""
    return phone_nav(context["request"])


@register.simple_tag(takes_context=True)
def theme(context: template.Context) -> str:
    """The theme that the user forces, "" where the system decides."""
    request = context.get("request")
    chosen = request.COOKIES.get("theme", "") if request else ""
    return chosen if chosen in THEMES else ""


@register.filter("date")
def date_in_words(moment: Any, form: str | None = None) -> str:
    """Django's own filter, which fails for a stored moment that the reader's clock cannot show (words.local)."""
    if isinstance(moment, datetime) and timezone.is_aware(moment):
        moment = words.local(moment)
    return defaultfilters.date(moment, form)


@register.simple_tag
def zone() -> str:
    """The time zone that pages write times in."""
    return settings.TIME_ZONE


@register.simple_tag
def url_or_empty(name: str) -> str:
    """The URL of a page, "" where the site has no such page."""
    return page_url(name)


@register.simple_tag
def icon(name: str) -> SafeString:
    """A symbol of static/icons.svg; its word stands beside it."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("icons.svg"), name)


@register.inclusion_tag("jobs/parts/state.html")
def state(key: str, word: str = "", fraction: float | None = None) -> dict[str, Any]:
    """Glyph and word of a shown state (a key of SHOWN). fraction: 0 to 1, how full a running ring is."""
    return {"state": key, "word": word or SHOWN[key], "fraction": fraction}


@register.inclusion_tag("jobs/parts/progress.html")
def progress_bar(progress: Progress | None, label: str = "Progress") -> dict[str, Any]:
    """A bar with its text."""
    return {"progress": progress, "label": label, "text": progress_text(progress)}


@register.simple_tag
def cell(column: Column, job: Job) -> str:
    """What a column of the page Jobs says of a job."""
    return column.text(job)


@register.filter
def linked(value: object) -> object:
    """A cell that is an address as a link to it; anything else as it is."""
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return format_html('<a href="{}" rel="nofollow noopener">{}</a>', value, value)
    return value


@register.filter
def progress_text(progress: Progress | None) -> str:
    """6,214 of 10,000 sent."""
    return words.progress(progress.current, progress.total, progress.step) if progress else ""


@register.filter
def time_left(progress: Progress | None) -> str:
    """1 min left; "" where nobody can tell yet."""
    return words.left(progress.eta) if progress and progress.eta else ""


@register.filter
def hundredths(fraction: float | None) -> int:
    """0.623 as 62, for attributes."""
    return round(100 * (fraction or 0))


@register.filter
def duration(value: timedelta | float | None) -> str:
    """1.2 s, 4:51, 2 h 05."""
    return "" if value is None else words.duration(value)


@register.filter
def seconds_since(moment: datetime) -> float:
    """How long ago a moment was [s]."""
    return (timezone.now() - moment).total_seconds()


@register.filter
def relative(moment: datetime | None) -> SafeString | str:
    """now, 3 min, 5 h, Mon 14:02, as <time> with the exact time."""
    if moment is None:
        return ""
    return format_html(
        '<time datetime="{}" title="{}" data-relative>{}</time>',
        moment.isoformat(timespec="seconds"),
        words.exact(moment),
        words.relative(moment, timezone.now()),
    )


@register.filter
def exact(moment: datetime | None) -> SafeString | str:
    """2026-11-21 14:02:09, as <time>."""
    if moment is None:
        return ""
    return format_html(
        '<time datetime="{}">{}</time>', moment.isoformat(timespec="seconds"), words.exact(moment, zone=False)
    )


@register.filter
def local_day(moment: datetime) -> str:
    """Sun 22 Nov 2026 in the moment's own time zone, where Django's `date` takes the site's."""
    return f"{moment:%a} {moment.day} {moment:%b %Y}"


@register.filter
def local_time(moment: datetime) -> str:
    """14:02 in the moment's own time zone; with seconds where they are not 0."""
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"


@register.filter
def size(value: float | None) -> str:
    """812 B, 1.4 MB."""
    return "" if value is None else size_in_words(value)


@register.filter
def number(value: float | None) -> str:
    """With thousands separators: 10,000."""
    return "" if value is None else floatformat(value, "-2g")


@register.filter
def control(field: BoundField) -> str:
    """How a form's field is drawn: "check", "choices", "upload" or "input"."""
    if isinstance(field.field, UploadField):
        return "upload"
    if isinstance(field.field.widget, CheckboxInput):
        return "check"
    return "choices" if isinstance(field.field.widget, RadioSelect | CheckboxSelectMultiple) else "input"
