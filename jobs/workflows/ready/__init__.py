"""Ready-made workflows, one file each: a form, and the workflow that it stands for as spec.py reads it."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from django import forms

from jobs.core.access import may_submit
from jobs.core.registry import get_kind


class Ready:
    """One ready-made workflow; a subclass in a file of this folder is all that it takes."""

    slug: ClassVar[str]
    label: ClassVar[str]
    Form: ClassVar[type[forms.Form]]
    #: Its kinds in their order, each with a sentence of what it does here.
    steps: ClassVar[tuple[tuple[str, str], ...]]

    @classmethod
    def summary(cls) -> str:
        """The docstring: one sentence for people."""
        return (cls.__doc__ or "").strip()

    def preview(self, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What will happen, as (term, text) rows, from cleaned data."""
        raise NotImplementedError

    def spec(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        """The workflow. cleaned: the form's data as JSON, of an UploadField the references of stored files."""
        raise NotImplementedError


@cache
def all_ready() -> dict[str, Ready]:
    """Every ready-made workflow by slug, in the order of their files' names."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
    return {cls.slug: cls() for cls in Ready.__subclasses__()}


def ready_for(user: Any) -> list[Ready]:
    """Those of which the user may submit every step."""
    return [ready for ready in all_ready().values() if may_use(user, ready)]


def may_use(user: Any, ready: Ready) -> bool:
    kinds = [get_kind(slug) for slug, _ in ready.steps]
    return all(kind is not None and may_submit(user, kind) for kind in kinds)


def ids(references: list[dict[str, Any]]) -> list[str]:
    """Stored files as a spec names them: their own names may look like ${…}."""
    return [reference["artifact"] for reference in references]
