"""Workflows on real workers, through kills."""

import json

from django_celery_results.models import TaskResult

from jobs.models import Job
from jobs.workflows.build import submit_workflow
from jobs.workflows.outlook import state_of
from tests.system.foreign.gates import let_on
from tests.system.stack import wait_for


def test_a_chord_between_two_steps_survives_the_kill_of_keeper_and_worker(stack):
    def add(x, y):
        return {"kind": "add", "params": {"x": x, "y": y}}

    held = {"kind": "stepped", "params": {"gate": "header", "steps": 1}}
    header = [{"chain": [held, add("${result}", n)]} for n in range(20)]
    body = {"chain": [add("${result.0}", "${result.19}"), {"kind": "compute", "params": {"below": 1000}}]}
    workflow = submit_workflow({"chain": [add(1, 1), {"chord": {"header": header, "body": body}}]})
    wait_for(lambda: workflow.jobs.filter(state="STARTED").count() >= 5, 30, "the header to run")
    stack.kill("keeper")
    stack.kill("io")
    let_on("header")
    stack.start("keeper")
    stack.start("io")
    jobs = stack.wait(list(workflow.jobs.all()), 90)
    assert {job.state for job in jobs} == {"SUCCESS"} and state_of(workflow) == "SUCCESS"
    both = Job.objects.get(edges_after__after__kind="compute", workflow=workflow)
    assert json.loads(TaskResult.objects.get(task_id=both.id).result) == (1 + 0) + (1 + 19)
    assert all(
        job.started_at >= before.finished_at for job in jobs for before in Job.objects.filter(edges_after__after=job.pk)
    )
