"""Reports: findings as lines for people, as data for machines, and added up where many are the same."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from trilemma.advise.judge import Finding

_VARIABLE = re.compile(r"\d+")

KINDS_MAX = 1_000
"""Kinds of findings that are told apart in a stream; what is over is counted, not shown."""


class Counted(NamedTuple):
    """A finding, and how many more there were of its kind."""

    finding: Finding
    times: int


class Tally:
    """Findings of a stream: those of one rule, keyspace and form of command are shown once, with their number."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str, str, bool], list[Any]] = {}
        self.left_out = 0

    def add(self, findings: Iterable[Finding]) -> None:
        """Take findings in."""
        for finding in findings:
            kind = finding.rule.name, finding.keyspace, _VARIABLE.sub("*", finding.shown), finding.is_unsafe
            known = self._kinds.get(kind)
            if known is not None:
                known[1] += 1
            elif len(self._kinds) < KINDS_MAX:
                self._kinds[kind] = [finding, 1]
            else:
                self.left_out += 1

    def counted(self) -> list[Counted]:
        """Return each kind's first finding and its number."""
        return [Counted(finding, times) for finding, times in self._kinds.values()]


def as_text(counted: Sequence[Counted]) -> list[str]:
    """Return three lines per finding: place, what and where; why; the safe way."""
    lines = []
    for finding, times in counted:
        more = f" ({times} times)" if times > 1 else ""
        head = f"{finding.place}: {finding.gravity.value} {finding.rule.name}, keyspace '{finding.keyspace}'"
        lines += [
            f"{head} ({finding.mode}): {finding.shown}{more}",
            f"    why: {finding.rule.reason}",
            f"    safe: {finding.rule.safe_way}",
        ]
    return lines


def as_data(counted: Sequence[Counted]) -> list[dict[str, Any]]:
    """Return one flat map per finding."""
    return [
        {
            "place": finding.place,
            "call": finding.shown,
            "rule": finding.rule.name,
            "gravity": finding.gravity.value,
            "keyspace": finding.keyspace,
            "mode": finding.mode,
            "reason": finding.rule.reason,
            "safe": finding.rule.safe_way,
            "times": times,
        }
        for finding, times in counted
    ]
