"""Canvas as Celery itself runs it, task by task in this process, and the events that a worker of ours would tell."""

from celery import Celery, current_app
from celery.app.trace import trace_task_ret
from django.conf import settings

from jobs.core.states import State
from jobs.wire.events import Event
from jobs.worker.external import described

app = Celery("canvas", broker="memory://", backend=settings.REDIS_URL, set_as_current=False)
#: (id, name, fields of the claim) of each run.
_claims: list[tuple[str, str, dict]] = []


def _note(task, words) -> str:
    _claims.append((task.request.id, words[-1], described(task, task.request, words, {})))
    return words[-1]


@app.task(bind=True)
def say(self, *words):
    """The last word, as the name of this step."""
    return _note(self, words)


@app.task(bind=True)
def fail(self, *words):
    raise ValueError(_note(self, words))


@app.task(bind=True)
def call(self, *words):
    """Start another task from within, which ties nothing."""
    say.delay(f"called by {words[-1]}")
    return _note(self, words)


def run(*canvases) -> tuple[list[Event], dict[str, str]]:
    """Start them and run all that follows. Answers what the workers tell, in order, and {id: name of the step}."""
    before = current_app._get_current_object()
    app.set_current()
    try:
        return _run(canvases)
    finally:
        before.set_current()


def _run(canvases):
    _claims.clear()
    told: list[Event] = []
    for canvas in canvases:
        canvas.apply_async()
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue("celery")
        while queue.qsize():
            message = queue.get(block=False)
            message.ack()
            headers = {**message.headers, "delivery_info": message.delivery_info}
            name, content = headers["task"], (message.body, message.content_type, message.content_encoding)
            trace_task_ret(name, headers["id"], headers, *content, app=app)
            job, step, fields = _claims[-1]
            told.append(_event(job, State.STARTED, len(told), fields))
            end = State.FAILURE if name == fail.name else State.SUCCESS
            told.append(_event(job, end, len(told), {"foreign": True, "task": name, "result": f'"{step}"'}))
        queue.close()
    return told, {job: step for job, step, _ in _claims}


def _event(job: str, state: State, number: int, fields: dict) -> Event:
    return Event(f"{1_790_000_000_000 + number * 1000}-0", str(state), job, 1, "", fields)
