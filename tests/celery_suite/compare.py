"""What differs between the two runs, and all that did not pass in either: nothing is left out without a word."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

#: Where a test stands that must not differ: it did not do what it says.
FAILED = ("failed", "error")
#: Tests that may fail with ours alone, and why. docs/architecture.md tells the same.
_TASKS = "t/integration/test_tasks.py::"
_STARTED = "the claim tells STARTED, where a plain worker tells nothing before RETRY (unless task_track_started is on)"
TOLD = {
    f"{_TASKS}test_tasks::test_retry": _STARTED,
    f"{_TASKS}test_tasks::test_retry_with_unpickleable_exception": _STARTED,
}

Outcomes = dict[str, dict[str, Any]]


@dataclass
class Comparison:
    plain: Outcomes
    ours: Outcomes
    #: Failed with ours at first, and passed when asked again.
    unsteady: list[str] = field(default_factory=list)

    def failing(self) -> list[str]:
        """Tests that fail with ours, do not with plain, and are not told of."""
        found = [test for test in self.ours if self._fails(self.ours, test) and not self._fails(self.plain, test)]
        # One that a run of ours never came to is as bad.
        found += [test for test in self.plain if test not in self.ours]
        return [test for test in found if test not in TOLD]

    def tried_again(self, ours: Outcomes) -> None:
        for test, outcome in ours.items():
            if not self._fails(ours, test):
                self.unsteady.append(test)
            self.ours[test] = outcome

    @staticmethod
    def _fails(outcomes: Outcomes, test: str) -> bool:
        return test in outcomes and outcomes[test]["outcome"] in FAILED

    def __str__(self) -> str:
        plain = Counter(each["outcome"] for each in self.plain.values())
        ours = Counter(each["outcome"] for each in self.ours.values())
        parts = [f"plain: {_counts(plain)}\nours:  {_counts(ours)}"]
        both = [test for test in self.plain if self._fails(self.plain, test) and self._fails(self.ours, test)]
        only_plain = [test for test in self.plain if self._fails(self.plain, test) and not self._fails(self.ours, test)]
        parts += _listed("Failed with both", both, self.plain)
        parts += _listed("Failed with plain alone", only_plain, self.plain)
        skipped = [test for test, each in self.ours.items() if each["outcome"] == "skipped"]
        parts += _listed("Skipped with ours", skipped, self.ours)
        parts += _listed("Failed with ours at first, and passed when asked again", self.unsteady, {})
        told = [test for test in TOLD if self._fails(self.ours, test)]
        parts += _listed("Failed with ours alone, as told", told, {test: {"why": TOLD[test]} for test in told})
        parts += _listed("FAILED WITH OURS ALONE", self.failing(), self.ours)
        return "\n".join(parts)


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _listed(title: str, tests: list[str], outcomes: Outcomes) -> list[str]:
    if not tests:
        return []
    reasons = {test: outcomes.get(test, {}).get("why", "").strip().splitlines()[-1:] for test in tests}
    return [f"\n{title}:", *(f"  {test}{': ' + reasons[test][0][:200] if reasons[test] else ''}" for test in tests)]
