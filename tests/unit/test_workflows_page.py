"""The pages Workflows and Workflow, and what a step's own page says of its workflow."""

import re
from datetime import timedelta
from itertools import chain, pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.core.errors import Refused
from jobs.core.states import State
from jobs.models import AuditEntry, Edge, Job, Workflow
from jobs.web.pages.rows import Row
from jobs.web.pages.workflow_graph import MOST_BOXES, boxes_of, draw
from jobs.workflows import listing
from jobs.workflows.build import submit_workflow
from jobs.workflows.outlook import Graph, graph_of
from tests.unit.job_rows import alice, bob, make_job, olga, run_hash, users  # noqa: F401

pytestmark = pytest.mark.django_db


def add(title, **more):
    return {"kind": "add", "params": {"x": 1, "y": 2}, "title": title, **more}


def forty(user=None, on_failure="skip"):
    group = [{"kind": "multiply", "params": {"x": 1, "y": 1}} for _ in range(40)]
    steps = [add("First"), {"group": group}, add("Last")]
    return submit_workflow({"title": "Forty", "on_failure": on_failure, "chain": steps}, user=user)


def end(jobs, state="SUCCESS", **more):
    jobs.update(state=state, blocked=False, **more)


def show(client, user, workflow, suffix="/", **query):
    client.force_login(user)
    answer = client.get(f"/workflows/{workflow.pk}{suffix}", query)
    assert answer.status_code == 200
    return answer.text


def boxes(workflow):
    graph = graph_of(workflow)
    return boxes_of(graph, {job.pk: Row(job) for job in graph.jobs})


class TestList:
    def test_owners_see_theirs_and_operators_all(self, client, alice, bob, olga):  # noqa: F811
        for user in (alice, bob):
            submit_workflow({"title": f"Of {user}", "chain": [add("One")]}, user=user)
        seen = {}
        for user in (alice, bob, olga):
            client.force_login(user)
            seen[user] = set(re.findall(r"Of \w+", client.get("/workflows").text))
        assert seen == {alice: {"Of alice"}, bob: {"Of bob"}, olga: {"Of alice", "Of bob"}}

    def test_a_row_tells_steps_failures_and_state(self, client, olga):  # noqa: F811
        workflow = forty(olga)
        end(workflow.jobs.filter(kind="multiply"))
        end(Job.objects.filter(pk__in=workflow.jobs.filter(kind="multiply").values("pk")[:4]), "FAILURE", error="no")
        client.force_login(olga)
        html = client.get("/workflows").text
        assert "40 of 42" in html and ">4<" in html and 'data-state="running"' in html
        assert html.count("<tr data-key") == client.get("/workflows/rows").text.count("<tr data-key") == 1

    def test_nothing_yet_leads_to_the_ready_ones(self, client, alice):  # noqa: F811
        client.force_login(alice)
        html = client.get("/workflows").text
        assert "Nothing of several steps has run yet." in html
        assert 'href="/workflows/new/photos"' in html and 'href="/workflows/new"' in html

    def test_pages_lead_there_and_back(self, client, alice):  # noqa: F811
        names = [f"W{number:03}" for number in range(listing.LIMIT * 2 + 3)]
        for name in names:
            submit_workflow({"title": name, "chain": [add("One")]}, user=alice)
        # As a batch would leave them: the place among those of one moment is the id's.
        Workflow.objects.filter(title__in=names[10:80]).update(created=Workflow.objects.get(title="W040").created)
        client.force_login(alice)
        pages, url = [], "/workflows"
        while url:
            html = client.get(url).text
            pages.append(re.findall(r"W\d{3}", html))
            url = next(iter(re.findall(r'rel="next" href="([^"]+)"', html)), "")
        assert [len(page) for page in pages] == [50, 50, 3]
        assert len(set(chain.from_iterable(pages))) == len(names)
        newer = re.findall(r'rel="prev" href="([^"]+)"', html)[0]
        assert re.findall(r"W\d{3}", client.get(newer).text) == pages[1]

    def test_the_cost_does_not_grow_with_the_rows(self, client, alice):  # noqa: F811
        client.force_login(alice)
        counts, over = [], timezone.now() + timedelta(minutes=90, seconds=59)
        for _ in range(2):
            for _ in range(5):
                submit_workflow({"chain": [add("One"), add("Two")]}, user=alice)
            end(Job.objects.all(), finished_at=over)
            with CaptureQueriesContext(connection) as queries:
                html = client.get("/workflows/rows").text
            assert html.count(">1 h 30<") == html.count("<tr data-key") > 0
            counts.append(len(queries))
        assert counts[0] == counts[1]

    @pytest.mark.parametrize("cursor", ["x", "é", "b3guYQ", "eDEuYQ", "bzEuYQA"])
    def test_a_wrong_cursor_begins_at_the_newest(self, client, alice, cursor):  # noqa: F811
        with pytest.raises(Refused):
            listing.page(alice, cursor)
        client.force_login(alice)
        assert client.get("/workflows", {"cursor": cursor}).url == "/workflows"

    def test_submitters_find_it_in_the_nav_once_they_have_one(self, client, alice):  # noqa: F811
        client.force_login(alice)
        assert "My workflows" not in client.get("/jobs").text
        submit_workflow({"chain": [add("One")]}, user=alice)
        assert "My workflows" in client.get("/jobs").text


class TestAccess:
    @pytest.mark.parametrize("suffix", ["/", "/live"])
    def test_it_is_nobodys_business_but_its_owners_and_operators(self, client, alice, bob, olga, suffix):  # noqa: F811
        workflow = forty(alice)
        for user, status in ((alice, 200), (olga, 200), (bob, 404)):
            client.force_login(user)
            answer = client.get(f"/workflows/{workflow.pk}{suffix}")
            assert answer.status_code == status
            assert status == 200 or "Forty" not in answer.text
        client.logout()
        assert client.get(f"/workflows/{workflow.pk}{suffix}").url.startswith("/login")

    @pytest.mark.parametrize("action", ["cancel", "retry"])
    def test_actions_are_refused_to_others(self, client, alice, bob, action):  # noqa: F811
        workflow = forty(alice)
        before = AuditEntry.objects.count()
        client.force_login(bob)
        assert client.post(f"/workflows/{workflow.pk}/{action}").status_code == 404
        assert client.get(f"/workflows/{workflow.pk}/{action}").status_code == 405
        assert AuditEntry.objects.count() == before


class TestPage:
    def test_a_chain_reads_from_left_to_right(self, client, olga):  # noqa: F811
        workflow = submit_workflow({"title": "Three", "chain": [add("A"), add("B"), add("C")]}, user=olga)
        html = show(client, olga, workflow)
        drawn = re.findall(r'<foreignObject data-key="\S+" x="(\d+)".*?href="(\S+)" title="(\w)"', html)
        assert [title for _, _, title in drawn] == ["A", "B", "C"]
        assert [int(x) for x, _, _ in drawn] == sorted({int(x) for x, _, _ in drawn})
        assert [url for _, url, _ in drawn] == [job.get_absolute_url() for job in workflow.jobs.order_by("seq")]
        assert "0 of 3 steps" in html and "If a step fails: end the whole workflow." in html

    def test_what_is_not_due_yet_says_when_it_starts(self, client, olga):  # noqa: F811
        due = timezone.now() + timedelta(hours=3)
        workflow = submit_workflow({"title": "Later", "due_at": due, "chain": [add("A"), add("B")]}, user=olga)
        html = show(client, olga, workflow)
        assert 'data-state="scheduled"' in html.split("<progress")[0] and "Starts" in html
        assert 'data-state="scheduled"' in client.get("/workflows").text
        workflow.jobs.filter(title="A").update(due_at=timezone.now())
        assert 'data-state="queued"' in show(client, olga, workflow).split("<progress")[0]
        assert 'data-state="queued"' in client.get("/workflows").text

    def test_steps_that_are_alike_are_one_box_with_their_counts(self, client, olga):  # noqa: F811
        workflow = forty(olga)
        many = workflow.jobs.filter(kind="multiply").order_by("seq")
        end(workflow.jobs.filter(title="First"))
        end(many)
        failed = many[3]
        end(many.filter(pk=failed.pk), "FAILURE", error="The picture is damaged.")
        html = show(client, olga, workflow)
        assert html.count("<foreignObject") == 3
        assert html.count("39 done, 1 failed") == 2, "in the drawing, and in the list"
        inside = html.split("<details")[1].split("</details>")[0]
        assert re.findall(r'href="(/jobs/[^"]+)"', inside)[0] == failed.get_absolute_url(), "what failed comes first"

    def test_of_very_many_the_most_urgent_are_listed_and_all_on_request(self, client, olga):  # noqa: F811
        group = [{"kind": "multiply", "params": {"x": 1, "y": 1}} for _ in range(60)]
        workflow = submit_workflow({"title": "Sixty", "group": group}, user=olga)
        html = show(client, olga, workflow)
        assert html.count('class="flow-step" data-key="job-') == 50
        key = re.findall(r"\?group=(step-\d+)#", html)[0]
        assert show(client, olga, workflow, group=key).count('class="flow-step" data-key="job-') == 60

    def test_what_failed_is_told_first_and_once_for_each_error(self, client, olga):  # noqa: F811
        workflow = forty(olga)
        end(workflow.jobs.filter(kind="multiply"), "FAILURE", error="Disk full")
        end(workflow.jobs.filter(title="First"), "FAILURE", error="No such zip")
        html = show(client, olga, workflow)
        told = html.split('aria-label="Failed steps"')[1].split("</ul>")[0]
        assert told.count("Disk full") == told.count("No such zip") == 1
        assert "And 39 more like this." in told
        assert html.index("Failed steps") < html.index('<svg class="flow"')

    def test_one_bar_counts_what_has_ended_and_half_of_what_is_half_done(self, client, olga):  # noqa: F811
        workflow = submit_workflow({"title": "Four", "chain": [add(name) for name in "ABCD"]}, user=olga)
        first, second = workflow.jobs.order_by("seq")[:2]
        end(workflow.jobs.filter(pk=first.pk))
        workflow.jobs.filter(pk=second.pk).update(blocked=False)
        run_hash(second, current=1, total=2)
        html = show(client, olga, workflow)
        assert re.search(r'<progress max="1" value="0\.3750" aria-label="Progress of the whole', html)
        assert "<title>37% Four</title>" in html and "1 of 4 steps" in html

    def test_cancelling_is_said_until_all_have_ended(self, client, olga):  # noqa: F811
        workflow = forty(olga)
        client.force_login(olga)
        client.post(f"/workflows/{workflow.pk}/cancel")
        html = client.get(workflow.get_absolute_url()).text
        assert "disabled>Cancelling" in html and f"/workflows/{workflow.pk}/cancel" not in html
        end(workflow.jobs.all(), "REVOKED")
        html = client.get(workflow.get_absolute_url()).text
        assert "Cancelling" not in html and "Retry from failed step" in html
        answer = client.post(f"/workflows/{workflow.pk}/cancel", follow=True)
        assert "All of its jobs have ended already." in answer.text

    def test_retry_starts_what_failed_and_what_came_after_it(self, client, olga):  # noqa: F811
        workflow = submit_workflow({"title": "Two", "chain": [add("A"), add("B")]}, user=olga)
        client.force_login(olga)
        answer = client.post(f"/workflows/{workflow.pk}/retry", follow=True)
        assert "Only a workflow of which steps have failed" in answer.text
        end(workflow.jobs.filter(title="A"), "FAILURE", error="no")
        end(workflow.jobs.filter(title="B"), "REVOKED", error="Skipped: “A” did not succeed.")
        assert "Skipped: “A” did not succeed." in show(client, olga, workflow)
        answer = client.post(f"/workflows/{workflow.pk}/retry", follow=True)
        assert "2 steps started again." in answer.text
        assert set(workflow.jobs.values_list("state", "attempt")) == {("PENDING", 2)}

    def test_celerys_own_canvas_says_who_steers_it(self, client, olga):  # noqa: F811
        workflow = Workflow.objects.create(title="Canvas", owner=olga, via="celery", is_canvas=True)
        make_job(state="FAILURE", workflow=workflow, kind="shop.pay", is_kind=False)
        html = show(client, olga, workflow)
        assert "Celery code ties these tasks" in html and "If a step fails" not in html
        assert "Retry from failed step" not in html

    def test_the_cost_does_not_grow_with_the_steps(self, client, olga):  # noqa: F811
        counts = []
        for number in (3, 60):
            steps = [{"group": [add(f"S{at}") for at in range(number)]}, add("Last")]
            workflow = submit_workflow({"chain": steps}, user=olga)
            end(workflow.jobs.all(), "FAILURE", error="x")
            client.force_login(olga)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                client.get(f"/workflows/{workflow.pk}/live")
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_the_fragment_names_the_jobs_to_follow_until_all_have_ended(self, client, olga):  # noqa: F811
        workflow = submit_workflow({"title": "Two", "chain": [add("A"), add("B")]}, user=olga)
        first, second = workflow.jobs.order_by("seq")
        end(workflow.jobs.filter(pk=first.pk))
        html = show(client, olga, workflow, "/live")
        assert f'data-ids="{second.id} {first.id}"' in html and "data-final" not in html and "<html" not in html
        end(workflow.jobs.all())
        assert "data-final" in show(client, olga, workflow, "/live")


class TestDrawing:
    def test_the_same_chains_side_by_side_fold_step_by_step(self, olga):  # noqa: F811
        chains = [{"chain": [add("S"), {"kind": "multiply", "params": {"x": 1, "y": 1}}]} for _ in range(8)]
        workflow = submit_workflow({"chain": [{"group": chains}, add("Last")]}, user=olga)
        found = boxes(workflow)
        assert [(box.title, box.column) for box in found] == [("S ×8", 0), ("Multiply ×8", 1), ("Last", 2)]
        assert [len(box.before) for box in found] == [0, 1, 1]

    def test_few_of_a_kind_stand_alone(self, olga):  # noqa: F811
        workflow = submit_workflow({"group": [add("A"), add("B"), add("C")]}, user=olga)
        assert [box.title for box in boxes(workflow)] == ["A", "B", "C"]

    def test_kinds_or_places_that_differ_do_not_fold(self, olga):  # noqa: F811
        group = [add(f"A{at}") for at in range(7)] + [{"chain": [add(f"B{at}"), add(f"C{at}")]} for at in range(7)]
        workflow = submit_workflow({"chain": [{"group": group}, add("Last")]}, user=olga)
        assert sorted(box.title for box in boxes(workflow)) == ["Add ×7", "Add ×7", "Add ×7", "Last"]

    def test_an_edge_passes_beside_the_boxes_between_its_ends(self, olga):  # noqa: F811
        group = [{"chain": [add("A"), add("B")]}, add("C")]
        workflow = submit_workflow({"chain": [{"group": group}, add("Last")]}, user=olga)
        drawing = draw(boxes(workflow))
        passing = next(place for place in drawing.places if place.box is None)
        beside = next(place for place in drawing.boxes if place.box.title == "B")
        assert passing.column == beside.column == 1
        assert not beside.y < passing.middle < beside.y + beside.height

    def test_no_two_places_of_a_column_overlap(self, olga):  # noqa: F811
        group = [{"chain": [add(f"A{at}{step}") for step in range(at + 1)]} for at in range(5)]
        workflow = submit_workflow({"chain": [add("First"), {"group": group}, add("Last")]}, user=olga)
        drawing = draw(boxes(workflow))
        columns = {}
        for place in drawing.places:
            columns.setdefault(place.column, []).append((place.y, place.y + place.height))
        for spans in columns.values():
            spans.sort()
            assert all(before[1] <= after[0] for before, after in pairwise(spans))
            assert spans[0][0] >= 0 and spans[-1][1] <= drawing.height

    def test_too_many_boxes_are_a_list_only(self):
        jobs = [Job(pk=at, kind=f"k{at}", title="t", state=State.PENDING) for at in range(MOST_BOXES + 1)]
        rows = {job.pk: Row(job) for job in jobs}
        assert draw(boxes_of(Graph(jobs, {}), rows)) is None
        assert draw(boxes_of(Graph(jobs[:-1], {}), rows)) is not None


class TestStep:
    def test_its_page_names_the_workflow_and_what_it_waits_for(self, client, alice):  # noqa: F811
        workflow = submit_workflow({"title": "Two", "chain": [{"group": [add("A"), add("B")]}, add("C")]}, user=alice)
        job = workflow.jobs.get(title="C")
        client.force_login(alice)
        html = client.get(job.get_absolute_url()).text
        assert f'<a href="/workflows/{workflow.pk}/">Two</a>' in html
        assert "Waits for “A”, “B”." in html
        end(workflow.jobs.filter(title="A"))
        assert "Waits for “B”." in client.get(job.get_absolute_url()).text

    def test_very_many_are_not_all_named(self, client, alice):  # noqa: F811
        client.force_login(alice)
        html = client.get(forty(alice).jobs.get(title="Last").get_absolute_url()).text
        assert "Waits for “Multiply” ×40." in html
        group = [add(f"S{number}") for number in range(9)]
        workflow = submit_workflow({"chain": [{"group": group}, add("End")]}, user=alice)
        html = client.get(workflow.jobs.get(title="End").get_absolute_url()).text
        assert "Waits for “S0”, “S1”, “S2”, “S3”, “S4” and more." in html

    def test_it_is_retried_in_its_workflow(self, client, alice):  # noqa: F811
        workflow = submit_workflow({"title": "One", "chain": [add("A")]}, user=alice)
        end(workflow.jobs.all(), "FAILURE", error="no")
        job = workflow.jobs.get()
        client.force_login(alice)
        html = client.get(job.get_absolute_url()).text
        assert f"/jobs/{job.id}/retry" not in html
        assert re.search(rf'href="/workflows/{workflow.pk}/"[^>]*>Retry in its workflow', html)

    def test_the_list_of_jobs_says_that_it_waits(self, client, alice):  # noqa: F811
        submit_workflow({"title": "Two", "chain": [add("A"), add("B")]}, user=alice)
        assert Edge.objects.count() == 1
        client.force_login(alice)
        assert client.get("/jobs").text.count("Waits for the steps before it") == 1
