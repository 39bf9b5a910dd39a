"""Redis at its memory limit: all say why nothing moves, and go on by themselves once there is room."""

import httpx

from jobs.submit import submit_many
from jobs.web.warnings import all_warnings
from tests.system.stack import wait_for


def test_a_full_redis_holds_the_work_up_and_ends_no_process(stack, api):
    redis = stack.redis()
    before = {name: process.pid for name, process in stack.processes.items()}
    redis.config_set("maxmemory", redis.info("memory")["used_memory"] + 60_000)
    try:
        accepted = [api.post("jobs", json={"kind": "add", "params": {"x": n, "y": 1}}) for n in range(50)]
        assert {answer.status_code for answer in accepted} == {202}
        jobs = [stack.job(answer.json()["id"]) for answer in accepted]
        jobs += submit_many("add", [{"x": n, "y": 2} for n in range(200)])
        # The limit is below what is in use, whatever was freed meanwhile: nothing more is taken.
        redis.config_set("maxmemory", max(1, redis.info("memory")["used_memory"] - 100_000))
        told = wait_for(lambda: not (found := stack.ready()).get("ok") and found, 30, "readiness to say so")
        details = httpx.get(f"{stack.url}/readyz", headers=api.headers, timeout=20).json()["checks"]["redis"]["detail"]
        assert "memory" in details, told
        assert "Redis is full" in all_warnings()[0].what
        # Long enough for each worker to have met it: they ask, and are refused.
        wait_for(lambda: redis.info("errorstats").get("errorstat_OOM", {}).get("count", 0) > 20, 60, "refusals")
        assert {name: process.pid for name, process in stack.processes.items() if process.poll() is None} == before
    finally:
        redis.config_set("maxmemory", 0)
    assert {job.state for job in stack.wait(jobs, 120)} == {"SUCCESS"}
    assert {name: process.pid for name, process in stack.processes.items() if process.poll() is None} == before
