"""The REST contract against the running server: polls, events, submissions, actions, with workers at work."""

import json
import socket
import threading
import time

import httpx
import pytest

from jobs.models import Job
from tests.system.foreign.gates import let_on
from tests.system.rest import finish, follow, is_problem, recorded, running, state_of, submit
from tests.system.stack import at_best, wait_for
from tests.unit.images import bomb, packed


class TestPolling:
    def test_an_unchanged_job_costs_no_body_and_says_when_to_ask_again(self, stack, api):
        job = running(api)
        first = api.get(f"jobs/{job['id']}")
        assert int(first.headers["Retry-After"]) >= 1
        again = api.get(f"jobs/{job['id']}", headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304 and again.content == b""
        assert again.headers["ETag"] == first.headers["ETag"] and "Retry-After" in again.headers
        api.post(f"jobs/{job['id']}/cancel")
        end = follow(api, job)[-1]
        final = api.get(f"jobs/{end['id']}", headers={"If-None-Match": first.headers["ETag"]})
        assert final.status_code == 200 and "Retry-After" not in final.headers

    def test_a_long_poll_is_held_while_nothing_changes_and_answers_as_soon_as_something_does(self, stack, api):
        def held():
            """[s] that a poll of 2 s takes while nothing happens."""
            job = running(api)
            etag = api.get(f"jobs/{job['id']}").headers["ETag"]
            began = time.monotonic()
            answer = api.get(f"jobs/{job['id']}?wait=2", headers={"If-None-Match": etag})
            seconds = time.monotonic() - began
            assert answer.status_code == 304 and seconds > 1.9
            api.post(f"jobs/{job['id']}/cancel")
            return seconds

        def told():
            """[s] from a cancel to the answer of a poll that waits for it."""
            job, answers = running(api), []
            etag = api.get(f"jobs/{job['id']}").headers["ETag"]

            def poll():
                with stack.api() as client:
                    answer = client.get(f"jobs/{job['id']}?wait=30", headers={"If-None-Match": etag})
                    answers.append((answer, time.monotonic()))

            waiting = threading.Thread(target=poll)
            waiting.start()
            # Held: it has not answered while nothing has happened.
            waiting.join(1)
            assert waiting.is_alive() and not answers
            cancelled = time.monotonic()
            assert api.post(f"jobs/{job['id']}/cancel").status_code == 202
            waiting.join(30)
            ((answer, when),) = answers
            assert answer.status_code == 200 and answer.headers["ETag"] != etag
            assert answer.json()["cancelling"] or answer.json()["state"] == "REVOKED"
            return when - cancelled

        at_best(held, 5, "seconds that a poll of 2 s is held")
        at_best(told, 3, "seconds until a waiting poll is told")

    def test_progress_is_polled_while_the_job_runs(self, stack, api):
        job = submit(api, "stepped", gate="polled", steps=2)
        let_on("polled")
        seen = wait_for(lambda: (now := api.get(f"jobs/{job['id']}").json())["progress"] and now, 20, "progress")
        assert (seen["state"], seen["progress"]["current"], seen["progress"]["total"]) == ("STARTED", 1, 2)
        let_on("polled", 2)
        assert follow(api, job)[-1]["state"] == "SUCCESS"

    def test_bad_waits_are_refused_by_name(self, stack, api):
        job = submit(api, "add")
        for wait in ("soon", "-1", "61", "nan"):
            assert "wait" in is_problem(api.get(f"jobs/{job['id']}?wait={wait}"), 422)["errors"]

    def test_a_finished_job_has_its_result_and_times(self, stack, api):
        job = finish(api, "add", x=20, y=22)
        assert (job["state"], job["result"], job["outcome"], job["error"]) == ("SUCCESS", 42.0, "42.0", None)
        # Redis told of the end; SQL's record of it brings the other times.
        times = wait_for(lambda: (found := api.get(f"jobs/{job['id']}").json()["times"])["started"] and found, 5)
        assert times["created"] <= times["published"] <= times["started"] <= times["finished"]
        failed = finish(api, "flaky", permanent=True)
        assert failed["state"] == "FAILURE" and failed["error"]["type"] == "PermanentError"


class TestEvents:
    @staticmethod
    def listen(stack, token=None, until=lambda event: False, last_id="", ready=None, seconds=30):
        """(id, data) of the job events of a stream until one is `until`."""
        headers = {"Authorization": f"Bearer {token or stack.token}"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        found, event = [], {}
        deadline = time.monotonic() + seconds
        with httpx.stream("GET", f"{stack.url}/api/v1/events", headers=headers, timeout=20) as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            for line in stream.iter_lines():
                assert time.monotonic() < deadline, found
                if ready is not None:
                    ready.set()
                name, _, value = line.partition(": ")
                if name:
                    event[name] = value
                    continue
                if event.get("event") == "job":
                    found.append((event["id"], json.loads(event["data"])))
                    if until(found[-1][1]):
                        return found
                event = {}
        return found

    def test_every_state_arrives_with_an_id_and_what_was_missed_is_replayed(self, stack, api):
        ready, found = threading.Event(), []
        last = {}

        def is_end(event):
            return bool(last) and event["id"] == last["id"] and event["state"] == "SUCCESS"

        def goes_on(event):
            """Whether it is the end; what came before lets the job do its next step."""
            if event["id"] == last.get("id") and event["progress"]:
                let_on("events", event["progress"]["current"] + 1)
            return is_end(event)

        listener = threading.Thread(target=lambda: found.extend(self.listen(stack, until=goes_on, ready=ready)))
        listener.start()
        assert ready.wait(10)
        job = submit(api, "stepped", gate="events", steps=4)
        last.update(job)
        let_on("events")
        listener.join(30)
        mine = [(id, event) for id, event in found if event["id"] == job["id"]]
        states = [event["state"] for _, event in mine]
        assert states[-1] == "SUCCESS" and "STARTED" in states
        told = [event["progress"] for _, event in mine if event["progress"]]
        assert {1, 2, 3} <= {progress["current"] for progress in told}
        assert {progress["total"] for progress in told} == {4}
        keys = [tuple(map(int, id.split("-"))) for id, _ in mine]
        assert keys == sorted(set(keys))
        # Coming back with the first of them brings what followed it, ending with the last state.
        replayed = self.listen(stack, until=is_end, last_id=mine[0][0])
        assert (mine[-1][0], mine[-1][1]["state"]) in [(id, event["state"]) for id, event in replayed]
        assert mine[0][0] not in [id for id, _ in replayed]

    def test_others_jobs_are_not_heard_of(self, stack, api, alice, tokens):
        ready, found, mine = threading.Event(), [], {}

        def listen():
            end = lambda event: event["id"] == mine.get("id") and event["state"] == "SUCCESS"  # noqa: E731
            found.extend(self.listen(stack, tokens["alice"], end, ready=ready))

        listener = threading.Thread(target=listen)
        listener.start()
        assert ready.wait(10)
        theirs = finish(api, "add")
        mine.update(submit(alice, "stepped", gate="heard of"))
        let_on("heard of")
        listener.join(30)
        assert {event["id"] for _, event in found} == {mine["id"]}
        assert theirs["id"] not in str(found)

    def test_a_last_event_id_that_is_none_is_refused(self, stack, api):
        answer = api.get("events", headers={"Last-Event-ID": "yesterday"})
        assert "Last-Event-ID" in is_problem(answer, 422)["errors"]


class TestSubmitting:
    def test_the_same_key_and_body_answer_the_same_job_and_another_body_is_refused(self, stack, api):
        headers = {"Idempotency-Key": "order-4711"}
        body = {"kind": "add", "params": {"x": 1, "y": 2}}
        first = api.post("jobs", json=body, headers=headers)
        second = api.post("jobs", json=body, headers=headers)
        assert first.status_code == second.status_code == 202
        assert first.json()["id"] == second.json()["id"]
        is_problem(api.post("jobs", json={**body, "params": {"x": 3}}, headers=headers), 409)
        assert Job.objects.filter(idempotency_key="order-4711").count() == 1

    def test_the_same_key_sent_eight_times_at_once_makes_one_job(self, stack, api):
        answers = []

        def send():
            with stack.api() as client:
                answers.append(
                    client.post(
                        "jobs", json={"kind": "add", "params": {"x": 5}}, headers={"Idempotency-Key": "at-once"}
                    )
                )

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [answer.status_code for answer in answers] == [202] * 8, [a.text for a in answers]
        assert len({answer.json()["id"] for answer in answers}) == 1

    def test_bulk_is_all_or_none(self, stack, api):
        before = Job.objects.count()
        refused = api.post("jobs/bulk", json={"kind": "add", "items": [{"x": 1}, {"x": "one"}, {"z": 1}]})
        assert set(is_problem(refused, 422)["errors"]) == {"items[1].x", "items[2].z"}
        assert Job.objects.count() == before
        accepted = api.post("jobs/bulk", json={"kind": "add", "items": [{"x": n} for n in range(50)]})
        assert accepted.status_code == 202 and accepted.json()["count"] == 50
        ended = stack.wait([stack.job(id) for id in accepted.json()["ids"]])
        assert [job.outcome for job in ended] == [f"{n + 3}.0" for n in range(50)]

    def test_a_job_for_later_waits_and_says_so(self, stack, api):
        answer = api.post("jobs", json={"kind": "add", "due_at": "2099-01-01T00:00:00Z", "label": "In time"})
        job = answer.json()
        assert (job["shown"], job["title"], job["times"]["due"]) == ("scheduled", "In time", "2099-01-01T00:00:00.000Z")
        assert api.post(f"jobs/{job['id']}/cancel").json()["state"] == "REVOKED"

    @pytest.mark.parametrize("text", ["{", "[1]", '"add"', '{"kind": NaN}', '{"kind": "add", "kind": "sleep"}', "\xff"])
    def test_what_is_no_json_object_is_told(self, stack, api, text):
        answer = api.post("jobs", content=text.encode("latin-1"), headers={"Content-Type": "application/json"})
        is_problem(answer, 400)

    def test_two_gigabytes_are_refused_before_they_are_sent(self, stack):
        for kind in ("application/json", "multipart/form-data; boundary=x"):
            with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
                connection.sendall(
                    f"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {stack.token}\r\n"
                    f"Content-Type: {kind}\r\nContent-Length: {2 * 1024**3 + 1}\r\n\r\n{{".encode()
                )
                assert connection.recv(4096).startswith(b"HTTP/1.1 413"), kind

    def test_long_json_is_refused_before_it_is_sent(self, stack):
        with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
            connection.sendall(
                f"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {stack.token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {10**9}\r\n\r\n{{".encode()
            )
            assert connection.recv(4096).startswith(b"HTTP/1.1 413")

    def test_an_image_bomb_is_refused_alone_and_found_inside_a_zip(self, stack, api):
        content = bomb(60_000, 60_000)
        answer = api.post("jobs", data={"kind": "image", "format": "webp"}, files={"images": ("bomb.png", content)})
        errors = is_problem(answer, 422)["errors"]
        assert "megapixels" in str(errors["params.images"])
        hidden = finish(api, "image", files={"images": ("bombs.zip", packed({"bomb.png": content}))}, format="webp")
        assert hidden["state"] == "FAILURE" and hidden["attempt"] == 1
        assert "bomb.png" in hidden["error"]["message"] and "megapixels" in hidden["error"]["message"]

    def test_no_header_can_be_smuggled_into_a_message(self, stack, api):
        bad = {
            "to": "a@example.org\r\nBcc: b@example.org",
            "subject": "Hello\nBcc: b@example.org",
            "from_email": "x@example.org\r\nX-Evil: 1",
            "reply_to": "y@example.org\nX-Evil: 1",
        }
        for name, value in bad.items():
            params = {"to": "a@example.org", "subject": "S", "text": "T", name: value}
            errors = is_problem(api.post("jobs", json={"kind": "email", "params": params}), 422)["errors"]
            assert f"params.{name}" in errors

    def test_cancel_retry_and_rerun_are_accepted_or_refused_with_the_state(self, stack, api):
        job = running(api)
        asked = api.post(f"jobs/{job['id']}/cancel")
        assert asked.status_code == 202 and (asked.json()["cancelling"] or asked.json()["state"] == "REVOKED")
        assert follow(api, job)[-1]["state"] == "REVOKED"
        recorded(api, job)
        assert is_problem(api.post(f"jobs/{job['id']}/cancel"), 409)["state"] == "REVOKED"
        again = api.post(f"jobs/{job['id']}/retry")
        assert again.status_code == 202 and again.json()["id"] == job["id"]
        wait_for(lambda: state_of(api, job, "STARTED"), 20)
        assert is_problem(api.post(f"jobs/{job['id']}/retry"), 409)["state"] == "STARTED"
        rerun = api.post(f"jobs/{job['id']}/rerun", json={"params": {"seconds": 0.1}})
        assert rerun.status_code == 202 and rerun.json()["id"] != job["id"]
        assert follow(api, rerun.json())[-1]["result"] == {"slept": 0.1}
        api.post(f"jobs/{job['id']}/cancel")
        end = follow(api, job)[-1]
        assert (end["state"], end["attempt"]) == ("REVOKED", 2)

    def test_files_of_the_old_job_serve_the_rerun(self, stack, api):
        table = "email,name\na@example.org,Ada\n"
        old = finish(api, "email", files={"recipients": ("list.csv", table)}, subject="{{ name }}", text="T")
        new = api.post(f"jobs/{old['id']}/rerun", json={"params": {"subject": "Again, {{ name }}"}})
        assert follow(api, new.json())[-1]["result"]["sent"] == 1


def test_a_list_is_walked_page_by_page_without_gap_or_double(stack, api):
    made = api.post("jobs/bulk", json={"kind": "add", "items": [{"x": n} for n in range(50)], "label": "Pageable"})
    seen, cursor = [], None
    while True:
        query = {"q": "pageable", "limit": 7, **({"cursor": cursor} if cursor else {})}
        page = api.get("jobs", params=query).json()
        seen += [job["id"] for job in page["items"]]
        # What is submitted meanwhile moves nothing on the older pages.
        api.post("jobs", json={"kind": "add", "label": "Between"})
        cursor = page["next"]
        if not cursor:
            break
    assert seen == made.json()["ids"][::-1]
    finished = api.get("jobs", params={"state": "succeeded", "kind": "add", "limit": 1}).json()["items"]
    assert [job["kind"] for job in finished] == ["add"]
    assert "state" in is_problem(api.get("jobs", params={"state": "finished"}), 422)["errors"]
    is_problem(api.get("jobs", params={"cursor": "nonsense"}), 422)


def test_the_api_describes_itself(stack, api):
    paths = api.get("openapi.json").json()["paths"]
    assert {"/api/v1/jobs", "/api/v1/jobs/{id}", "/api/v1/events"} <= set(paths)
    assert httpx.get(f"{stack.url}/api/v1/docs", follow_redirects=True, timeout=30).status_code == 200
    kinds = {kind["kind"] for kind in api.get("kinds").json()["items"]}
    assert {"email", "image", "report", "once"} <= kinds
    schema = api.get("kinds/email").json()["schema"]
    assert schema["properties"]["to"] and "subject" in schema["required"]
