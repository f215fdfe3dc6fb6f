"""What came of a schedule: verdicts, failures, and whether enough happened for it to count."""

from dataclasses import dataclass, field

from trilemma.check.verdict import Verdict
from trilemma.sim.options import Options

OPERATIONS_MIN = 300
FAULT_KINDS_MIN = 2

VIRTUAL_US_MIN = 10_000_000
"""How long a schedule lasts at the least."""


@dataclass(slots=True)
class Outcome:
    """What came of a schedule."""

    options: Options
    verdicts: list[Verdict] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    virtual_us: int = 0
    """How long it lasted."""
    operations: int = 0
    ok_reads: int = 0
    ok_writes: int = 0
    fired: dict[str, int] = field(default_factory=dict)
    trace_hash: str = ""
    trace: list[str] = field(default_factory=list)

    @property
    def is_vacuous(self) -> bool:
        """Say whether too little happened to count."""
        return (
            not self.ok_reads
            or not self.ok_writes
            or len(self.fired) < FAULT_KINDS_MIN
            or self.operations < OPERATIONS_MIN
            or self.virtual_us < VIRTUAL_US_MIN
        )

    @property
    def broken(self) -> list[str]:
        """What clients can see broken, as text; verdicts that are unknown are counted apart."""
        return [verdict.describe() for verdict in self.verdicts if verdict.is_invalid]

    @property
    def is_clean(self) -> bool:
        """Say whether nothing at all was found."""
        return not self.broken and not self.failures
