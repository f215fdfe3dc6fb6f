"""What `ap` promises of commands on keys that are written at several nodes at once, beyond that all come to agree.

- `check_taken`: a key that is only written where it is not there is given away once by each node at most, and stays.
- `check_moved`: values that are set, and renamed or copied from key to key, are ones that somebody set; and something
  is left, because a RENAME removes only what it has seen, and writes it anew.
Operations: those of the workload `shared`. Twin: one Redis after the other's commands, in the tests.
Source: PROMISES §4, `SETNX` and `RENAME` on two sides.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from trilemma.check.history import History, Operation
from trilemma.check.verdict import Verdict, combine, invalid, valid

TAKEN_CHECKER: Final = "keys that are taken"
MOVED_CHECKER: Final = "values that are moved"

KEYS: Final = 2
"""Keys between which values of one group move."""


def check_taken(operations: Iterable[Operation], finals: Sequence[Operation], executors: frozenset[str]) -> Verdict:
    """Judge SETNX and its like on keys that nobody removes.

    Args:
        operations: `take` and `look`; each names its node.
        finals: `look`, when all had come to rest.
        executors: nodes that carry out themselves what they are asked, and so see what they have acknowledged.
    """
    kinds = ("take", "look")
    run = History(each for each in operations if each.kind in kinds).by_key()
    ends = History(each for each in finals if each.kind in kinds).by_key()
    verdicts = [_check_key(run.get(key, []), ends.get(key, []), executors) for key in {**run, **ends}]
    return combine(verdicts, TAKEN_CHECKER)


def _check_key(group: list[Operation], ends: list[Operation], executors: frozenset[str]) -> Verdict:
    takes = [each for each in group if each.kind == "take" and each.outcome != "fail"]
    tried = {each.argument: each for each in takes if each.outcome == "info" or each.result is True}
    done = [each for each in takes if each.outcome == "ok" and each.result is True]
    for each in (each for each in group if each.outcome == "ok"):
        seen = [one for one in done if one.node == each.node and one.node in executors and one.precedes(each)]
        if each.kind == "take":
            verdict = _check_take(each, tried, seen)
        else:
            verdict = _check_look(each, tried, seen)
        if verdict.is_invalid:
            return verdict
    looked = (_check_look(each, tried, done) for each in ends if each.outcome == "ok")
    return next((verdict for verdict in looked if verdict.is_invalid), valid(TAKEN_CHECKER))


def _check_take(take: Operation, tried: dict[Any, Operation], seen: list[Operation]) -> Verdict:
    """Judge what one that would take a key was told. `seen`: those that had taken it, and that it must know of."""
    if type(take.result) is not bool:
        return invalid(TAKEN_CHECKER, f"{take.result!r} says not whether {take.key!r} was taken", [take])
    if take.result and seen:
        return invalid(TAKEN_CHECKER, f"{take.node} gave {take.key!r} away twice", [seen[0], take])
    if not take.result and all(one is take or one.invoke_us > take.end_us for one in tried.values()):
        return invalid(TAKEN_CHECKER, f"{take.key!r} was there, though nobody had taken it", [take])
    return valid(TAKEN_CHECKER)


def _check_look(look: Operation, tried: dict[Any, Operation], seen: list[Operation]) -> Verdict:
    """Judge what a key shows. `seen`: those that had taken it, and of whom one must show."""
    if look.result is None:
        if seen:
            return invalid(TAKEN_CHECKER, f"{look.key!r} was taken and is not there", [seen[0], look])
    elif look.result not in tried or tried[look.result].invoke_us > look.end_us:
        return invalid(TAKEN_CHECKER, f"{look.key!r} shows {look.result!r}, with which nobody took it", [look])
    return valid(TAKEN_CHECKER)


def check_moved(operations: Iterable[Operation], finals: Sequence[Operation]) -> Verdict:
    """Judge values that are set, and go from key to key.

    Args:
        operations: `move` and `shown`.
        finals: `shown`, when all had come to rest.
    """
    listed = [*operations, *finals]
    groups = History(each for each in listed if each.kind in ("move", "shown")).by_key()
    at_rest = History(each for each in finals if each.kind == "shown" and each.outcome == "ok").by_key()
    verdicts = [_check_values(group) for group in groups.values()]
    for key, reads in at_rest.items():
        done = [each for each in groups[key] if each.kind == "move" and each.outcome == "ok" and each.argument]
        bare = [read for read in reads if isinstance(read.result, tuple) and set(read.result) <= {None}]
        if done and bare:
            verdicts.append(invalid(MOVED_CHECKER, f"nothing is left of {key!r}", [done[-1], bare[0]]))
    return combine(verdicts, MOVED_CHECKER)


def _check_values(group: list[Operation]) -> Verdict:
    written = {each.argument: each for each in group if each.kind == "move" and each.outcome != "fail"}
    written.pop(None, None)
    for each in group:
        if each.outcome != "ok":
            continue
        if each.kind == "shown" and not (isinstance(each.result, tuple) and len(each.result) == KEYS):
            return invalid(MOVED_CHECKER, f"{each.result!r} is not what two keys hold", [each])
        for value in each.result if each.kind == "shown" else (each.result,):
            if value is not None and (value not in written or written[value].invoke_us > each.end_us):
                return invalid(MOVED_CHECKER, f"{each.key!r} showed {value!r}, which nobody had set", [each])
    return valid(MOVED_CHECKER)
