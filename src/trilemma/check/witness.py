"""Making a witness small: of operations that cannot be ordered, keep those without which they could be.

First the history is cut: what a history looked like up to some completion (what had not completed is `info`) can be
ordered if the whole can, so the first completion up to which it cannot is found by halving. It is the operation at
which the history fails, and part of every witness of what is left.

Then operations are forgotten. To forget what one returned and when it ended (to call it `info`, or to leave out one
that changed nothing) only ever allows more orders. So an operation may be forgotten while the rest stays impossible;
what cannot be forgotten is the witness, and none of it could be left out. Source: delta debugging, Zeller and
Hildebrandt, TSE 28(2), 2002, with 'forget' in the place of 'remove'.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, TypeAlias

from trilemma.check.deadline import Deadline
from trilemma.check.history import Operation
from trilemma.check.model import Model
from trilemma.check.search import Search

TRY_STEPS_MAX: Final = 10_000
"""Steps of the model spent on forgetting one part: where that is not enough the part is kept."""

Impossible: TypeAlias = Callable[[list[Operation]], bool | None]
"""Says whether a history cannot be ordered; None where it gave up."""


class BySearch:
    """Judges histories of one key by search, all within one bound on steps."""

    def __init__(self, model: Model[Any], steps_max: int, deadline: Deadline | None = None) -> None:
        self._model = model
        self._steps_left = steps_max
        self._deadline = deadline

    def __call__(self, operations: list[Operation]) -> bool | None:
        """Say whether the history cannot be ordered."""
        if self._steps_left <= 0:
            return None
        steps = min(self._steps_left, TRY_STEPS_MAX)
        search = Search(operations, self._model, steps, self._deadline)
        found = search.run()
        self._steps_left -= steps - search.steps_left
        return None if found is None else not found


def cut(operations: list[Operation], model: Model[Any], impossible: Impossible, from_us: int = 0) -> list[Operation]:
    """Return the shortest beginning of a history that cannot be ordered.

    Args:
        operations: a history of one key that cannot be ordered.
        from_us: it can be up to before this time.
    """
    ends = sorted({each.end_us for each in operations if each.outcome == "ok" and each.end_us >= from_us})
    low, high = 0, len(ends) - 1
    middle = 0  # the first guess of a search is nearly always right
    while low < high:
        if impossible(_beginning(operations, ends[middle], model)):
            high = middle
        else:
            low = middle + 1
        middle = (low + high) // 2
    return _beginning(operations, ends[high], model) if ends else operations


def _beginning(operations: Iterable[Operation], end_us: int, model: Model[Any]) -> list[Operation]:
    begun = [each for each in operations if each.invoke_us <= end_us]
    return _forget(begun, [index for index, each in enumerate(begun) if each.end_us <= end_us], model)


def shrink(operations: list[Operation], model: Model[Any], impossible: Impossible) -> list[Operation]:
    """Return the operations that make this history impossible, as few as the bound of `impossible` lets us find.

    Args:
        operations: a history that cannot be ordered, none of outcome `fail`.
    """
    constraining = [index for index, each in enumerate(operations) if each.outcome == "ok"]
    kept = set(constraining)
    block = max(1, len(constraining) // 2)
    while block:
        for start in range(0, len(constraining), block):
            part = [index for index in constraining[start : start + block] if index in kept]
            if not part or len(part) == len(kept):
                continue
            if impossible(_forget(operations, kept.difference(part), model)):
                kept.difference_update(part)
        block //= 2
    return [operations[index] for index in sorted(kept)]


def _forget(operations: list[Operation], kept: Collection[int], model: Model[Any]) -> list[Operation]:
    kept = frozenset(kept)
    remembered = []
    for index, operation in enumerate(operations):
        if index in kept:
            remembered.append(operation)
        elif not model.is_read(operation):
            remembered.append(operation._replace(outcome="info"))
    return remembered


def failing(witness: list[Operation]) -> Operation:
    """Return the operation of a witness at whose completion no order was left: the last to complete."""
    return max(witness, key=lambda each: (each.outcome == "ok", each.end_us, each.invoke_us))
