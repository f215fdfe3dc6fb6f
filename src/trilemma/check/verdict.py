"""Verdicts: what a checker found, in one of three words, with a reason and the few operations that show it.

`unknown` is never a pass: it says that the checker gave up, or that there was nothing to judge.
Source: Porcupine's three-valued results; Jepsen `checker.clj` (`merge-valid`).
"""

from collections.abc import Iterable
from enum import Enum
from typing import Final, NamedTuple

from trilemma.check.history import Operation


class Validity(Enum):
    """The three possible findings."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"


NOTHING_HAPPENED: Final = "no operation is ok, so nothing was seen that could be right or wrong"
"""Why a history of refusals and doubts alone is neither valid nor invalid."""

_SEVERITY = {Validity.VALID: 0, Validity.UNKNOWN: 1, Validity.INVALID: 2}


class Verdict(NamedTuple):
    """A checker's finding. `reason` is a sentence; `witness` holds the operations that cannot be reconciled."""

    validity: Validity
    checker: str
    reason: str = ""
    witness: tuple[Operation, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether the property was checked and holds."""
        return self.validity is Validity.VALID

    @property
    def is_invalid(self) -> bool:
        """Whether the property was checked and is broken."""
        return self.validity is Validity.INVALID

    def describe(self) -> str:
        """Return the finding as text: a line, then one line per operation of the witness."""
        lines = [f"{self.checker}: {self.validity.value}" + (f": {self.reason}" if self.reason else "")]
        lines += [f"  {operation.describe()}" for operation in self.witness]
        return "\n".join(lines)


def valid(checker: str, reason: str = "") -> Verdict:
    """Return the verdict that the property holds."""
    return Verdict(Validity.VALID, checker, reason)


def invalid(checker: str, reason: str, witness: Iterable[Operation] = ()) -> Verdict:
    """Return the verdict that the property is broken; the witness is put in order of invocation, without repeats."""
    unique: list[Operation] = []
    for operation in sorted(witness, key=lambda each: (each.invoke_us, each.process)):
        if operation not in unique:
            unique.append(operation)
    return Verdict(Validity.INVALID, checker, reason, tuple(unique))


def unknown(checker: str, reason: str) -> Verdict:
    """Return the verdict that nothing can be said."""
    return Verdict(Validity.UNKNOWN, checker, reason)


def combine(verdicts: Iterable[Verdict], checker: str = "all") -> Verdict:
    """Return one verdict for many: an invalid one beats an unknown one, which beats valid ones.

    Returns:
        The first of the gravest findings, under its own checker's name; `valid` under `checker` if all are valid;
        `unknown` where there are none, because nothing was judged.
    """
    worst: Verdict | None = None
    count = 0
    for verdict in verdicts:
        count += 1
        if worst is None or _SEVERITY[verdict.validity] > _SEVERITY[worst.validity]:
            worst = verdict
    if worst is None:
        return unknown(checker, "nothing was checked")
    return valid(checker, f"{count} verdicts, all valid") if worst.is_valid else worst
