"""New workflow: steps added, moved and taken off without scripts, what is submitted, and where errors stand."""

import re
from html import unescape

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile

from jobs.core.fields import SecretField, UploadField
from jobs.core.kind import Kind
from jobs.core.redaction import decrypt
from jobs.core.registry import all_kinds
from jobs.models import Artifact, Edge, Job, Step, Workflow
from jobs.models.workflow import OnFailure
from jobs.web.workflow_form import MOST_STEPS
from tests.unit import foreign_tasks  # noqa: F401  registers the tasks
from tests.unit.job_rows import alice, olga, users  # noqa: F401

pytestmark = pytest.mark.django_db
URL = "/workflows/new"


class Parcel(Kind):
    """Send a parcel to somebody."""

    slug, label, pool = "test-parcel", "Send a parcel", "io"

    class Form(forms.Form):
        text = forms.CharField(max_length=40)
        weight = forms.IntegerField(min_value=1, initial=5)
        things = UploadField(multiple=True, required=False, accept=[".txt"], max_size=100)
        code = SecretField(required=False)
        express = forms.BooleanField(required=False, initial=True)
        ways = forms.MultipleChoiceField(choices=[("a", "A"), ("b", "B")], required=False, initial=["a"])

    def run(self, params, ctx):
        return params["text"]


class Vault(Kind):
    """Open the vault."""

    slug, label, pool, operators_only = "test-vault", "Open the vault", "io", True

    def run(self, params, ctx):
        return 1


@pytest.fixture(autouse=True)
def known_kinds(storage):
    all_kinds.cache_clear()
    yield
    all_kinds.cache_clear()


class Page:
    """The form as a browser without scripts has it: what it holds is what is sent."""

    def __init__(self, client):
        self.client = client
        self.answer = client.get(URL)

    @property
    def html(self):
        return self.answer.content.decode()

    @property
    def data(self):
        """Name -> values of every input that would be sent."""
        form = self.html.split('id="new-form"')[1]
        found: dict = {}
        for tag in re.findall(r"<input[^>]*>", form):
            attributes = {name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
            kind = attributes.get("type", "text")
            if "name" in attributes and kind != "file" and (kind not in ("checkbox", "radio") or " checked" in tag):
                found.setdefault(attributes["name"], []).append(attributes.get("value", ""))
        for name, inside in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.S):
            found[name] = [unescape(inside.strip())]
        for name, inside in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.S):
            chosen = re.findall(r'<option value="([^"]*)" selected', inside)
            found[name] = chosen or ([] if "multiple" in inside else re.findall(r'<option value="([^"]*)"', inside)[:1])
        return found

    def send(self, changes=None, **more):
        data = {**self.data, **(changes or {}), **more}
        self.answer = self.client.post(URL, {name: value for name, value in data.items() if value is not None})
        return self

    def add(self, of, changes=None):
        return self.send({**(changes or {}), "add": of, "do": "add"})


@pytest.fixture
def page(client, alice):  # noqa: F811
    client.force_login(alice)
    return Page(client)


def titled(page):
    return [unescape(text) for text in re.findall(r"<h2>(\d\. [^<]+)</h2>", page.html)]


def text_file(name="a.txt", content=b"hello"):
    return SimpleUploadedFile(name, content)


class TestRows:
    def test_it_begins_with_the_ready_ones_and_a_first_step(self, page):
        assert 'href="/workflows/new/photos"' in page.html and "what comes first?" in page.html
        assert "Send a parcel" in page.html and "Open the vault" not in page.html and "Celery tasks" not in page.html

    def test_steps_are_added_moved_and_taken_off(self, page):
        page.add("kind:test-parcel").add("kind:add", {"s1-p-text": "Kept & kept"}).add("kind:sleep")
        assert titled(page) == ["1. Send a parcel", "2. Add", "3. Sleep"]
        page.send(do="up:3")
        assert titled(page) == ["1. Send a parcel", "2. Sleep", "3. Add"]
        page.send(do="remove:2")
        assert titled(page) == ["1. Send a parcel", "2. Sleep"]
        page.send(do="remove:1")
        assert titled(page) == ["1. Sleep"]
        assert page.data["s3-when"] == ["after"], "the first is asked no more when it runs"

    def test_it_takes_fifty_steps_of_the_longest_form(self, page):
        page.add("kind:image").add("kind:image")
        second = {name: values for name, values in page.data.items() if name.startswith("s2-")}
        rest = range(3, MOST_STEPS)
        many = {name.replace("s2-", f"s{step}-", 1): values for step in rest for name, values in second.items()}
        page.add("kind:image", many | {"step": [str(step) for step in range(1, MOST_STEPS)]})
        assert len(page.data["step"]) == MOST_STEPS and sum(map(len, page.data.values())) > 1000
        assert "This form takes 50 steps" in page.add("kind:image").html

    def test_what_was_typed_stays(self, page):
        page.add("kind:test-parcel")
        page.add("kind:add", {"s1-p-text": "Kept & <kept>", "s1-p-ways": ["b"], "s1-p-express": None})
        assert page.data["s1-p-text"] == ["Kept & <kept>"]
        assert page.data["s1-p-ways"] == ["b"] and "s1-p-express" not in page.data
        assert "Please put this right" not in page.html, "nobody has sent it yet"

    def test_only_the_step_at_hand_is_open(self, page):
        page.add("kind:add").add("kind:sleep")
        assert re.findall(r'<details class="narrow flow-part" id="(step-\d)"[^>]* open>', page.html) == ["step-2"]

    def test_uploaded_files_stay_and_are_used(self, page):
        page.add("kind:test-parcel")
        page.add("kind:add", {"s1-p-text": "x", "s1-p-things": text_file()})
        stored = Artifact.objects.get()
        assert page.data["s1-p-things__kept"] == [stored.id]
        page.send()
        assert Job.objects.get(kind="test-parcel").params["things"][0]["artifact"] == stored.id
        assert Artifact.objects.filter(job__kind="test-parcel", name="a.txt").count() == 1

    def test_files_are_stored_as_they_are_chosen(self, page, client):
        answer = client.post(
            "/workflows/upload?of=kind:test-parcel&step=4", {"field": "things", "file": text_file("b.txt")}
        )
        assert 'name="s4-p-things__kept"' in answer.text and "b.txt" in answer.text
        assert client.post("/workflows/upload?of=kind:test-vault&step=4", {"field": "x"}).status_code == 404
        assert client.post("/workflows/upload?of=kind:test-parcel&step=x", {"field": "things"}).status_code == 404

    def test_secrets_stay_without_being_shown(self, page):
        page.add("kind:test-parcel").add("kind:add", {"s1-p-text": "x", "s1-p-code": "hunter2"})
        assert "hunter2" not in page.html
        page.send()
        assert decrypt(Job.objects.get(kind="test-parcel").params["code"]) == "hunter2"

    def test_a_secret_that_is_no_ciphertext_of_ours_is_none(self, page):
        page.add("kind:test-parcel").send({"s1-p-text": "x", "s1-p-code__secret": "encrypted:nonsense"})
        assert not Job.objects.get().params["code"]

    @pytest.mark.parametrize("of", ["kind:nothing", "kind:test-vault", "task:celery.backend_cleanup", "", "x"])
    def test_what_one_may_not_submit_is_no_step(self, page, of):
        page.add(of)
        assert "Choose what the next step is to do." in page.html and not titled(page)

    def test_numbers_that_are_none_are_left_out(self, page):
        page.add("kind:add")
        page.send({"step": ["1", "1", "x", "9" * 500], "s" + "9" * 500 + "-of": "kind:add", "do": "add", "add": "x"})
        assert titled(page) == ["1. Add"]


class TestSubmitted:
    def shape(self):
        """{title: titles that it waits for}"""
        found = {title: [] for title in Job.objects.values_list("title", flat=True)}
        for before, after in Edge.objects.order_by("position").values_list("before__title", "after__title"):
            found[after].append(before)
        return found

    def five(self, page, *whens):
        for number, when in enumerate(("after", *whens), 1):
            page.add("kind:add")
            page.send({f"s{number}-title": f"S{number}", f"s{number}-when": when, "do": ""})
        page.send()
        assert page.answer.url == Workflow.objects.get().get_absolute_url()
        return self.shape()

    def test_one_after_the_other(self, page):
        assert self.five(page, "after", "after") == {"S1": [], "S2": ["S1"], "S3": ["S2"]}

    def test_side_by_side_and_then_one_for_all(self, page):
        shape = self.five(page, "after", "beside", "beside", "after")
        assert shape == {"S1": [], "S2": ["S1"], "S3": ["S1"], "S4": ["S1"], "S5": ["S2", "S3", "S4"]}

    def test_a_branch_of_several_steps(self, page):
        shape = self.five(page, "branch", "beside", "branch", "after")
        assert shape == {"S1": [], "S2": ["S1"], "S3": [], "S4": ["S3"], "S5": ["S2", "S4"]}

    def test_everything_arrives(self, page, alice):  # noqa: F811
        page.add("kind:test-parcel").send({
            "s1-p-text": "Hello", "s1-p-weight": "7", "s1-p-express": None, "s1-p-ways": [], "s1-priority": "high",
            "workflow-title": "Mine", "workflow-on_failure": "skip",
        })  # fmt: skip
        workflow, job = Workflow.objects.get(), Job.objects.get()
        assert (workflow.title, workflow.on_failure, workflow.via, workflow.owner) == (
            "Mine", OnFailure.SKIP, "form", alice,
        )  # fmt: skip
        assert job.params == {"text": "Hello", "weight": 7, "code": "", "express": False, "ways": [], "things": []}
        assert (job.priority, job.due_at) == (3, None)

    def test_it_may_start_later(self, page):
        page.add("kind:add").send({"workflow-start": "later", "workflow-due_at": "2099-01-01T10:00"})
        assert Job.objects.get().due_at.year == 2099

    def test_fields_take_what_the_step_before_gives(self, page):
        page.add("kind:add").add("kind:add").send({"s2-p-x": "${result}", "s2-p-y": "4", "s2-needs": "some"})
        step = Step.objects.get(job__blocked=True)
        assert (step.template["x"], step.template["y"], step.needs) == ("${result}", "4", "some")

    def test_files_of_the_step_before(self, page):
        page.add("kind:add").add("kind:test-parcel")
        page.send({"s2-p-text": "x", "s2-p-things__from": "on", "s2-p-things__names": "*.txt"})
        step = Step.objects.get(job__kind="test-parcel")
        assert (step.template["things"], step.each) == ("${files:*.txt}", "")

    @pytest.mark.parametrize(("names", "each"), [("", "${files}"), ("*.txt", "${files:*.txt}")])
    def test_once_for_each_of_these_files(self, page, names, each):
        page.add("kind:add").add("kind:test-parcel")
        page.send({"s2-p-text": "x", "s2-p-things__from": "on", "s2-p-things__names": names, "s2-runs": "files"})
        step = Step.objects.get(job__kind="test-parcel")
        assert (step.template["things"], step.each) == ("${item}", each)

    def test_once_for_each_of_a_list(self, page):
        page.add("kind:add").add("kind:add").send({"s2-runs": "list", "s2-each": "${result.rows}"})
        assert Step.objects.get(job__blocked=True).each == "${result.rows}"

    def test_pressed_twice_it_is_one_workflow(self, page):
        page.add("kind:test-parcel")
        data = {**page.data, "s1-p-text": "x", "s1-p-code": "hunter2"}
        urls = {page.client.post(URL, data).url for _ in range(2)}
        assert urls == {Workflow.objects.get().get_absolute_url()}

    def test_sent_again_with_other_values_it_is_another_or_none(self, page):
        page.add("kind:add")
        data = page.data
        page.client.post(URL, data)
        answer = page.client.post(URL, {**data, "s1-p-x": "9"})
        assert answer.status_code == 422 and "sent before with other values" in answer.text

    def test_tasks_that_are_no_kinds_for_operators(self, client, olga):  # noqa: F811
        client.force_login(olga)
        page = Page(client)
        page.add("task:tests.unit.foreign_tasks.add").add("task:tests.unit.foreign_tasks.typed", {"s1-p-x": "3"})
        page.send({"s2-p-count": "${result}", "s2-p-name": "n"})
        first, second = Job.objects.order_by("seq")
        assert first.params == {"args": [], "kwargs": {"x": 3, "y": 2}}
        assert second.step.immutable and second.step.template["kwargs"]["count"] == "${result}"


class TestErrors:
    def test_they_stand_beside_the_field_of_their_step(self, page):
        page.add("kind:add").add("kind:test-parcel").add("kind:test-parcel")
        page.send({
            "s2-when": "after", "s2-p-text": "", "s2-p-weight": "0", "s3-when": "beside", "s3-p-text": "x" * 41,
            "s3-p-weight": "${result}",
        })  # fmt: skip
        assert page.answer.status_code == 422 and not Workflow.objects.exists()
        assert "Fill this in." in page.html.split('id="id_s2-p-text_error"')[1].split("</div>")[0]
        assert "greater than or equal to 1" in page.html.split('id="id_s2-p-weight_error"')[1].split("</div>")[0]
        assert "at most 40 characters" in page.html.split('id="id_s3-p-text_error"')[1].split("</div>")[0]
        assert re.findall(r'<details class="narrow flow-part" id="(step-\d)"[^>]* open>', page.html) == [
            "step-2", "step-3",
        ]  # fmt: skip
        assert page.data["s3-p-weight"] == ["${result}"], "what was typed stays"
        page.send({"s2-p-text": "a", "s2-p-weight": "1", "s3-p-text": "b"})
        assert Workflow.objects.exists()

    def test_of_the_steps_own_options(self, page):
        page.add("kind:add").add("kind:add").send({"s2-runs": "list", "s2-each": ""})
        assert "Say which list" in page.html
        page.send({"s2-each": "${nonsense}"})
        assert page.answer.status_code == 422 and "${nonsense} is unknown" in page.html

    def test_of_the_first_step_that_has_none_before_it(self, page):
        page.add("kind:test-parcel").send({"s1-p-text": "See ${link}"})
        assert "none comes before this one" in page.html

    @pytest.mark.parametrize("text", ["a\0b", "${result}\0"])
    def test_of_what_no_database_keeps(self, page, text):
        page.add("kind:add").add("kind:test-parcel").send({"s2-p-text": text})
        assert page.answer.status_code == 422
        assert "Null characters are not allowed." in page.html.split('id="id_s2-p-text_error"')[1].split("</div>")[0]

    def test_of_the_whole(self, page):
        page.add("kind:add").send({"workflow-start": "later", "workflow-due_at": ""})
        assert page.answer.status_code == 422 and "Say when: a day and a time." in page.html

    def test_files_that_do_not_fit(self, page):
        page.add("kind:test-parcel").send({"s1-p-text": "x", "s1-p-things": text_file("a.exe")})
        assert page.answer.status_code == 422 and "expected a file that ends in .txt" in page.html
        assert not Artifact.objects.exists()

    def test_files_of_ones_own_or_of_the_step_before(self, page):
        page.add("kind:add").add("kind:test-parcel")
        page.send({"s2-p-text": "x", "s2-p-things": text_file(), "s2-p-things__from": "on"})
        assert page.answer.status_code == 422 and "take one off" in page.html

    def test_arguments_of_a_task(self, client, olga):  # noqa: F811
        client.force_login(olga)
        page = Page(client).add("task:tests.unit.foreign_tasks.typed").send({"s1-p-count": "one", "s1-p-name": "n"})
        assert page.answer.status_code == 422 and "Enter a whole number." in page.html

    def test_more_than_the_owner_may_have(self, page, settings):
        settings.QUOTA_UNFINISHED = 1
        page.add("kind:add").add("kind:add").send()
        assert page.answer.status_code == 422 and not Workflow.objects.exists()

    def test_nothing_at_all(self, page):
        page.send()
        assert page.answer.status_code == 422 and not Workflow.objects.exists()


class TestOutline:
    def test_the_drawing_follows_the_form_without_storing_anything(self, page, client):
        page.add("kind:test-parcel").add("kind:add").add("kind:sleep")
        data = {**page.data, "s3-when": "beside", "s2-title": "Sum", "s1-p-things": text_file()}
        html = client.post("/workflows/outline", data).text
        places = dict(re.findall(r'x="(\d+)"[^>]*><a class="flow-box" href="#step-\d" title="(\w+)', html))
        assert re.findall(r'href="#(step-\d)"', html) == ["step-1", "step-2", "step-3"]
        assert len(places) == 2, "the second and the third stand in one column"
        assert not Artifact.objects.exists()

    def test_others_may_not(self, client):
        assert client.post("/workflows/outline").url.startswith("/login")
        assert client.get(URL).url.startswith("/login")
