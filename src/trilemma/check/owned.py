"""Keys of one owner: a client that works at one node, on keys that nobody else writes, sees one order, its own.

Its operations took effect in the order in which it sent them, so each reply follows from those before. Of what it was
not answered each may have happened or not; of one connection in the order in which it was sent, yet at any time after
it was. All that this leaves open is followed at once. Reads by others come last, when nothing is under way any more.
Twin: the search for linearizability over the same history with no two operations at a time, in the tests.
"""

from collections.abc import Hashable, Iterable
from typing import Any, Final

from trilemma.check.history import History, Operation
from trilemma.check.model import Model
from trilemma.check.redis_history import sure
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid

CHECKER: Final = "keys of one owner"

OPEN_MAX: Final = 4_000
"""Ways in which it may have come so far: with more of them a group is given up."""

SHOWN: Final = 8
"""Operations before the one that nothing explains which its witness shows."""

_Way = tuple[Any, tuple[int, ...]]
"""A state, and how far into each connection's unanswered operations it reaches."""


def check_owned(operations: Iterable[Operation], model: Model[Any], nodes_in_order: frozenset[str]) -> Verdict:
    """Judge every group of keys that has one owner.

    Args:
        operations: each group's in the order in which they were sent; its key names the group.
        model: what a group does.
        nodes_in_order: at which nodes unanswered operations of one connection keep their order. Elsewhere, where they
            are passed on, each may overtake the next.
    """
    groups = History(operations).by_key().values()
    return combine((sure(_check_group(group, model, nodes_in_order), group) for group in groups), CHECKER)


def _check_group(group: list[Operation], model: Model[Any], nodes_in_order: frozenset[str]) -> Verdict:
    chains: dict[Hashable, list[Operation]] = {}
    ways: set[_Way] = {(model.initial, ())}
    for place, each in enumerate(group):
        if each.outcome == "fail":
            continue
        if each.outcome == "info":
            name = each.process if each.node in nodes_in_order else (each.process, place)
            if name not in chains:
                ways = {(state, (*reached, 0)) for state, reached in ways}
            chains.setdefault(name, []).append(each)
            continue
        opened = _opened(ways, list(chains.values()), model)
        if opened is None:
            return unknown(CHECKER, f"too many ways to explain what was seen of {each.key!r}")
        stepped = ((model.step(state, each), reached) for state, reached in opened)
        ways = {(after, reached) for (is_legal, after), reached in stepped if is_legal}
        if not ways:
            before = [other for other in group[:place] if other.outcome != "fail"]
            doubtful = [other for other in before if other.outcome == "info"]
            reason = f"{each.key!r} has one owner, whose operations do not explain the last one's reply"
            return invalid(CHECKER, reason, [*doubtful, *before[-SHOWN:], each])
    return valid(CHECKER)


def _opened(ways: set[_Way], chains: list[list[Operation]], model: Model[Any]) -> set[_Way] | None:
    """Return the ways, and those in which more unanswered operations have happened; None where they are too many.

    The last one of each step is one that happened: what is passed over is passed over for one behind it.
    """
    found, fresh = set(ways), list(ways)
    while fresh:
        state, reached = fresh.pop()
        for number, chain in enumerate(chains):
            for place in range(reached[number], len(chain)):
                after = model.step(state, chain[place])[1]
                way = after, (*reached[:number], place + 1, *reached[number + 1 :])
                if after != state and way not in found:
                    found.add(way)
                    fresh.append(way)
        if len(found) > OPEN_MAX:
            return None
    return found
