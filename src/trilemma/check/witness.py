"""Making a witness small: of operations that cannot be ordered, keep those without which they could be.

To forget what an operation returned and when it ended (that is, to call it `info`) only ever allows more orders. So an
operation may be forgotten while the rest stays impossible; what cannot be forgotten is the witness. Source: delta
debugging, Zeller and Hildebrandt, TSE 28(2), 2002, with 'forget' in the place of 'remove'.
"""

from typing import Any

from trilemma.check.history import Operation
from trilemma.check.model import Model
from trilemma.check.search import Search


def shrink(operations: list[Operation], model: Model[Any], steps_max: int) -> list[Operation]:
    """Return the operations that make this history impossible, as few as the step bound lets us find.

    Args:
        operations: a history of one key that is not linearizable.
    """
    constraining = [index for index, each in enumerate(operations) if each.outcome == "ok"]
    kept = set(constraining)
    steps_left = steps_max
    block = max(1, len(constraining) // 2)
    while block:
        for start in range(0, len(constraining), block):
            part = [index for index in constraining[start : start + block] if index in kept]
            if not part or len(part) == len(kept) or steps_left <= 0:
                continue
            search = Search(_forget(operations, kept.difference(part), model), model, steps_left)
            impossible = search.run() is False
            steps_left = search.steps_left
            if impossible:
                kept.difference_update(part)
        block //= 2
    return [operations[index] for index in sorted(kept)]


def _forget(operations: list[Operation], kept: set[int], model: Model[Any]) -> list[Operation]:
    remembered = []
    for index, operation in enumerate(operations):
        if index in kept:
            remembered.append(operation)
        elif not model.is_read(operation):
            remembered.append(operation._replace(outcome="info"))
    return remembered
