"""A project whose results Celery keeps elsewhere: all is recorded, and what is the project's stays as it is."""

import json

import httpx
import pytest

from tests.embedding.test_embedding import Shop
from tests.system.stack import wait_for

FILL = """
from django_celery_results.models import TaskResult
TaskResult.objects.bulk_create(
    TaskResult(task_id=f"old-{n}", status="SUCCESS", result=str(n), task_name="orders.tasks.old", meta='{}')
    for n in range(5000)
)
"""
DIGEST = """
import hashlib
from django_celery_results.models import TaskResult
rows = TaskResult.objects.filter(task_id__startswith="old-").order_by("id").values_list()
print(len(rows), hashlib.sha256(repr(list(rows)).encode()).hexdigest())
"""
CALLS = """
import json
from orders.tasks import invoice, ship, stir, weigh
sent = [task.apply_async([n], queue=queue) for n, task in enumerate([invoice, ship, stir, weigh]) for queue in ["cpu"]]
sent.append(invoice.apply_async([9], queue="io"))
print(json.dumps([each.id for each in sent]))
"""
READ = """
import json
from celery.result import AsyncResult
from django_celery_results.models import TaskResult
found = {{}}
for job in {0}:
    keeps = "Disabled" not in type(AsyncResult(job).backend).__name__
    rows = TaskResult.objects.filter(task_id=job).values_list("status", flat=True)
    found[job] = [AsyncResult(job).state if keeps else "", *rows]
print(json.dumps(found))
"""


class ShopWith(Shop):
    def __init__(self, folder, results):
        super().__init__(folder)
        self.environment["SHOP_RESULTS"] = results.format(redis=self.environment["SHOP_REDIS"].rpartition("/")[0])
        self.environment["SHOP_IO_POOL"] = "threads" if results == "django-db" else "eventlet"

    def ask(self, script):
        return self.manage("shell", "--no-imports", "-c", script).splitlines()[-1]


@pytest.fixture(params=["django-db", "{redis}/1", ""], ids=["django-db", "plain redis", "none"])
def shop(request, tmp_path):
    shop = ShopWith(tmp_path, request.param)
    try:
        shop.manage("migrate", "--verbosity", "0")
        shop.manage("createsuperuser", "--noinput", "--username", "admin", "--email", "admin@shop.example")
        shop.token = shop.manage("createtoken", "admin", "--scope", "admin").strip()
        shop.start("web", "runserver", "--noreload", f"127.0.0.1:{shop.port}")
        shop.start("keeper", "keeper")
        shop.start("io", "worker", "io", "--concurrency", "2")
        shop.start("cpu", "worker", "cpu", "--concurrency", "1")
        shop.results = request.param
        yield shop
    finally:
        shop.stop()


def states(shop, ids):
    headers = {"Authorization": f"Bearer {shop.token}"}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{shop.port}", headers=headers, timeout=30) as client:
            answers = [client.get(f"/api/v1/jobs/{job}") for job in ids]
    except httpx.HTTPError:
        return []
    return [answer.json()["state"] if answer.status_code == 200 else "" for answer in answers]


def test_every_task_is_recorded_and_the_results_stay_the_projects(shop):
    shop.manage("shell", "--no-imports", "-c", FILL)
    before = shop.ask(DIGEST)
    ids = json.loads(shop.ask(CALLS))
    expected = ["SUCCESS", "FAILURE", "SUCCESS", "SUCCESS", "SUCCESS"]
    try:
        wait_for(lambda: states(shop, ids) == expected, 90, f"{expected}: {states(shop, ids)}")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{states(shop, ids)}\n{shop.logs()}") from None
    found = json.loads(shop.ask(READ.format(ids)))
    invoice, ship, stir, weigh, on_io = (found[job] for job in ids)
    if shop.results == "django-db":
        # Celery's own rows, and none of the keeper's: the one that ignores its result has none.
        assert [invoice, ship, stir, weigh] == [["SUCCESS"] * 2, ["FAILURE"] * 2, ["PENDING"], ["SUCCESS"] * 2]
    elif shop.results:
        assert [invoice[0], ship[0], stir[0], on_io[0]] == ["SUCCESS", "FAILURE", "PENDING", "SUCCESS"]
    assert weigh[1:] == ["SUCCESS"]
    assert before.startswith("5000 ") and shop.ask(DIGEST) == before
    with pytest.raises(AssertionError, match=r"jobs\.I001"):  # manage fails with what the command printed
        shop.manage("check", "--fail-level", "INFO")
