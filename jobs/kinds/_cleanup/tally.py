"""What selected jobs hold, as their deletion would free it."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from jobs.core.fields import size_in_words
from jobs.core.registry import get_kind
from jobs.models import Artifact, Job
from jobs.models.forget import Freed


@dataclass
class Tally:
    """Counts jobs, files and bytes by kind. selected: all that goes, to tell files that others share."""

    selected: "QuerySet[Job]"
    by_kind: dict[str, Freed] = field(default_factory=lambda: defaultdict(Freed))
    _shared: set[str] = field(default_factory=set)

    def add(self, chunk: list[tuple[int, str]]) -> None:
        kinds = dict(chunk)
        for kind in kinds.values():
            self.by_kind[kind].jobs += 1
        rows = list(Artifact.objects.filter(job__in=kinds).values_list("job", "path", "size"))
        held, shared = self._of_others({path for _, path, _ in rows}, set(kinds))
        counted: set[str] = set()
        for seq, path, size in rows:
            if path not in held | counted | self._shared:
                self.by_kind[kinds[seq]] += Freed(files=1, bytes=size)
                counted.add(path)
        self._shared |= shared & counted

    def _of_others(self, paths: set[str], seqs: set[int]) -> tuple[set[str], set[str]]:
        """Of the paths those that stay, named by a row that stays; and those that other selected jobs name too."""
        rows = Artifact.objects.filter(path__in=paths).exclude(job__in=seqs).values_list("path", "job")
        others = [(path, seq) for path, seq in rows]
        going = set(self.selected.filter(seq__in={seq for _, seq in others if seq}).values_list("seq", flat=True))
        return {path for path, seq in others if seq not in going}, {path for path, _ in others}

    @property
    def total(self) -> Freed:
        total = Freed()
        for freed in self.by_kind.values():
            total += freed
        return total

    def table(self) -> list[dict[str, Any]]:
        """One row for each kind, the largest first."""
        rows = sorted(self.by_kind.items(), key=lambda item: (-item[1].bytes, -item[1].jobs))
        return [
            {
                "kind": kind.label if (kind := get_kind(slug)) else slug,
                "jobs": freed.jobs,
                "files": freed.files,
                "size": size_in_words(freed.bytes),
            }
            for slug, freed in rows
        ]
