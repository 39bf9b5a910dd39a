"""What a program does over REST: submit, follow to the end, fetch what was made."""

import time
from typing import Any

import httpx

from tests.system.stack import PASSWORD, wait_for

FINAL = ("SUCCESS", "FAILURE", "REVOKED")


def submit(client: httpx.Client, kind: str, files: Any = None, **params: Any) -> dict[str, Any]:
    """POST jobs: as JSON, or as multipart where `files` come along, as httpx takes them."""
    if files is None:
        answer = client.post("jobs", json={"kind": kind, "params": params})
    else:
        answer = client.post("jobs", data={"kind": kind, **params}, files=files)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"].endswith(answer.json()["id"])
    return answer.json()


def follow(client: httpx.Client, job: dict[str, Any], seconds: float = 90.0) -> list[dict[str, Any]]:
    """Every representation of the job that long polls gave, the submission's first, the final one last."""
    seen, etag, deadline = [job], "", time.monotonic() + seconds
    while seen[-1]["state"] not in FINAL:
        assert time.monotonic() < deadline, f"not final after {seconds:g} s: {seen[-1]}"
        headers = {"If-None-Match": etag} if etag else {}
        answer = client.get(f"jobs/{job['id']}", params={"wait": 5}, headers=headers)
        if answer.status_code == 304:
            continue
        assert answer.status_code == 200, answer.text
        etag = answer.headers["ETag"]
        seen.append(answer.json())
    return seen


def finish(client: httpx.Client, kind: str, files: Any = None, **params: Any) -> dict[str, Any]:
    """Submit a job and answer it as it ended."""
    return follow(client, submit(client, kind, files, **params))[-1]


def recorded(client: httpx.Client, job: dict[str, Any]) -> None:
    """Return once SQL has the end of a job that has ended; until then no more is known of it than its end."""

    def is_recorded() -> bool:
        answer = client.get(f"jobs/{job['id']}")
        return answer.json()["state"] not in FINAL or answer.headers["ETag"].endswith('r"')

    wait_for(is_recorded, 30, "the record of its end")


def artifacts(client: httpx.Client, job: dict[str, Any]) -> dict[str, bytes]:
    """The files that the job made, by name."""
    recorded(client, job)
    items = client.get(f"jobs/{job['id']}/artifacts").json()["items"]
    return {
        item["name"]: client.get(client.base_url.join(item["links"]["download"])).raise_for_status().content
        for item in items
        if not item["is_input"]
    }


def attempts(client: httpx.Client, job: dict[str, Any]) -> list[dict[str, Any]]:
    recorded(client, job)
    return client.get(f"jobs/{job['id']}/attempts").json()["items"]


def state_of(client: httpx.Client, job: dict[str, Any], state: str) -> dict[str, Any] | None:
    """The job, if it is in that state."""
    found = client.get(f"jobs/{job['id']}").json()
    return found if found["state"] == state else None


def running(client: httpx.Client, kind: str = "sleep", **params: Any) -> dict[str, Any]:
    """A new job, as soon as a worker has it; by default one that sleeps for long."""
    job = submit(client, kind, **(params or {"seconds": 120}))
    return wait_for(lambda: state_of(client, job, "STARTED"), 20, "the job to run")


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The body of an answer that must be a problem of that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status and body["detail"]
    return body


def log_in(url: str, name: str, password: str = PASSWORD) -> httpx.Client:
    """A browser's session."""
    client = httpx.Client(base_url=url, timeout=30)
    client.get("/login")
    sent = {"username": name, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    assert client.post("/login", data=sent).status_code == 302
    return client
