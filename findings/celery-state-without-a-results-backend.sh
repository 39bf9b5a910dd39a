#!/usr/bin/env bash
# Celery 5.7.0 without a results backend.
#
# AsyncResult.ready() and .state of an app that has none: Celery's disabled backend means to raise NotImplementedError
# ("No result backend is configured"), which code that works with and without results would catch, as .get() does raise it.
# The two properties raise AttributeError about a private method instead, in which hasattr() and getattr(..., default)
# see a result without a state, and `except NotImplementedError` sees nothing.
#
# Seen:
#   get: NotImplementedError
#   state: AttributeError
#   ready: AttributeError
#   hasattr(result, "state"): False
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "celery==5.7.0" "kombu==5.7.0"
cat >ask.py <<'PYTHON'
from celery import Celery

result = Celery("app", broker="memory://").AsyncResult("order-42")

def kind(ask):
    try:
        return repr(ask())
    except Exception as error:
        return type(error).__name__

print("get:", kind(lambda: result.get(timeout=1)))
print("state:", kind(lambda: result.state))
print("ready:", kind(result.ready))
print('hasattr(result, "state"):', hasattr(result, "state"))
PYTHON
venv/bin/python ask.py | tee seen.txt
cmp seen.txt - <<'SEEN'
get: NotImplementedError
state: AttributeError
ready: AttributeError
hasattr(result, "state"): False
SEEN
