"""Session guarantees where operations name no node: what is broken for certain, and what only one of two is.

Who reads the later of two writes and then the earlier one either went back in time (monotonic reads), or was shown a
copy that had the writes of one session in the wrong order (monotonic writes). Which of them it is depends on the copies
it read from. `session` takes a process that names no node for one that always reads the same copy; here nothing is
taken for granted about it:
- a guarantee is broken where it is broken whichever copies were read, so that each read may have had one of its own
  (also where one copy for all would have gone back in time, so that it could not be judged by that);
- where it is broken only if the copy was the same, it is `unknown`, as is monotonic reads: one of them is broken;
- what is then broken for certain is both together: PRAM for monotonic writes, causal consistency for writes follow
  reads. This is looked at one reading process at a time, as these two demand no order that all processes agree on.

Monotonic reads here as Terry has it: successive reads reflect a set of writes that only grows.
Source: see `session`; Brzezinski, Sobaniec, Wawrzyniak, "Session guarantees to achieve PRAM consistency of replicated
shared objects", PPAM 2003, and PDP 2004. Twin: in the tests.
Cost: as `session`, once more, and once for each process that the witness names, of what that one was shown.
"""

from collections.abc import Hashable, Iterable
from typing import Final

from trilemma.check.hierarchy import CAUSAL, MONOTONIC_READS, MONOTONIC_WRITES, PRAM, WRITES_FOLLOW_READS
from trilemma.check.history import Operation
from trilemma.check.session import check_sessions
from trilemma.check.verdict import Verdict, invalid, unknown

TOGETHER: Final = {MONOTONIC_WRITES: PRAM, WRITES_FOLLOW_READS: CAUSAL}
"""For a guarantee, the model that is broken where nobody can tell whether it or monotonic reads is."""


_NOWHERE: Final = "\0"
"""What the names begin with that are given to operations without one: no name of a node begins so."""


def judge_sessions(operations: Iterable[Operation], initial: Hashable = None) -> dict[str, Verdict]:
    """Judge the four guarantees, whichever copies were read where no node is named.

    Args:
        initial: what each key holds at first.

    Returns:
        A verdict per guarantee; `invalid` on PRAM or causal consistency beside them, where one of two guarantees is
        broken and nobody can tell which.
    """
    history = list(operations)
    found = check_sessions(history, initial)
    doubted = [name for name in TOGETHER if not found[name].is_valid]
    if not doubted or all(each.node for each in history):
        return found
    certain = check_sessions(_apart(history), initial, doubted)
    for name in doubted:
        if certain[name].is_invalid:
            found[name] = _named(certain[name])
        elif found[name].is_invalid:
            found |= _together(history, name, found[name], initial)
            found[name] = unknown(name, f"{_unless(MONOTONIC_READS)} ({found[name].reason})")
            if found[MONOTONIC_READS].is_valid:
                found[MONOTONIC_READS] = unknown(MONOTONIC_READS, _unless(name))
    return found


def _unless(other: str) -> str:
    return f"broken, unless {other} is: no node is named, so nobody can tell which copy was read"


def _together(history: list[Operation], name: str, verdict: Verdict, initial: Hashable) -> dict[str, Verdict]:
    """Return that both guarantees together are broken, where one process shows it by itself."""
    for process in dict.fromkeys(each.process for each in verdict.witness if "read" in each.kind):
        alone = check_sessions(history, initial, (name,), process)[name]
        if alone.is_invalid:
            reason = f"{MONOTONIC_READS} or {name} is broken, and nobody can tell which: {alone.reason}"
            return {TOGETHER[name]: invalid(TOGETHER[name], reason, alone.witness)}
    return {}


def _apart(history: list[Operation]) -> list[Operation]:
    """Return a history in which each operation that names no node went to one that nothing else went to."""
    return [each if each.node else each._replace(node=f"{_NOWHERE}{number}") for number, each in enumerate(history)]


def _named(verdict: Verdict) -> Verdict:
    """Return a verdict whose witness names no node that the history does not name."""
    shown = (each._replace(node="") if each.node.startswith(_NOWHERE) else each for each in verdict.witness)
    return verdict._replace(witness=tuple(shown))
