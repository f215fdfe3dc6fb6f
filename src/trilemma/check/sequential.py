"""Sequential consistency against any sequential model: one order of everything that keeps the order of each process.

Unlike linearizability it does not split by key: two keys may each have an order and have none together. So all keys
are judged at once; each of them begins in the model's initial state. The order of a process is that of its
invocations, whether or not they overlapped; what an operation of unknown outcome did may come at any later place, or
never. Three steps, each of which may decide:
- where every process waits for its answers, what is linearizable is sequentially consistent too, and keys can be judged
  apart for that (locality: Herlihy and Wing, TOPLAS 12(3), 1990);
- for registers with unique values and strings with unique parts what is forced is computed (`saturation`): a ring is a
  proof in polynomial time;
- what is forced guides the search (`ordering`), which is bounded; beyond the bounds the verdict is `unknown`.

Source: Lamport, "How to make a multiprocessor computer that correctly executes multiprocess programs", IEEE TC 28(9),
1979; NP-complete: Gibbons and Korach, SIAM J. Comput. 26(4), 1997, section 3. Twin: `brute`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from trilemma.check.deadline import Deadline, why_given_up
from trilemma.check.grouping import Grouping
from trilemma.check.history import Operation
from trilemma.check.linearizable import STEPS_MAX, check_linearizable, relevant
from trilemma.check.model import Model
from trilemma.check.ordering import OrderSearch
from trilemma.check.parts import Impossible, Undecided
from trilemma.check.saturation import OPERATIONS_MAX, process_order, saturate
from trilemma.check.verdict import Verdict, invalid, unknown, valid
from trilemma.check.witness import failing, shrink

LINEARIZABLE_STEPS_MAX: Final = 100_000
"""Steps of the model per key to see whether the history is linearizable, and so sequentially consistent too: a second
at most."""

SATURATE_STEPS_MAX: Final = 600_000
"""Operations that saturation looks at to make its witness smaller: some seconds."""

SHRINK_STEPS_MAX: Final = 100_000
"""Steps of the model that are spent on a smaller witness: a second."""


def check_sequential(
    operations: Iterable[Operation],
    model: Model[Any],
    steps_max: int = STEPS_MAX,
    deadline: Deadline | None = None,
) -> Verdict:
    """Judge whether there is one legal order of all operations that keeps the order of every process.

    Args:
        operations: of any number of keys, in any order; each key begins in the model's initial state.
        model: what one key does.
        steps_max: bound on the search.
        deadline: when to give up.

    Returns:
        For `invalid`: a small set that cannot be ordered. `unknown` where a bound was reached.
    """
    name = f"sequential {model.name}"
    needed = relevant(operations, model)
    if not needed:
        return valid(name, "no operations")
    if is_kept_by_time(needed) and check_linearizable(needed, model, LINEARIZABLE_STEPS_MAX, deadline).is_valid:
        return valid(name, "it is linearizable")
    judge = _Judge(model, steps_max, deadline)
    found = judge.find(needed)
    if found is None:
        return unknown(name, why_given_up(steps_max, deadline))
    if found:
        return valid(name)
    witness = _shrink(needed, model, judge.was_quick, deadline)
    stuck = failing(witness)
    reason = "no one order of all processes' operations explains them"
    return invalid(name, f"{reason}; the last of them: {stuck.describe()}", witness)


def _shrink(
    operations: list[Operation], model: Model[Any], was_quick: bool, deadline: Deadline | None
) -> list[Operation]:
    """Return a small witness; what saturation found is made small by it first, as that is quick."""
    if was_quick:
        quick = _Judge(model, SATURATE_STEPS_MAX, deadline)
        quick.is_quick = True
        kept = set(map(id, shrink(operations, model, quick.impossible)))
        left = [each for each in operations if id(each) in kept or not model.is_read(each)]
        operations = [each if id(each) in kept else each._replace(outcome="info") for each in left]
    return shrink(operations, model, _Judge(model, SHRINK_STEPS_MAX, deadline).impossible)


def is_kept_by_time(operations: Sequence[Operation]) -> bool:
    """Return whether real time orders whatever a process orders: it never asked before it had its last answer."""
    pairs = process_order(operations)
    return all(operations[before].precedes(operations[after]) for before, after in pairs)


class _Judge:
    """Decides histories within one bound on steps."""

    def __init__(self, model: Model[Any], steps_max: int, deadline: Deadline | None) -> None:
        self._model = model
        self._steps_left = steps_max
        self._deadline = deadline
        self.is_quick = False
        """Ask saturation only."""
        self.was_quick = False
        """Whether saturation alone decided last time."""

    def impossible(self, operations: list[Operation]) -> bool | None:
        """Say whether a history cannot be ordered; None where it gave up."""
        found = self.find(operations)
        return None if found is None else not found

    def find(self, operations: list[Operation]) -> bool | None:
        """Say whether a history can be ordered; None where it gave up."""
        if self._steps_left <= 0:
            return None
        self.was_quick = False
        order = process_order(operations)
        try:
            groupings = self._group(operations)
            if groupings:
                unseen = {index for grouping in groupings for index in grouping.unseen}
                if unseen:
                    return self.find([each for index, each in enumerate(operations) if index not in unseen])
                order = saturate(operations, groupings, self._deadline)
        except Impossible:
            self.was_quick = True
            return False
        if self.is_quick:
            return None
        search = OrderSearch(operations, self._model, order, self._steps_left, self._deadline)
        found = search.run()
        self._steps_left = search.steps_left
        return found

    def _group(self, operations: list[Operation]) -> list[Grouping]:
        """Return a grouping for each key where that can be known."""
        if self._model.group is None or len(operations) > OPERATIONS_MAX:
            return []
        self._steps_left -= len(operations)
        keys: dict[bytes, list[int]] = {}
        for index, operation in enumerate(operations):
            keys.setdefault(operation.key, []).append(index)
        groupings = []
        for indices in keys.values():
            try:
                groupings.append(self._model.group(operations, indices, self._model.initial))
            except Undecided:
                continue  # nothing is known about this key's groups; the process order and the other keys' stay
        return groupings
