"""Linearizability against any sequential model, by search.

The search walks the events in time. At an invocation it may let the operation take effect; at a completion it cannot
pass it goes back to the last choice. Each pair (operations done, state) is visited once. Two things make it bearable
in Python: keys are judged apart, and an operation that changes no state takes effect as soon as it is possible
(moving it forward in a legal order keeps the order legal), so that only changes are searched over. Operations of
unknown outcome have no completion: they may take effect anywhere after their invocation, or never.

Exponential in the worst case, hence a bound on steps; beyond it the verdict is `unknown`.
Source: Wing and Gong, JPDC 17, 1993; Lowe, "Testing for linearizability", CCPE 29(4), 2017; Horn and Kroening,
arXiv:1504.00204 (splitting by key); Porcupine `checker.go`. Twin: `brute`.
"""

from collections.abc import Iterable
from typing import Any, Final

from trilemma.check.history import History, Operation
from trilemma.check.model import Model
from trilemma.check.search import Search
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid
from trilemma.check.witness import shrink

STEPS_MAX: Final = 2_000_000
"""Steps of the model per key: some ten seconds of search."""

SHRINK_STEPS_MAX: Final = 200_000
"""Steps of the model spent on making one witness smaller: about a second."""


def check_linearizable(operations: Iterable[Operation], model: Model[Any], steps_max: int = STEPS_MAX) -> Verdict:
    """Judge whether the operations of every key are linearizable.

    Args:
        operations: of any number of keys, in any order; each key begins in the model's initial state.
        model: what one key does.
        steps_max: bound on the search per key.

    Returns:
        For `invalid`: the operation at which the shortest failing prefix ends, and a small set that cannot be ordered.
    """
    groups = History(operations).by_key()
    if not groups:
        return valid(_name(model), "no operations")
    return combine((_check_key(group, model, steps_max) for group in groups.values()), _name(model))


def _name(model: Model[Any]) -> str:
    return f"linearizable {model.name}"


def _check_key(operations: list[Operation], model: Model[Any], steps_max: int) -> Verdict:
    relevant = [
        each for each in operations if each.outcome == "ok" or (each.outcome == "info" and not model.is_read(each))
    ]
    search = Search(relevant, model, steps_max)
    found = search.run()
    if found is None:
        return unknown(_name(model), f"key {operations[0].key!r}: gave up after {steps_max} steps")
    if found:
        return valid(_name(model))
    stuck = relevant[search.blocked]
    seen = [each for each in relevant if each.invoke_us <= stuck.end_us]
    witness = shrink(seen, model, SHRINK_STEPS_MAX)
    reason = f"key {stuck.key!r}: no order explains what was seen up to the end of: {stuck.describe()}"
    return invalid(_name(model), reason, [*witness, stuck])
