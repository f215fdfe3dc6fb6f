"""The findings of one run, as data: what was driven and disturbed, and per subject what was seen and judged.

Renderings (a table on the terminal, a page) read this and nothing else. Knows no store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from trilemma.check.fault import Fault
from trilemma.check.history import Operation
from trilemma.check.verdict import Validity, Verdict

EXIT_STATUS = {Validity.VALID: 0, Validity.INVALID: 1, Validity.UNKNOWN: 2}
"""What a command that judges ends with."""


class SideShare(NamedTuple):
    """How requests fared that were sent to some nodes during some stretch of the run.

    Times in microseconds, over answered requests, staleness over the reads that tell it; 0 where there were none.
    """

    stretch: str
    """`whole`, or what the fault was that was in force."""
    side: str
    """The nodes that the requests were sent to."""
    answered: int
    refused: int
    unknown: int
    p50_us: int
    p99_us: int
    worst_us: int
    reads: int = 0
    """Reads that tell how stale they were."""
    stale_reads: int = 0
    stale_versions: int = 0
    """The most versions that one of them was behind."""
    stale_us: int = 0
    """The longest time that one of them was behind."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged by itself: a keyspace, or all of a store that has none."""

    name: str
    mode: str
    """cp, ca or ap; empty where the store has no such setting."""
    model: str
    """Which sequential model or workload its operations are of."""
    operations: Sequence[Operation]
    verdicts: Sequence[Verdict]
    """Of the checkers whose promise was to be kept: one that is invalid makes the run invalid."""
    observed: Sequence[Verdict] = ()
    """Of checkers that look beyond the promise: said, but not held against the store."""
    satisfied: Sequence[str] = ()
    """The strongest models of consistency that were checked and hold."""
    broken: Sequence[str] = ()
    """The weakest models that were checked and do not hold."""
    shares: Sequence[SideShare] = ()
    staleness: Mapping[str, str] = field(default_factory=dict)
    """How stale reads were, in words and figures, by what was measured."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Per replica, after the heal; empty where the store tells none."""

    @property
    def validity(self) -> Validity:
        """The gravest of its verdicts: invalid, else unknown (also where there are none), else valid."""
        found = {verdict.validity for verdict in self.verdicts}
        if Validity.INVALID in found:
            return Validity.INVALID
        return Validity.UNKNOWN if Validity.UNKNOWN in found or not found else Validity.VALID


@dataclass(frozen=True, slots=True)
class Report:
    """One run."""

    title: str
    target: str
    workload: str
    nemesis: str
    subjects: Sequence[Subject]
    faults: Sequence[Fault] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    """Sentences that a reader must know: by what means links were cut, what could not be done."""

    @property
    def validity(self) -> Validity:
        """The gravest validity of its subjects; unknown where there are none."""
        found = {subject.validity for subject in self.subjects}
        if Validity.INVALID in found:
            return Validity.INVALID
        return Validity.UNKNOWN if Validity.UNKNOWN in found or not found else Validity.VALID

    @property
    def exit_status(self) -> int:
        """0 for valid, 1 for invalid, 2 for unknown."""
        return EXIT_STATUS[self.validity]
