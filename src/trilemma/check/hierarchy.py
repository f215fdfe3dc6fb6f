"""Models of consistency as a partial order, and where a set of verdicts places a store in it.

Owns the names and which model implies which. Nothing is inferred from an `unknown`, nor from what was not checked; what
is inferred is only that a valid model's weaker ones hold, and an invalid model's stronger ones do not.

PRAM, causal consistency and the session guarantees let each process see concurrent writes in an order of its own; one
order for all begins with causal convergence. Both are meant as Viotti and Vukolic define them, by what is visible and
one order of the writes to each key: the first three guarantees together, and all four. Lipton's and Sandberg's PRAM and
causal memory (CM), which put all reads of a process into one line with all writes, ask for more, and causal convergence
does not imply them.

*Eventual convergence* stands apart: it is judged by what replicas hold after the heal, which clients of a linearizable
store need never see. `causal convergence` is what `check_causal` judges without `node_order`: causal consistency with
one arbitration of what is concurrent.
Source: jepsen.io/consistency; Bailis et al., "Highly available transactions", VLDB 2013; Viotti and Vukolic, ACM CSUR
49(1), 2016; Bouajjani et al., POPL 2017 (causal convergence); Daudjee and Salem, VLDB 2006 (sessions); Adya, 1999.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from trilemma.check.report.data import Subject
from trilemma.check.verdict import Verdict

STRICT_SERIALIZABLE: Final = "strict serializable"
STRONG_SESSION_SERIALIZABLE: Final = "strong session serializable"
SERIALIZABLE: Final = "serializable"
STRONG_SNAPSHOT_ISOLATION: Final = "strong snapshot isolation"
STRONG_SESSION_SNAPSHOT_ISOLATION: Final = "strong session snapshot isolation"
SNAPSHOT_ISOLATION: Final = "snapshot isolation"
REPEATABLE_READ: Final = "repeatable read"
READ_COMMITTED: Final = "read committed"
READ_UNCOMMITTED: Final = "read uncommitted"
LINEARIZABLE: Final = "linearizable"
SEQUENTIAL: Final = "sequential"
CAUSAL_CONVERGENCE: Final = "causal convergence"
CAUSAL: Final = "causal"
PRAM: Final = "PRAM"
WRITES_FOLLOW_READS: Final = "writes follow reads"
MONOTONIC_READS: Final = "monotonic reads"
MONOTONIC_WRITES: Final = "monotonic writes"
READ_YOUR_WRITES: Final = "read your writes"
EVENTUAL: Final = "eventual convergence"

WEAKER: Final[Mapping[str, tuple[str, ...]]] = {
    STRICT_SERIALIZABLE: (STRONG_SESSION_SERIALIZABLE, STRONG_SNAPSHOT_ISOLATION, LINEARIZABLE),
    STRONG_SESSION_SERIALIZABLE: (SERIALIZABLE, STRONG_SESSION_SNAPSHOT_ISOLATION, SEQUENTIAL),
    STRONG_SNAPSHOT_ISOLATION: (STRONG_SESSION_SNAPSHOT_ISOLATION,),
    STRONG_SESSION_SNAPSHOT_ISOLATION: (SNAPSHOT_ISOLATION,),
    SERIALIZABLE: (SNAPSHOT_ISOLATION, REPEATABLE_READ),
    SNAPSHOT_ISOLATION: (READ_COMMITTED,),
    REPEATABLE_READ: (READ_COMMITTED,),
    READ_COMMITTED: (READ_UNCOMMITTED,),
    READ_UNCOMMITTED: (),
    LINEARIZABLE: (SEQUENTIAL,),
    SEQUENTIAL: (CAUSAL_CONVERGENCE,),
    CAUSAL_CONVERGENCE: (CAUSAL,),
    CAUSAL: (PRAM, WRITES_FOLLOW_READS),
    PRAM: (MONOTONIC_READS, MONOTONIC_WRITES, READ_YOUR_WRITES),
    WRITES_FOLLOW_READS: (),
    MONOTONIC_READS: (),
    MONOTONIC_WRITES: (),
    READ_YOUR_WRITES: (),
    EVENTUAL: (),
}
"""For each model, strongest first, those next below it: whatever satisfies the model satisfies these."""


def _closure() -> dict[str, frozenset[str]]:
    below: dict[str, frozenset[str]] = {}
    for name in reversed(list(WEAKER)):  # what is weaker comes later in the table
        below[name] = frozenset({name}).union(*(below[each] for each in WEAKER[name]))
    return below


_IMPLIED: Final = _closure()


def implies(stronger: str, weaker: str) -> bool:
    """Say whether every history that satisfies the one model satisfies the other (each model implies itself).

    Raises:
        KeyError: the first is no known model.
    """
    return weaker in _IMPLIED[stronger]


def with_stronger(models: Iterable[str]) -> frozenset[str]:
    """Return the models and all that are stronger: what is ruled out together with them."""
    given = set(models)
    return frozenset(name for name in WEAKER if not given.isdisjoint(_IMPLIED[name]))


class Standing(NamedTuple):
    """Where verdicts place a store. Both lists are in the table's order, strongest first."""

    satisfied: tuple[str, ...]
    """The strongest of the models that were checked and hold."""
    broken: tuple[str, ...]
    """The weakest of the models that were checked and do not hold."""
    contradicted: tuple[str, ...]
    """Models whose own check held although a weaker one's did not: judged on different operations, or a wrong checker.
    They count as not satisfied."""

    def describe(self) -> str:
        """Return a sentence for people."""
        holds = ", ".join(self.satisfied) or "nothing that was checked"
        breaks = f"; breaks {', '.join(self.broken)} (and all that is stronger)" if self.broken else ""
        return f"satisfies {holds}{breaks}"


def stand(verdicts: Mapping[str, Verdict]) -> Standing:
    """Place the verdicts on models, by the model's name, in the order of models.

    Raises:
        KeyError: a name is no known model.
    """
    for name in verdicts:
        implies(name, name)
    invalid = [name for name, verdict in verdicts.items() if verdict.is_invalid]
    ruled_out = with_stronger(invalid)
    valid = [name for name, verdict in verdicts.items() if verdict.is_valid]
    holding = [name for name in valid if name not in ruled_out]
    return Standing(
        satisfied=_in_order(name for name in holding if not any(_is_above(other, name) for other in holding)),
        broken=_in_order(name for name in invalid if not any(_is_above(name, other) for other in invalid)),
        contradicted=_in_order(name for name in valid if name in ruled_out),
    )


def fill(subject: Subject, verdicts: Mapping[str, Verdict]) -> Subject:
    """Return the subject with the models that it satisfies and breaks, by the verdicts on models."""
    standing = stand(verdicts)
    return replace(subject, satisfied=standing.satisfied, broken=standing.broken)


def _is_above(one: str, other: str) -> bool:
    return one != other and implies(one, other)


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    given = set(names)
    return tuple(name for name in WEAKER if name in given)
