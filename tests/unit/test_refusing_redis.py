"""A Redis that is there and refuses for now is waited for as one that is away, and told by its own words."""

import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis
from django.conf import settings
from kombu import Connection
from kombu.exceptions import OperationalError
from kombu.transport.redis import Channel

from jobs.core.states import State
from jobs.models import Job
from jobs.submit import submit
from jobs.supervisor.redis import find_server
from jobs.web.warnings import all_warnings
from jobs.wire import keys, redis_url
from jobs.wire.connection import UNREACHABLE, breaker, redis_client, refuses
from jobs.worker import report
from jobs.worker.connections import outlive_refusals
from jobs.worker.outbox import Outbox, Report
from jobs.worker.rawredis import RawRedis, RedisError
from tests.system.stack import wait_for
from tests.unit.edge_serving import serving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def plain():
    """A connection of redis-py's own, with which the Redis of the tests is set and set back."""
    client = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)
    yield client
    client.close()
    report.outbox.clear()
    while breaker.is_open:
        time.sleep(0.05)


@contextmanager
def configured(client, **options):
    before = {name: client.config_get(name)[name] for name in options}
    for name, value in options.items():
        client.config_set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            client.config_set(name, value)


@contextmanager
def replica(client):
    client.replicaof("127.0.0.1", 1)
    try:
        yield
    finally:
        client.replicaof("NO", "ONE")


@contextmanager
def cut_off_replica(client):
    with configured(client, **{"replica-serve-stale-data": "no", "replica-read-only": "no"}), replica(client):
        yield


def without_replicas(client):
    return configured(client, **{"min-replicas-to-write": "1"})


def full(client):
    return configured(client, maxmemory="1")


@contextmanager
def disk_full(client):
    """Its dump cannot be put in place: a folder has the name."""
    folder = Path(client.config_get("dir")["dir"]) / "taken"
    folder.mkdir()
    with configured(client, dbfilename="taken", save="3600 1"):
        client.bgsave()
        wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", 20, "the dump to fail")
        try:
            yield
        finally:
            folder.rmdir()
            client.bgsave()
            wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok", 20, "the dump")
            folder.unlink()


@contextmanager
def held_by_a_script(client):
    def hold():
        # With redis-py's own timeout the script would be sent again, and the second one would outlive the kill.
        patient = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=None)
        with patient as other, suppress(redis.RedisError):
            other.eval("while true do end", 0)

    with configured(client, **{"lua-time-limit": "50"}):
        thread = threading.Thread(target=hold)
        thread.start()

        def is_held():
            try:
                return not client.ping()
            except redis.ResponseError as error:
                return "BUSY" in str(error)

        try:
            wait_for(is_held, 20, "the script to hold it")
            yield
        finally:
            client.script_kill()
            thread.join()


@contextmanager
def without_rights(client):
    client.execute_command("ACL", "SETUSER", "default", "-@write")
    try:
        yield
    finally:
        client.execute_command("ACL", "SETUSER", "default", "+@all")


KINDS = {
    "OOM": full,
    "READONLY": replica,
    "MASTERDOWN": cut_off_replica,
    "NOREPLICAS": without_replicas,
    "MISCONF": disk_full,
    "BUSY": held_by_a_script,
    "NOPERM": without_rights,
}


@pytest.fixture(params=KINDS)
def refusing(request, plain):
    with KINDS[request.param](plain):
        yield request.param


@pytest.fixture
def replicated(plain):
    with replica(plain):
        yield redis_client()


@pytest.fixture
def outliving(monkeypatch):
    monkeypatch.setattr(Channel, "_connparams", Channel._connparams)
    outlive_refusals()


def test_each_connection_of_ours_tells_an_outage(refusing, outliving):
    with pytest.raises(UNREACHABLE, match=f"^{refusing}"):
        redis_client().set("a", "b")
    with pytest.raises(OSError, match=f"^{refusing}"):
        RawRedis(settings.REDIS_URL).call("SET", "a", "b")
    with Connection(redis_url.for_broker(settings.REDIS_URL)) as broker:
        errors = (OperationalError, *broker.connection_errors)
        with pytest.raises(errors, match=f"^{refusing}"):
            broker.default_channel._create_client().set("a", "b")


def test_a_script_s_refusal_is_one(refusing):
    with pytest.raises(UNREACHABLE):
        redis_client().eval("return redis.call('set', KEYS[1], 'b')", 1, "a")
    with pytest.raises(OSError):
        RawRedis(settings.REDIS_URL).call("EVAL", "return redis.call('set', KEYS[1], 'b')", 1, "a")


def test_readiness_and_the_overview_say_which(refusing):
    with serving() as served, served.client() as client:
        check = client.get("/readyz").json()["checks"]["redis"]
    said = "Redis is full" if refusing == "OOM" else refusing
    assert not check["ok"] and said in check["detail"]
    assert [alert for alert in all_warnings() if said in alert.what]


def test_a_job_is_accepted_and_waits(refusing):
    job = submit("add", {"x": 1, "y": 2})
    assert Job.objects.get(pk=job.pk).state == State.PENDING


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sends", "consumes"])
def test_by_a_socket_s_path_a_worker_s_connections_tell_it_as_well(tmp_path, outliving, asynchronous):
    path = tmp_path / "r.sock"
    server = subprocess.Popen([find_server(), "--port", "0", "--unixsocket", path, "--save", "", "--maxmemory", "1"])
    try:
        wait_for(path.exists, 20, "the socket")
        with Connection(redis_url.for_broker(f"unix://{path}")) as broker:
            client = broker.default_channel._create_client(asynchronous=asynchronous)
            with pytest.raises(broker.connection_errors, match=r"^OOM"):
                client.set("a", "b")
    finally:
        server.kill()
        server.wait()


def test_a_report_is_kept_until_it_is_taken(replicated):
    assert report.state("job-1", 1, "", State.SUCCESS, phase="final") is None
    assert report.outbox.held() == {"job-1"}


def test_at_the_end_a_report_is_tried_for_a_while_and_not_without_a_pause(plain, caplog):
    outbox, raw = Outbox(), RawRedis(settings.REDIS_URL)
    commands = lambda: plain.info("stats")["total_commands_processed"]  # noqa: E731
    with cut_off_replica(plain):
        outbox._reports.append(Report("job-1", "", [], ["x"]))
        before = commands()
        outbox.flush(raw, 0.5)
        assert commands() - before < 30
    assert outbox.held() == {"job-1"}
    outbox.flush(raw, 10)
    assert plain.xlen(keys.EVENTS) == 1
    assert not caplog.records


def test_a_pipeline_says_the_same(replicated):
    pipe = replicated.pipeline(transaction=True)
    pipe.hset("a", "b", "c")
    with pytest.raises(UNREACHABLE):
        pipe.execute()


def test_an_error_of_the_caller_s_stays_one():
    redis_client().set("a", "text")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        redis_client().hget("a", "b")
    with pytest.raises(RedisError, match="WRONGTYPE"):
        RawRedis(settings.REDIS_URL).call("HGET", "a", "b")
    assert not refuses("BUSYGROUP Consumer Group name already exists")
