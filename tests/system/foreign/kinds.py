"""Kinds of an installed app, which the tests of the line use."""

import os
import signal
import time

from django import forms

from jobs.core.kind import Kind
from jobs.core.limits import Rate
from jobs.core.retry import Exponential, Retry
from tests.system.foreign import gates


class Once(Kind):
    """Wait, and never be repeated without asking."""

    slug, label, pool = "once", "Once", "io"

    class Form(forms.Form):
        seconds = forms.FloatField(initial=0)

    def run(self, params, ctx):
        time.sleep(params["seconds"])
        return params["seconds"]


class CpuNap(Kind):
    """Wait in a prefork child."""

    slug, label, pool, idempotent = "cpu-nap", "Nap on a core", "cpu", True

    class Form(forms.Form):
        seconds = forms.FloatField(initial=0)

    def run(self, params, ctx):
        time.sleep(params["seconds"])
        return params["seconds"]


class CpuOnce(CpuNap):
    """Wait in a prefork child, and never be repeated without asking."""

    slug, label, idempotent = "cpu-once", "Nap once", False


class Suicide(Kind):
    """Kill the process it runs in, at its first attempts."""

    slug, label, pool, idempotent = "suicide", "Kill own process", "cpu", True

    class Form(forms.Form):
        times = forms.IntegerField(initial=1)

    def run(self, params, ctx):
        if ctx.attempt <= params["times"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return ctx.attempt


class AlwaysFails(Kind):
    """Fail at every attempt."""

    slug, label, pool = "always-fails", "Always fails", "io"
    retry = Retry(on=(OSError,), attempts=3, backoff=Exponential(base=0.2, cap=0.5))

    class Form(forms.Form):
        pass

    def run(self, params, ctx):
        raise OSError(f"attempt {ctx.attempt} failed")


class Limited(Kind):
    """Take longer than allowed."""

    slug, label, pool, time_limit = "limited", "Limited", "io", 1

    class Form(forms.Form):
        pass

    def run(self, params, ctx):
        time.sleep(30)


class CpuLimited(Limited):
    """Take longer than allowed, in a prefork child."""

    slug, label, pool = "cpu-limited", "Limited on a core", "cpu"


class Query(Kind):
    """Ask SQL where that is not allowed."""

    slug, label, pool = "query", "Query", "io"

    class Form(forms.Form):
        pass

    def run(self, params, ctx):
        from django.contrib.auth.models import User

        return User.objects.count()


class Stepped(Kind):
    """Count, with progress, each number when a test lets it."""

    slug, label, pool, idempotent = "stepped", "Stepped", "io", True

    class Form(forms.Form):
        gate = forms.CharField()
        steps = forms.IntegerField(initial=1)

    def run(self, params, ctx):
        for number in range(1, params["steps"] + 1):
            gates.wait_at(params["gate"], number)
            ctx.progress(number, params["steps"], "counted")
            ctx.log(str(number))
        return params["steps"]


class Deaf(Kind):
    """Hear of nothing until a test lets it, as C code does not, so that a wish to cancel has to wait."""

    slug, label, pool = "deaf", "Nap deaf", "cpu"

    class Form(forms.Form):
        gate = forms.CharField()

    def run(self, params, ctx):
        # Not blocked: the signal would reach another thread, and be raised in this one all the same.
        hearing = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        gates.wait_at(params["gate"])
        signal.signal(signal.SIGUSR2, hearing)
        signal.raise_signal(signal.SIGUSR2)  # what it did not hear
        time.sleep(60)


class TwoAtATime(Kind):
    """Run at most twice at a time, wherever that is."""

    slug, label, pool, max_running = "two-at-a-time", "Two at a time", "io", 2

    class Form(forms.Form):
        seconds = forms.FloatField(initial=0.3)

    def run(self, params, ctx):
        time.sleep(params["seconds"])


class Rated(TwoAtATime):
    """Start at most five times a second."""

    slug, label, max_running, rate = "rated", "Rated", None, Rate(5, per=1.0)


class OnlyOnce(Kind):
    """One for each name, as long as it waits or runs."""

    slug, label, pool = "only-once", "Only once", "io"

    class Form(forms.Form):
        name = forms.CharField()
        seconds = forms.FloatField(initial=1)

    @classmethod
    def unique_key(cls, params):
        return params["name"]

    def run(self, params, ctx):
        time.sleep(params["seconds"])
