import asyncio
import socket
import time
from itertools import pairwise

import pytest
from django.utils import timezone

from jobs.models import ApiToken
from jobs.web.live import sse, stream
from jobs.web.live.stream import Hub
from jobs.wire import connection, events, keys
from jobs.wire.connection import redis_client
from tests.services import closed_port, free_port, start_redis
from tests.unit.edge_serving import Stream, moving_job, person, progress, serving, told, until

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_hears_of_their_own_jobs_and_operators_of_all():
    alice, token = person("alice")
    bob, _ = person("bob")
    _, operator = person("olga", operator=True)
    hers, his = moving_job(alice), moving_job(bob)
    with serving() as served:
        own, every = Stream(served, token), Stream(served, operator)
        told(his, "PROGRESS", p=progress(1))
        told(hers, "PROGRESS", p=progress(2))
        until(lambda: len(every.named("job")) == 2 and own.named("job"))
    assert own.named("job") == [{"id": hers.id, "state": "STARTED", "progress": progress(2)}]
    assert {data["id"] for data in every.named("job")} == {hers.id, his.id}
    until(lambda: own.ended and every.ended)


def test_without_a_login_there_is_no_stream():
    with serving() as served, served.client() as client:
        assert client.get("/api/v1/events").status_code == 401


def test_a_storm_of_progress_is_thinned_to_four_a_second_and_its_end_arrives(monkeypatch):
    times, deliver = [], stream.Group._deliver

    def noted(group):
        times.append(asyncio.get_running_loop().time())
        deliver(group)

    monkeypatch.setattr(stream.Group, "_deliver", noted)
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served:
        page = Stream(served, token)
        started = time.monotonic()
        for current in range(1000):
            told(job, "PROGRESS", p=progress(current, 1000))
        told(job, "SUCCESS")
        until(lambda: page.events and page.named("job")[-1]["state"] == "SUCCESS")
        took = time.monotonic() - started
    assert len(page.events) <= took / stream.TICK + 2
    assert all(later - earlier > 0.1 for earlier, later in pairwise(times))


def test_an_event_is_there_within_a_second(monkeypatch):
    monkeypatch.setattr(stream, "_BLOCK", 20_000)
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served:
        page = Stream(served, token)

        def took(current):
            started, seen = time.monotonic(), len(page.events)
            told(job, "PROGRESS", p=progress(current))
            until(lambda: len(page.events) > seen)
            return page.times[seen] - started

        # Where the machine itself is late once, another is told.
        assert any(took(current) < 1 for current in range(10))


def test_a_report_of_an_earlier_attempt_does_not_turn_the_page_back():
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served:
        page = Stream(served, token)
        told(job, "QUEUED", attempt=2)
        told(job, "STARTED", attempt=2)
        late = redis_client().xadd(keys.EVENTS, {"e": events.encode("FAILURE", job.id, 1, str(user.pk))})
        until(lambda: served.edge.hub.position == late)
        told(moving_job(user, "another"), "SUCCESS")
        until(lambda: any(data["state"] == "SUCCESS" for data in page.named("job")))
    states = [data["state"] for data in page.named("job") if data["id"] == job.id]
    assert states[-1] == "STARTED" and "FAILURE" not in states


def test_who_comes_back_gets_what_was_missed():
    user, token = person("alice")
    job, other = moving_job(user), moving_job(user)
    with serving() as served:
        page = Stream(served, token)
        told(job, "PROGRESS", p=progress(1))
        until(lambda: page.events)
        page.close()
        told(job, "PROGRESS", p=progress(2))
        told(job, "SUCCESS")
        last = told(other, "FAILURE")
        until(lambda: served.edge.hub.position == last)
        again = Stream(served, token, **{"Last-Event-ID": page.id})
        until(lambda: len(again.events) == 2)
    assert [data["state"] for data in again.named("job")] == ["SUCCESS", "FAILURE"]
    assert again.id == last


@pytest.mark.parametrize("last_seen", ["1-0", "99999999999999-0"])
def test_who_comes_back_from_too_long_ago_or_from_another_redis_is_reset(last_seen):
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served:
        until(lambda: served.edge.hub.position != "0-0")
        page = Stream(served, token, **{"Last-Event-ID": last_seen})
        until(lambda: page.events)
        told(job, "SUCCESS")
        until(lambda: page.named("job"))
    assert [name for _, name, _ in page.events] == ["reset", "job"]


def test_a_last_event_id_that_is_none_is_refused_by_name():
    _, token = person("alice")
    with serving() as served, served.client(token, **{"Last-Event-ID": "yesterday"}) as client:
        answer = client.get("/api/v1/events")
    assert answer.status_code == 422
    assert "Last-Event-ID" in answer.json()["errors"]


def test_a_page_of_one_job_hears_of_that_job_and_of_its_log():
    user, token = person("alice")
    job, other = moving_job(user), moving_job(user)
    with serving() as served:
        page, all_jobs = Stream(served, token, f"/api/v1/events?job={job.id}"), Stream(served, token)
        told(other, "SUCCESS")
        redis_client().xadd(keys.EVENTS, {"e": events.encode("LOG", job.id, 1, str(user.pk), lines=[[1, "a line"]])})
        until(lambda: page.named("log") and all_jobs.events)
        told(job, "SUCCESS")
        until(lambda: page.named("job") and len(all_jobs.events) == 2)
    assert page.named("log") == [{"id": job.id}]
    assert [data["id"] for data in page.named("job")] == [job.id]
    assert all_jobs.named("log") == []


def test_an_emptied_redis_resets_pages(monkeypatch):
    monkeypatch.setattr(stream, "_BLOCK", 200)
    user, token = person("alice")
    moving_job(user)
    redis_client().set(keys.EPOCH, "one")
    with serving() as served:
        page = Stream(served, token)
        redis_client().flushall()
        until(lambda: page.named("reset"))
        told(moving_job(user), "SUCCESS")
        until(lambda: page.named("job"))


def test_an_outage_of_redis_is_told_and_its_end_resets(monkeypatch, settings, tmp_path):
    port = free_port()
    settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
    connection.redis_client.cache_clear()
    redis = start_redis(tmp_path, port)
    user, token = person("alice")
    try:
        with serving() as served:
            until(lambda: served.edge.hub.position == "0-0" and not served.edge.hub.on_hold)
            page = Stream(served, token)
            redis.kill()
            redis.wait()
            with closed_port(port):
                until(lambda: page.named("hold"))
                late = Stream(served, token)
                until(lambda: late.named("hold"))
            redis = start_redis(tmp_path, port)
            until(lambda: page.named("reset") and late.named("reset"))
            told(moving_job(user), "SUCCESS")
            until(lambda: page.named("job") and late.named("job"))
    finally:
        redis.kill()
        redis.wait()
        connection.redis_client.cache_clear()


def test_a_revoked_token_ends_its_stream_and_no_other():
    user, token = person("alice")
    _, other = ApiToken.make(user, "other")
    with serving() as served:
        page, lasting = Stream(served, token), Stream(served, other)
        until(lambda: redis_client().pubsub_numsub(keys.ACCESS_CHANNEL)[0][1] == 1)
        row = ApiToken.objects.get(name="test")
        row.revoked = timezone.now()
        row.save()
        until(lambda: page.ended)
        told(moving_job(user), "SUCCESS")
        until(lambda: lasting.named("job"))
        assert not lasting.ended


def test_a_quiet_stream_has_heartbeats_that_carry_the_position(monkeypatch):
    monkeypatch.setattr(sse, "HEARTBEAT", 0.2)
    _, token = person("alice")
    bob, _ = person("bob")
    with serving() as served:
        page = Stream(served, token)
        position = told(moving_job(bob), "SUCCESS")
        until(lambda: page.id == position)
    assert page.events == []


def test_a_client_that_reads_nothing_is_dropped_and_others_go_on(monkeypatch):
    monkeypatch.setattr(stream, "_BACKLOG", 200_000)
    monkeypatch.setattr(stream, "TICK", 0.01)
    monkeypatch.setattr(sse, "_STALLED", 0.5)
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served:
        page = Stream(served, token)
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            deaf.connect(("127.0.0.1", served.port))
            deaf.sendall(
                f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
            )
            until(lambda: len(served.edge.hub.clients()) == 2)
            long = {**progress(1), "step": "x" * 15_000}
            deadline = time.monotonic() + 60
            while len(served.edge.hub.clients()) == 2:
                assert time.monotonic() < deadline, "the deaf client was kept"
                told(job, "PROGRESS", p=long)
            heard = len(page.events)
            told(job, "SUCCESS")
            until(lambda: page.named("job")[-1]["state"] == "SUCCESS")
    assert heard > 0


def test_a_stream_cut_beyond_the_reader_is_a_gap(settings):
    from redis.asyncio import Redis

    job = moving_job(person("alice")[0])

    async def gap() -> tuple[bool, bool]:
        client = Redis.from_url(settings.REDIS_URL, decode_responses=True)
        hub = Hub(client)
        await hub._begin()
        with hub.open("*", None, None) as (page, _):
            page.take()
            for _ in range(3):
                last = told(job, "PROGRESS", p=progress(1))
            await hub._check()
            whole = b"reset" not in page.take()
            redis_client().xtrim(keys.EVENTS, minid=last, approximate=False)
            await hub._check()
            cut = b"reset" in page.take()
        await client.aclose()
        return whole, cut

    assert asyncio.run(gap()) == (True, True)


def test_a_page_that_was_open_before_the_server_knew_the_stream_loads_itself_again(settings):
    from redis.asyncio import Redis

    job = moving_job(person("alice")[0])

    async def heard() -> bytes:
        client = Redis.from_url(settings.REDIS_URL, decode_responses=True)
        hub = Hub(client)
        with hub.open("*", None, None) as (page, _):
            page.take()
            told(job, "PROGRESS", p=progress(1))
            await hub._begin()
            said = page.take()
        await client.aclose()
        return said

    assert b"reset" in asyncio.run(heard())


def test_a_last_event_id_that_is_none_is_refused():
    _, token = person("alice")
    with serving() as served, served.client(token) as client:
        for text in ("\u00b2-0", "x", "1-\u00b2", "-"):
            answer = client.get("/api/v1/events", headers={"Last-Event-ID": text.encode("latin-1")})
            assert answer.status_code == 422, text
