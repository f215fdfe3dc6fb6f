"""Session guarantees and what they come to together, where nobody can tell which of them is broken.

Who reads the later of two writes and then the earlier one either went back in time (monotonic reads), or was shown a
copy that had the writes of one session in the wrong order (monotonic writes). Who does not find its newer write either
does not see it (read your writes), or sees a copy that put it behind the older one. Which of them it is depends on the
copies that were read. `session` takes a process that names no node for one that always reads the same copy; here
nothing is taken for granted about it:
- a guarantee is broken where it is broken whichever copies were read, so that each read may have had one of its own
  (also where one copy for all would have gone back in time, so that it could not be judged by that);
- PRAM and causal consistency are judged by what three, or all four of them demand together, for they ask for no copies;
- where one of these is broken, and no guarantee in it for certain, those that cannot hold together are `unknown`: one
  of them is broken. They are the fewest that are broken together, all of the smallest such sets. So is PRAM where one
  of its guarantees is in question.

Monotonic reads here as Terry has it: successive reads reflect a set of writes that only grows.
Source: see `session`; Brzezinski, Sobaniec, Wawrzyniak, "Session guarantees to achieve PRAM consistency of replicated
shared objects", PPAM 2003, and PDP 2004. Twin: in the tests.
Cost: as `session`, twice; where PRAM or causal consistency is broken once more for each set that is tried, of
which there are at most ten.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Final

from trilemma.check.hierarchy import (
    CAUSAL,
    MONOTONIC_READS,
    MONOTONIC_WRITES,
    PRAM,
    READ_YOUR_WRITES,
    WRITES_FOLLOW_READS,
)
from trilemma.check.history import Operation
from trilemma.check.session import GUARANTEES, check_sessions, check_together
from trilemma.check.verdict import Verdict, unknown

TOGETHER: Final[Mapping[str, Sequence[str]]] = {
    PRAM: (READ_YOUR_WRITES, MONOTONIC_READS, MONOTONIC_WRITES),
    CAUSAL: GUARANTEES,
}
"""For each model, weaker first, the guarantees that come to it together."""

_OF_COPIES: Final = (MONOTONIC_WRITES, WRITES_FOLLOW_READS)
"""Those that are about the copy that was read."""

_NOWHERE: Final = "\0"
"""What the names begin with that are given to operations without one: no name of a node begins so."""


def judge_sessions(operations: Iterable[Operation], initial: Hashable = None) -> dict[str, Verdict]:
    """Judge the four guarantees, whichever copies were read where no node is named, PRAM and causal consistency.

    Args:
        initial: what each key holds at first.

    Returns:
        A verdict per guarantee, and per model that they come to.
    """
    history = list(operations)
    found = _whichever_copies(history, check_sessions(history, initial), initial)
    causal = check_together(history, TOGETHER[CAUSAL], CAUSAL, initial)
    was_demanded = any(found[name].is_valid for name in TOGETHER[PRAM])
    is_kept = causal.is_valid and was_demanded  # what all four demand, three of them do
    found[PRAM] = causal._replace(checker=PRAM) if is_kept else check_together(history, TOGETHER[PRAM], PRAM, initial)
    found[CAUSAL] = causal
    for model, weaker in ((PRAM, TOGETHER[PRAM]), (CAUSAL, (*GUARANTEES, PRAM))):
        if found[model].is_invalid and not any(found[name].is_invalid for name in weaker):
            found |= _doubted(history, found, model, initial)
    return found


def _whichever_copies(history: list[Operation], found: dict[str, Verdict], initial: Hashable) -> dict[str, Verdict]:
    """Return the verdicts less what is broken only if reads that name no node were of one copy."""
    doubted = [name for name in _OF_COPIES if not found[name].is_valid]
    if not doubted or all(each.node for each in history):
        return found
    certain = check_sessions(_apart(history), initial, doubted)
    for name in doubted:
        if certain[name].is_invalid:
            found[name] = _named(certain[name])
        elif found[name].is_invalid:
            why = "no node is named, so nobody can tell which copy was read"
            found[name] = unknown(name, f"{why} ({found[name].reason})")
    return found


def _doubted(
    history: list[Operation], found: Mapping[str, Verdict], model: str, initial: Hashable
) -> Mapping[str, Verdict]:
    """Return the verdicts on a model that is broken, and on the guarantees of which one must be."""
    sets = _fewest(history, TOGETHER[model], initial)
    doubted = [name for name in GUARANTEES if any(name in each for each in sets)]
    verdict = found[model]
    told = f"{_either(doubted)} is broken, and nobody can tell which: {verdict.reason}"
    verdicts = {model: verdict._replace(reason=told)}
    for name in doubted:
        others = _either([other for other in doubted if other != name])
        verdicts[name] = unknown(name, f"broken, unless {others} is: nobody can tell which ({verdict.reason})")
    for weaker, names in TOGETHER.items():
        within = [name for name in doubted if name in names]
        if within and found[weaker].is_valid:
            verdicts[weaker] = unknown(weaker, f"nobody can tell whether {_either(within)} is broken")
    return verdicts


def _fewest(history: list[Operation], names: Sequence[str], initial: Hashable) -> list[Collection[str]]:
    """Return the smallest sets of guarantees that cannot hold together, all that there are of that size."""
    for size in range(2, len(names)):
        sets = [each for each in combinations(names, size) if check_together(history, each, "", initial).is_invalid]
        if sets:
            return list(sets)
    return [names]


def _either(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _apart(history: list[Operation]) -> list[Operation]:
    """Return a history in which each operation that names no node went to one that nothing else went to."""
    return [each if each.node else each._replace(node=f"{_NOWHERE}{number}") for number, each in enumerate(history)]


def _named(verdict: Verdict) -> Verdict:
    """Return a verdict whose witness names no node that the history does not name."""
    shown = (each._replace(node="") if each.node.startswith(_NOWHERE) else each for each in verdict.witness)
    return verdict._replace(witness=tuple(shown))
