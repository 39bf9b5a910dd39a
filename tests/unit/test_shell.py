"""The shell: who sees which pages, headers, themes, errors, and how times and numbers are written."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings as site
from django.template import Context, Template
from django.urls import reverse
from django.utils import timezone

from jobs.browse.live import Progress
from jobs.core.states import SHOWN
from jobs.models import Job
from jobs.web import words

STATIC = Path(site.BASE_DIR) / "static"
NOW = datetime(2026, 11, 21, 14, 2, 9, tzinfo=UTC)


@pytest.fixture
def operator(django_user_model):
    return django_user_model.objects.create_user("olga", password="pw", is_staff=True)


@pytest.fixture
def submitter(django_user_model):
    return django_user_model.objects.create_user("lena", password="pw")


def nav_labels(html: str) -> list[str]:
    return re.findall(r'data-page="([^"]+)"', html)


def render(source: str, **context) -> str:
    return Template("{% load jobsite %}" + source).render(Context(context)).strip()


@pytest.mark.django_db
class TestShell:
    def test_a_stranger_is_led_to_the_login_and_back(self, client, operator):
        answer = client.get("/new")
        assert answer.url == "/login?next=/new"
        answer = client.post(answer.url, {"username": "olga", "password": "pw", "next": "/new"})
        assert answer.url == "/new"

    def test_a_wrong_password_is_told_in_words(self, client, operator):
        answer = client.post("/login", {"username": "olga", "password": "no"})
        assert "This name and password do not match." in answer.text
        assert 'value="olga"' in answer.text

    def test_operators_see_the_overview(self, client, operator):
        client.force_login(operator)
        answer = client.get("/")
        assert answer.status_code == 200
        assert {"overview", "new"} <= set(nav_labels(answer.text))

    def test_submitters_see_only_new_job_and_their_jobs(self, client, submitter):
        client.force_login(submitter)
        labels = nav_labels(client.get("/new").text)
        assert "new" in labels
        assert set(labels) <= {"new", "jobs"}
        assert "Administration" not in client.get("/new").text

    def test_the_current_page_is_marked_once(self, client, operator):
        client.force_login(operator)
        nav = client.get("/new").text.split("</nav>")[0]
        marked = re.findall(r'<a class="nav-item"[^>]*aria-current="page"[^>]*data-page="([^"]+)"', nav)
        assert marked == ["new"]

    def test_failures_of_the_day_are_counted_beside_their_page(self, rf, operator):
        from jobs.web import nav

        Job.objects.create(kind="k", title="t", queue="io", state="FAILURE")
        Job.objects.create(kind="k", title="t", queue="io", state="FAILURE", created=timezone.now() - timedelta(days=2))
        assert nav._failures() == "1"

    def test_every_page_is_strict(self, client, operator):
        client.force_login(operator)
        answer = client.get("/")
        assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]
        assert " style=" not in answer.text
        assert not re.search(r"<script(?![^>]* src=)", answer.text)
        assert not re.search(r" on[a-z]+=", answer.text)

    def test_the_theme_is_kept_and_only_a_known_one(self, client, operator):
        client.force_login(operator)
        assert "data-theme=" not in client.get("/").text.split(">")[1]
        client.post("/theme", {"theme": "dark"})
        assert 'data-theme="dark"' in client.get("/").text
        client.post("/theme", {"theme": '"><script>'})
        assert 'data-theme="dark"' in client.get("/").text
        client.cookies["theme"] = "purple"
        assert 'data-theme="purple"' not in client.get("/").text

    def test_the_theme_leads_back_to_our_own_pages_only(self, client):
        answer = client.post("/theme", {"theme": "dark"}, headers={"Referer": "http://evil.example/x"})
        assert answer.url == "/"

    def test_the_password_page_names_what_is_wrong(self, client, operator):
        client.force_login(operator)
        data = {"old_password": "no", "new_password1": "a", "new_password2": "b"}
        answer = client.post(reverse("password_change"), data)
        assert 'href="#id_old_password"' in answer.text
        assert 'id="id_old_password_error"' in answer.text

    def test_a_missing_page_keeps_the_look(self, client):
        answer = client.get("/no-such-page")
        assert answer.status_code == 404
        assert "No such page" in answer.text
        assert "jobsite.css" in answer.text

    def test_a_forged_form_is_refused_in_words(self, operator):
        from django.test import Client

        client = Client(enforce_csrf_checks=True)
        client.force_login(operator)
        answer = client.post("/theme", {"theme": "dark"})
        assert answer.status_code == 403
        assert "The form has expired" in answer.text


@pytest.mark.django_db
class TestOverview:
    def test_first_run_offers_kinds(self, client, operator):
        client.force_login(operator)
        answer = client.get("/")
        assert "All well. Nothing is running." in answer.text
        assert "Nothing has run yet." in answer.text

    def test_what_needs_somebody_comes_first(self, client, operator, monkeypatch):
        Job.objects.create(
            kind="k", is_kind=False, title="Invoice 2231", queue="io", state="FAILURE", error="550 no such user"
        )
        now = timezone.now()
        monkeypatch.setattr(timezone, "now", lambda: now)
        made = now - timedelta(seconds=75)
        Job.objects.create(kind="k", is_kind=False, title="Waits", queue="cpu", created=made, changed=made)
        client.force_login(operator)
        html = client.get("/").text
        assert "2 things need you. 0 running, 1 queued, oldest waiting 1:15." in html
        assert "No worker listens to cpu: 1 waiting, oldest 1:15." in html
        assert "550 no such user" in html

    def test_submitters_are_led_to_their_jobs(self, client, submitter):
        client.force_login(submitter)
        assert client.get("/").url == reverse("jobs")

    def test_jobs_that_are_due_later_do_not_wait(self, client, operator):
        Job.objects.create(kind="k", title="t", queue="cpu", due_at=timezone.now() + timedelta(hours=1))
        client.force_login(operator)
        assert "All well. Nothing is running." in client.get("/").text

    def test_the_fragment_is_the_inside_alone(self, client, operator):
        client.force_login(operator)
        html = client.get("/", headers={"HX-Request": "true"}).text
        assert "<html" not in html
        assert 'class="health"' in html


class TestWords:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0, "0.0 s"), (1.24, "1.2 s"), (9.96, "10 s"), (41.2, "41 s"), (59.6, "1:00"), (291, "4:51"),
         (3599.7, "1 h 00"), (7500, "2 h 05"), (273_600, "3 d 4 h"), (-1, "0.0 s")],
    )  # fmt: skip
    def test_durations(self, seconds, text):
        assert words.duration(seconds) == text
        assert words.duration(timedelta(seconds=seconds)) == text

    @pytest.mark.parametrize(
        ("ago", "text"),
        [(timedelta(seconds=59), "now"), (timedelta(seconds=-59), "now"), (timedelta(minutes=3), "3 min"),
         (timedelta(hours=5), "5 h"), (timedelta(days=2), "Thu 14:02"), (timedelta(days=20), "1 Nov 14:02"),
         (timedelta(days=400), "17 Oct 2025"), (timedelta(minutes=-3), "in 3 min"), (timedelta(hours=-5), "in 5 h")],
    )  # fmt: skip
    def test_relative_times(self, ago, text):
        assert words.relative(NOW - ago, NOW) == text

    def test_times_carry_the_exact_one(self):
        html = render("{{ moment|relative }}", moment=NOW)
        assert 'datetime="2026-11-21T14:02:09+00:00"' in html
        assert 'title="2026-11-21 14:02:09 UTC"' in html

    def test_progress(self):
        progress = Progress(6214, 10_000, "sent", 10.0, 0.0)
        html = render("{% progress_bar progress 'Newsletter' %}", progress=progress)
        assert 'value="0.6214"' in html
        assert 'aria-label="Newsletter"' in html
        assert "6,214 of 10,000 sent" in html
        assert "value=" not in render("{% progress_bar progress %}", progress=Progress(3, 0, "", 0.0, 0.0))

    @pytest.mark.parametrize(
        ("eta", "text"), [(0.2, "1 s left"), (42, "42 s left"), (61, "1 min left"), (7500, "2 h 05 left")]
    )
    def test_time_left(self, eta, text):
        assert words.left(eta) == text

    @pytest.mark.parametrize("state", SHOWN)
    def test_every_state_has_glyph_word_and_colour(self, state):
        html = render("{% state state %}", state=state)
        assert f'class="state state-{state}"' in html
        assert SHOWN[state] in html
        assert html.count("<circle") + html.count("<path") >= 1
        assert f".state-{state}" in (STATIC / "css/tokens.css").read_text()

    def test_a_running_ring_is_as_full_as_its_progress(self):
        assert 'stroke-dasharray="62 100"' in render("{% state 'running' fraction=0.62 %}")
        assert "pie" not in render("{% state 'running' %}")

    def test_numbers(self):
        assert render("{{ n|number }} {{ s|size }}", n=10_000, s=1_500_000) == "10,000 1.4 MB"


class TestStatic:
    def test_every_icon_that_templates_use_is_in_the_sprite(self):
        sprite = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
        used = set()
        for folder in ("templates", "jobs/templates"):
            for template in (Path(site.BASE_DIR) / folder).rglob("*.html"):
                used |= set(re.findall(r'{% icon "([^"]+)" %}', template.read_text()))
        from jobs.web.nav import OPERATOR_ITEMS

        assert used | {item.icon for item in OPERATOR_ITEMS} <= sprite

    def test_modules_have_one_name_each_when_collected(self, settings, tmp_path):
        """Otherwise a module runs twice: two live streams from one tab."""
        from django.core.management import call_command

        settings.STATIC_ROOT = tmp_path
        settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "jobs.web.storage.StaticFiles"}}
        call_command("collectstatic", interactive=False, verbosity=0)
        for module in (STATIC / "js").glob("*.js"):
            collected = next(iter(tmp_path.glob(f"js/{module.stem}.????????????.js"))).read_text()
            imported = re.findall(r'from ["\']\./(\w+)\.([^"\']+)["\']', collected)
            assert all(re.fullmatch(r"[0-9a-f]{12}\.js", rest) for _, rest in imported), module.name
        css = next(iter(tmp_path.glob("jobsite.????????????.css"))).read_text()
        assert len(re.findall(r"css/\w+\.[0-9a-f]{12}\.css", css)) == css.count("@import")
