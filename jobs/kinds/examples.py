"""Small kinds that show a newcomer every state within a minute, and a developer how little a kind is."""

import time
from typing import Any

from celery import chain, chord, group
from django import forms

from jobs.core.errors import PermanentError
from jobs.core.kind import Context, Kind
from jobs.core.retry import Exponential, Retry


class Count(Kind):
    """Count to ten, one number a second, with progress."""

    slug, label, pool, order = "count", "Count to ten", "io", 200
    idempotent = pausable = True

    class Form(forms.Form):
        to = forms.IntegerField(label="Count to", initial=10, min_value=1, max_value=10_000)
        pause = forms.FloatField(label="Pause between numbers [s]", initial=1.0, min_value=0, max_value=60)

    @classmethod
    def title(cls, params: Any) -> str:
        return f"Count to {params['to']}"

    def run(self, params: dict[str, Any], ctx: Context) -> Any:
        for number in range(1, params["to"] + 1):
            time.sleep(params["pause"])
            ctx.progress(number, params["to"], "counted")
            ctx.log(str(number))
        return {"summary": f"Counted to {params['to']}.", "counted": params["to"]}


class Sleep(Kind):
    """Wait for some seconds without computing, as a slow server would make a job wait."""

    slug, label, pool, order = "sleep", "Sleep", "io", 210
    idempotent = True

    class Form(forms.Form):
        seconds = forms.FloatField(label="Seconds", initial=5.0, min_value=0, max_value=3600)

    @classmethod
    def title(cls, params: Any) -> str:
        return f"Sleep {params['seconds']:g} s"

    def run(self, params: dict[str, Any], ctx: Context) -> Any:
        time.sleep(params["seconds"])
        return {"slept": params["seconds"]}


class Add(Kind):
    """Add two numbers."""

    slug, label, pool, order = "add", "Add", "io", 220
    idempotent = True

    class Form(forms.Form):
        x = forms.FloatField(label="First number", initial=2)
        y = forms.FloatField(label="Second number", initial=3)

    def run(self, params: dict[str, Any], ctx: Context) -> Any:
        return params["x"] + params["y"]


class Multiply(Kind):
    """Multiply two numbers."""

    slug, label, pool, order = "multiply", "Multiply", "io", 230
    idempotent = True

    class Form(forms.Form):
        x = forms.FloatField(label="First number", initial=6)
        y = forms.FloatField(label="Second number", initial=7)

    def run(self, params: dict[str, Any], ctx: Context) -> Any:
        return params["x"] * params["y"]


class Temporary(Exception):
    """The kind of failure that is gone at the next attempt."""


class Flaky(Kind):
    """Fail a few times, then succeed: shows retries, each attempt with its own error."""

    slug, label, pool, order = "flaky", "Fail, then succeed", "io", 240
    idempotent = True
    retry = Retry(on=(Temporary,), attempts=4, backoff=Exponential(base=1, cap=10))

    class Form(forms.Form):
        failures = forms.IntegerField(label="Failures before the success", initial=2, min_value=0, max_value=10)
        permanent = forms.BooleanField(
            label="Fail for good", required=False, help_text="An error that no further attempt would mend."
        )

    def run(self, params: dict[str, Any], ctx: Context) -> Any:
        if params["permanent"]:
            raise PermanentError("This job was asked to fail for good.")
        if ctx.attempt <= params["failures"]:
            raise Temporary(f"Failure {ctx.attempt} of {params['failures']}, as asked.")
        return {"summary": f"Succeeded at attempt {ctx.attempt}."}


class Compute(Kind):
    """Count the primes below a number: pure computing, on a core of its own."""

    slug, label, pool, order = "compute", "Count primes", "cpu", 250
    idempotent = True

    class Form(forms.Form):
        below = forms.IntegerField(label="Below", initial=2_000_000, min_value=10, max_value=200_000_000)

    @classmethod
    def title(cls, params: Any) -> str:
        return f"Primes below {params['below']:,}"

    def run(self, params: dict[str, Any], ctx: Context) -> Any:
        below = params["below"]
        sieve = bytearray([1]) * below
        sieve[:2] = b"\0\0"
        root = int(below**0.5) + 1
        for number in range(2, root):
            if sieve[number]:
                sieve[number * number :: number] = bytes(len(range(number * number, below, number)))
            if number % 50 == 0:
                ctx.progress(number, root, "sieved")
        return {"summary": f"{sum(sieve):,} primes below {below:,}.", "primes": sum(sieve)}


class Canvas(Kind):
    """Start tasks that Celery's own canvas ties, as code does: they show up as a workflow."""

    slug, label, pool, order = "canvas", "Celery chain, group, chord", "io", 270

    class Form(forms.Form):
        tie = forms.ChoiceField(
            label="Tied as",
            choices=[
                ("chain", "Chain: each with the result of the one before"),
                ("group", "Group: side by side"),
                ("chord", "Chord: side by side, then one with all results"),
                ("nested", "All of them, one within the other"),
            ],
        )
        pause = forms.FloatField(label="Pause in each task [s]", initial=1.0, min_value=0, max_value=60)

    @classmethod
    def title(cls, params: Any) -> str:
        return f"Celery {params['tie']}" if params["tie"] != "nested" else "Celery chain with a chord"

    def run(self, params: dict[str, Any], ctx: Context) -> Any:
        from jobs.tasks import add, multiply, total

        wait = {"pause": params["pause"]}
        squares = group(multiply.s(number, number, **wait) for number in (1, 2, 3))
        canvas = {
            "chain": chain(add.s(2, 3, **wait), multiply.s(4, **wait), add.s(1, **wait)),
            "group": squares,
            "chord": chord(squares, total.s(**wait)),
            "nested": chain(add.s(2, 3, **wait), group(multiply.s(10, **wait), add.s(10, **wait)), total.s(**wait)),
        }[params["tie"]]
        ctx.log(repr(canvas))
        # Started and left alone: a task that waited for others would keep a place in its worker from them.
        first = canvas.apply_async()
        while first.parent:
            first = first.parent
        return {"summary": "Started. The page Workflows shows how it goes on.", "workflow": first.id}


class Hog(Kind):
    """Compute for some seconds in the pool that is made for waiting: every other job of that worker stands still."""

    slug, label, pool, order = "hog", "Hold the event loop", "io", 260
    idempotent = True

    class Form(forms.Form):
        seconds = forms.FloatField(label="Seconds", initial=3.0, min_value=0, max_value=60)

    @classmethod
    def title(cls, params: Any) -> str:
        return f"Hold the event loop for {params['seconds']:g} s"

    def run(self, params: dict[str, Any], ctx: Context) -> Any:
        end = time.monotonic() + params["seconds"]
        rounds = 0
        while time.monotonic() < end:
            rounds += 1
        return {"rounds": rounds}
