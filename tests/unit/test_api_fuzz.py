"""Junk of every sort at every call: a clear answer, never a fault."""

import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jobs.web.api.urls  # noqa: F401  registers the calls
from jobs.models import Job
from jobs.web.api.endpoint import CALLS
from tests.unit.api_client import API, Program, check_problem, make_user
from tests.unit.api_kinds import VALID, EveryField

pytestmark = pytest.mark.django_db(transaction=True)
QUICK = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

TEXTS = st.text(max_size=40) | st.sampled_from(
    ["\0", "a\0b", "\ud800", "x" * 300, "NaN", "9" * 400, "-1", "1e400", "../..", "%00", "'; --",
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0199f3c2", "id:%", 'error:"',
     "encrypted:x", "••••••", "[", "{}", "٣"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(min_value=10**30, max_value=10**400) | st.floats() | TEXTS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXTS, below, max_size=4),
    max_leaves=12,
)
FIELD_NAMES = list(EveryField.Form.base_fields)
BODIES = st.fixed_dictionaries(
    {"kind": st.sampled_from(["test-every", "test-every", "test-every", "nosuch"])},
    optional={
        "params": st.dictionaries(st.sampled_from(FIELD_NAMES) | TEXTS, VALUES, max_size=6) | VALUES,
        "items": st.lists(VALUES, max_size=3),
        "priority": st.sampled_from(["low", "high"]) | VALUES,
        "due_at": st.datetimes().map(str) | VALUES,
        "label": VALUES,
        "queue": VALUES,
    },
)


#: Good but for one value, so that the junk gets past the first check.
ALMOST = st.builds(
    lambda name, value: {"kind": "test-every", "params": {**VALID, name: value}}, st.sampled_from(FIELD_NAMES), VALUES
)
START = [("kind", "test-every", False), ("text", "hello", False)]
ALMOST_MANY = ALMOST.map(lambda body: {"kind": body["kind"], "items": [VALID, body["params"]]})


@pytest.fixture
def program():
    program = Program(make_user("lena", is_staff=True))
    Job.objects.create(
        id="known", kind="test-every", title="t", queue="cpu", owner=program.user, params={"text": "hello"}
    )
    program.client.raise_request_exception = False
    return program


def answered(response):
    assert response.status_code < 500 or response.headers.get("Content-Type") != "text/html", response.content[:500]
    # 503 is the word of `events` where no edge streams.
    assert response.status_code < 500 or b"cannot stream" in response.content, response.content[:500]
    if response.status_code >= 400:
        check_problem(response)


def send(program, method, path, body=b"", content_type="application/json", **headers):
    path = quote(path, safe="/?=&%")
    headers = {"Authorization": f"Bearer {program.text}", **headers}
    answered(program.client.generic(method, API + path, body, content_type, headers=headers))


def address(call, draw):
    path = call.path
    for name in ("id", "slug", "artifact"):
        path = path.replace("{" + name + "}", quote(draw(st.just("known") | TEXTS).encode("utf-8", "replace")))
    return path


@pytest.mark.parametrize(
    "call", [call for call in CALLS if call.body is not None], ids=lambda call: call.handler.__name__
)
@QUICK
@given(data=st.data())
def test_junk_as_json(program, call, data):
    almost = {"jobs/bulk": ALMOST_MANY, "jobs": ALMOST}.get(
        call.path, ALMOST.map(lambda body: {"params": body["params"]} if "rerun" in call.path else {})
    )
    body = data.draw(almost | almost | BODIES | VALUES | st.binary(max_size=60))
    raw = body if isinstance(body, bytes) else json.dumps(body).encode("utf-8", "surrogatepass")
    send(program, call.method, address(call, data.draw), raw)


@pytest.mark.parametrize("call", [call for call in CALLS if call.takes_files], ids=lambda call: call.handler.__name__)
@QUICK
@given(data=st.data())
def test_junk_as_form(program, call, data):
    names = st.sampled_from(FIELD_NAMES) | st.sampled_from(["kind", "params", "priority", "due_at", "label"]) | TEXTS
    parts = data.draw(st.lists(st.tuples(names, TEXTS, st.booleans()), max_size=6))
    lines = []
    for name, value, is_file in [*START, *parts]:
        file = f'; filename="{value}"' if is_file else ""
        lines.append(f'--x\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n{value}\r\n')
    raw = "".join([*lines, "--x--\r\n"]).encode("utf-8", "surrogatepass")
    raw = data.draw(st.just(raw) | st.binary(max_size=40).map(lambda junk: raw[:-10] + junk))
    send(program, call.method, address(call, data.draw), raw, "multipart/form-data; boundary=x")


@pytest.mark.parametrize(
    "call", [call for call in CALLS if call.method == "GET"], ids=lambda call: call.handler.__name__
)
@QUICK
@given(data=st.data())
def test_junk_in_addresses(program, call, data):
    names = st.sampled_from(list(call.query) or ["x"]) | TEXTS
    query = "&".join(
        f"{quote(name.encode('utf-8', 'replace'))}={quote(value.encode('utf-8', 'replace'))}"
        for name, value in data.draw(st.lists(st.tuples(names, TEXTS), max_size=4))
    )
    send(program, "GET", f"{address(call, data.draw)}?{query}")


@QUICK
@given(
    value=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=300),
    method=st.sampled_from(["GET", "POST", "BREW"]),
)
def test_junk_in_headers(program, value, method):
    for name in ("Authorization", "If-None-Match", "Idempotency-Key", "Cookie"):
        headers = {"Authorization": f"Bearer {program.text}", name: value}
        answered(program.client.generic(method, f"{API}jobs/known", b"", "application/json", headers=headers))
    body = json.dumps({"kind": "test-every", "params": {"text": "hello"}})
    headers = {"Authorization": f"Bearer {program.text}", "Idempotency-Key": value}
    answered(program.client.generic("POST", API + "jobs", body, "application/json", headers=headers))
    answered(
        program.client.generic("POST", API + "jobs", body, value, headers={"Authorization": f"Bearer {program.text}"})
    )


@QUICK
@given(path=TEXTS)
def test_junk_below_api(program, path):
    send(program, "GET", quote(path.encode("utf-8", "replace")))
