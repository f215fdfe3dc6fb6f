"""A first-in-first-out queue that is also drained: dequeued one by one, in order, until nothing was found.

A drain is no single step: others may enqueue and dequeue in the midst of it. Its *parts* are dequeues within its time,
the last of which found nothing; each carries in `receipt` which drain it is of and its place there, and is possible
only after the parts before it. A drain that tells a set tells no order: its parts have places of equal rank, but for
the last. Owns the parts and the model that judges them; the queue itself is `collection`'s. Source: Jepsen
`checker.clj` (`expand-queue-drain-ops`), which takes a drain apart likewise. Twin: every order tried, in the tests.
"""

from collections.abc import Hashable, Iterable
from typing import Any, Final, NamedTuple

from trilemma.check.history import Operation
from trilemma.check.models.base import Model, Reach, by_content
from trilemma.check.models.collection import QUEUE, Line


class Part(NamedTuple):
    """Which part of a drain a dequeue is."""

    drain: int
    after: int
    """How many parts of the drain must have been before it."""
    at_most: int
    """How many may have been."""


class Drained(NamedTuple):
    """A queue, and how far each drain has come."""

    line: Line
    begun: frozenset[tuple[int, int]]
    """Of each drain that has begun: its number, and how many of its parts are done."""


def parts_of(drain: Operation, number: int) -> list[Operation]:
    """Return the dequeues that an acknowledged drain consists of; `number` is its own."""
    told = drain.result or ()
    count = len(told)
    has_order = not isinstance(told, frozenset | set)
    made = []
    for place, value in enumerate((*told, None)):
        after, at_most = (place, place) if has_order or place == count else (0, count - 1)
        made.append(drain._replace(kind="dequeue", result=value, receipt=Part(number, after, at_most)))
    return made


def _step(state: Drained, operation: Operation) -> tuple[bool, Drained]:
    possible, line = QUEUE.step(state.line, operation)
    part = operation.receipt
    if not isinstance(part, Part):
        return possible, Drained(line, state.begun)
    done = next((count for drain, count in state.begun if drain == part.drain), 0)
    if not part.after <= done <= part.at_most:
        return False, state
    if _is_empty_look(operation):
        return possible, state
    return possible, Drained(line, state.begun - {(part.drain, done)} | {(part.drain, done + 1)})


def _is_empty_look(operation: Operation) -> bool:
    return QUEUE.is_read(operation)


def _within(state: Drained, operation: Operation) -> bool:
    return operation.kind != "dequeue" or operation.result is None or operation.result in state.line


def _revives(write: Operation, operation: Operation) -> bool:
    return write.kind == "enqueue" and bool(write.argument == operation.result)


def _alike(operation: Operation) -> Hashable:
    return by_content(operation), operation.receipt


_NOBODY: Final = Drained((), frozenset())

DRAINED_QUEUE: Final[Model[Any]] = Model("queue", _NOBODY, _step, _is_empty_look, Reach(_within, _revives), _alike)
"""A queue, empty at first."""


def without_parts(operations: Iterable[Operation], drains: list[Operation]) -> list[Operation]:
    """Return operations with each part of a drain as the drain that it is of, by number."""
    return [drains[each.receipt.drain] if isinstance(each.receipt, Part) else each for each in operations]
