"""All kinds, by slug: those of `jobs/kinds/` that the settings name, and those of every installed app's `kinds.py`."""

import importlib
import pkgutil
from functools import cache
from typing import Any

from django.conf import settings

from jobs.core.access import may_submit
from jobs.core.kind import POOLS, Kind

ALL = "all"


@cache
def all_kinds() -> dict[str, type[Kind]]:
    """Every kind by slug, in the order that pages list them.

    Raises TypeError where two kinds share a slug.
    """
    from django.apps import apps
    from django.utils.module_loading import module_has_submodule

    import jobs.kinds

    for module in pkgutil.iter_modules(jobs.kinds.__path__, "jobs.kinds."):
        importlib.import_module(module.name)
    for config in apps.get_app_configs():
        if config.name != "jobs" and config.module and module_has_submodule(config.module, "kinds"):
            importlib.import_module(f"{config.name}.kinds")
    found: dict[str, type[Kind]] = {}
    for kind in sorted(filter(_is_on, _subclasses(Kind)), key=lambda kind: (kind.order, kind.label)):
        if other := found.get(kind.slug):
            raise TypeError(f"two kinds have the slug {kind.slug!r}: {other.__module__} and {kind.__module__}")
        found[kind.slug] = kind
    return found


def _is_on(kind: type[Kind]) -> bool:
    """A kind of the project's own always; of those that come with Jobsite, which send mail and fetch from the network,
    the ones that JOBSITE_KINDS names."""
    named = settings.JOBSITE_KINDS
    return not kind.__module__.startswith("jobs.kinds.") or named == ALL or kind.slug in named


def pools_in_use() -> list[str]:
    """The pools in which a kind runs; none, in a project that has its own Celery tasks alone."""
    used = {kind.pool for kind in all_kinds().values()}
    return [pool for pool in POOLS if pool in used]


def kinds_for(user: Any) -> list[type[Kind]]:
    """The kinds that a user may submit, in the order that pages list them."""
    return [kind for kind in all_kinds().values() if may_submit(user, kind)]


def get_kind(slug: str) -> type[Kind] | None:
    return all_kinds().get(slug)


def task_name(slug: str) -> str:
    """The Celery task that runs a kind."""
    return f"jobs.{slug}"


def kind_of_task(name: str) -> type[Kind] | None:
    """The kind behind a Celery task's name, None for other people's tasks."""
    return get_kind(name.removeprefix("jobs.")) if name.startswith("jobs.") else None


def _subclasses(base: type[Kind]) -> list[type[Kind]]:
    found = []
    for cls in base.__subclasses__():
        found += ([cls] if cls.slug else []) + _subclasses(cls)
    return found
