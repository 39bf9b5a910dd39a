"""An operator with a token, a job that runs and one that has ended; printed as one line of JSON."""

import json

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402

from jobs.models import ApiToken, Job  # noqa: E402
from jobs.wire import events, keys  # noqa: E402
from jobs.wire.connection import redis_client  # noqa: E402


def main() -> None:
    user = get_user_model().objects.create_user("bench", password="bench", is_staff=True)
    token = ApiToken.make(user, "bench")[1]
    moving = Job.objects.create(kind="email", title="A moving job", owner=user, queue="io", state="STARTED")
    event = redis_client().xadd(keys.EVENTS, {"e": events.encode("STARTED", moving.id, 1, str(user.pk))})
    run = {
        "attempt": 1, "phase": "running", "state": "STARTED", "user": str(user.pk), "kind": "email", "event": event,
        "worker": "io@bench",
        "progress": json.dumps({"current": 5, "total": 10, "step": "sent", "at": 10, "started": 1}),
    }  # fmt: skip
    redis_client().hset(keys.run(moving.id), mapping=run)
    final = Job.objects.create(kind="email", title="A final job", owner=user, queue="io", state="SUCCESS")
    print(json.dumps({"token": token, "moving": moving.id, "final": final.id}))


main()
