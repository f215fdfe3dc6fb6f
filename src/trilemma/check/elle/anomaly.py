"""Anomalies: their names, which models each rules out, and how one is told.

Source: Adya, "Weak consistency", MIT, 1999, chapters 3 to 5; for snapshot isolation Cerone and Gotsman, "Analysing
snapshot isolation", PODC 2016: a ring rules it out unless two of its anti-dependencies follow each other; dirty
update, lost update, duplicate elements and incompatible orders as in arXiv:2003.10554, sections 4 and 6.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from trilemma.check.hierarchy import (
    READ_COMMITTED,
    READ_UNCOMMITTED,
    REPEATABLE_READ,
    SERIALIZABLE,
    SNAPSHOT_ISOLATION,
    STRICT_SERIALIZABLE,
    STRONG_SESSION_SERIALIZABLE,
    STRONG_SESSION_SNAPSHOT_ISOLATION,
    STRONG_SNAPSHOT_ISOLATION,
    with_stronger,
)
from trilemma.check.history import Operation

UNWRITTEN: Final = "unwritten element"
DUPLICATE: Final = "duplicate elements"
INCOMPATIBLE: Final = "incompatible orders"
DIRTY_UPDATE: Final = "dirty update"
G1A: Final = "G1a"
G1B: Final = "G1b"
INTERNAL: Final = "internal inconsistency"
LOST_UPDATE: Final = "lost update"
G0: Final = "G0"
G1C: Final = "G1c"
G_SINGLE: Final = "G-single"
G_NONADJACENT: Final = "G-nonadjacent"
G2_ITEM: Final = "G2-item"
PROCESS: Final = "-process"
REALTIME: Final = "-realtime"

IN_WORDS: Final[Mapping[str, str]] = {
    UNWRITTEN: "an element from nowhere",
    DUPLICATE: "an element stands in a list twice",
    INCOMPATIBLE: "lists that no one order of appends can give",
    DIRTY_UPDATE: "what was built on an aborted append was committed",
    G1A: "aborted read",
    G1B: "intermediate read",
    INTERNAL: "a transaction contradicts itself",
    LOST_UPDATE: "two transactions appended to the same version that both had read",
    G0: "a ring of appends",
    G1C: "a ring of appends and reads of them",
    G_SINGLE: "read skew: a ring with one read that missed an append",
    G_NONADJACENT: "a ring with several reads that missed appends, none next to another",
    G2_ITEM: "write skew: a ring with reads that missed appends",
}

_RINGS_BELOW_SNAPSHOTS: Final = (G0, G1C, G_SINGLE, G_NONADJACENT)

RULED_OUT: Final[Mapping[str, tuple[str, ...]]] = {
    UNWRITTEN: (READ_UNCOMMITTED,),
    DUPLICATE: (READ_UNCOMMITTED,),
    INCOMPATIBLE: (READ_COMMITTED,),
    DIRTY_UPDATE: (READ_COMMITTED,),
    G1A: (READ_COMMITTED,),
    G1B: (READ_COMMITTED,),
    INTERNAL: (SNAPSHOT_ISOLATION, REPEATABLE_READ),
    LOST_UPDATE: (SNAPSHOT_ISOLATION, REPEATABLE_READ),
    G0: (READ_UNCOMMITTED,),
    G1C: (READ_COMMITTED,),
    G_SINGLE: (SNAPSHOT_ISOLATION, REPEATABLE_READ),
    G_NONADJACENT: (SNAPSHOT_ISOLATION, REPEATABLE_READ),
    G2_ITEM: (REPEATABLE_READ,),
    **{name + PROCESS: (STRONG_SESSION_SNAPSHOT_ISOLATION,) for name in _RINGS_BELOW_SNAPSHOTS},
    G2_ITEM + PROCESS: (STRONG_SESSION_SERIALIZABLE,),
    **{name + REALTIME: (STRONG_SNAPSHOT_ISOLATION,) for name in _RINGS_BELOW_SNAPSHOTS},
    G2_ITEM + REALTIME: (STRICT_SERIALIZABLE,),
}
"""For each anomaly the weakest models that it rules out; gravest first. G2-item speaks of single keys, and there are no
others here, so that it rules out repeatable read as well as serializability."""

JUDGED: Final = (
    STRICT_SERIALIZABLE,
    STRONG_SESSION_SERIALIZABLE,
    SERIALIZABLE,
    STRONG_SNAPSHOT_ISOLATION,
    STRONG_SESSION_SNAPSHOT_ISOLATION,
    SNAPSHOT_ISOLATION,
    REPEATABLE_READ,
    READ_COMMITTED,
    READ_UNCOMMITTED,
)
"""The models that a history of transactions is held against, strongest first."""


class Anomaly(NamedTuple):
    """One anomaly as found. `reason` tells it in sentences; transactions are named T1, T2, … in order of invocation."""

    name: str
    reason: str
    operations: tuple[Operation, ...]

    @property
    def ruled_out(self) -> frozenset[str]:
        """Every model that a history with this anomaly does not satisfy."""
        return with_stronger(RULED_OUT[self.name])

    def describe(self) -> str:
        """Return the anomaly as a sentence: its name, in words, how it was found, and what it rules out."""
        base = self.name.removesuffix(PROCESS).removesuffix(REALTIME)
        weakest = " and ".join(RULED_OUT[self.name])
        return f"{self.name} ({IN_WORDS[base]}): {self.reason}. Rules out {weakest}, and all that is stronger"
