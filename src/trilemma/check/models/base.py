"""What a sequential model is: what a data type does when operations come one at a time.

A model is data: an initial state and a pure step from (state, operation) to (possible?, new state). States are
hashable, because the search remembers them. An operation of outcome `info` has no result, so a step must accept it
whatever it would have returned. Owns no data type. Source: Porcupine `model.go`.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from trilemma.check.grouping import Grouping
from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict

State = TypeVar("State")

Run: TypeAlias = Callable[[Any, Operation], tuple[Any, Any]]
"""Gives the result of an operation in a state, and the new state."""


def _never(operation: Operation) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Reach(Generic[State]):
    """When a result can no longer come about: lets a search give up early. Costs nothing in correctness to leave out.

    Keeps, for every state s, operation r of outcome `ok` and other operation w: where `within(s, r)` is false, r is not
    possible in s, and after w it is still false unless `revives(w, r)`. So from s no order leads to r that does not
    pass through an operation that revives it.
    """

    within: Callable[[State, Operation], bool]
    revives: Callable[[Operation, Operation], bool]


@dataclass(frozen=True, slots=True)
class Model(Generic[State]):
    """A sequential data type. All but the first three fields only help the search: to leave them out costs time alone.

    `step` must be pure. `is_read` may say of an operation that it changes no state, whatever the state: the search then
    need not try it in every place. `alike` gives equal values for operations that `step` cannot tell apart. `run` is
    there where results are determined; with it random histories can be forged. `judge` decides many histories of one
    key in polynomial time: given the operations and the initial state it is exact, or says `unknown`. `group` finds
    what must stand together in any order of one key's operations: given all operations, where those of the key are, and
    the initial state.
    """

    name: str
    initial: State
    step: Callable[[State, Operation], tuple[bool, State]]
    is_read: Callable[[Operation], bool] = _never
    reach: Reach[State] | None = None
    alike: Callable[[Operation], Hashable] | None = None
    run: Run | None = None
    judge: Callable[[list[Operation], State], Verdict] | None = None
    group: Callable[[Sequence[Operation], Iterable[int], State], Grouping] | None = None


def by_content(operation: Operation) -> Hashable:
    """Return all that a step sees that minds neither who asks nor when (see `Model.alike`)."""
    argument, result = operation.argument, operation.result
    return operation.kind, operation.outcome, type(argument), argument, type(result), result


def deterministic(
    name: str,
    initial: State,
    run: Callable[[State, Operation], tuple[Any, State]],
    is_read: Callable[[Operation], bool] = _never,
    reach: Reach[State] | None = None,
    alike: Callable[[Operation], Hashable] | None = None,
) -> Model[State]:
    """Return the model of a type whose result is determined: `run` gives the result and the new state."""

    def step(state: State, operation: Operation) -> tuple[bool, State]:
        result, after = run(state, operation)
        return operation.outcome == "info" or result == operation.result, after

    return Model(name, initial, step, is_read, reach, alike, run)


def is_plain_read(operation: Operation) -> bool:
    """Say whether an operation is a read by its kind alone."""
    return operation.kind in ("read", "get", "multi_read")


def unknown_kind(model: str, operation: Operation) -> ValueError:
    """Return the error for an operation that a model does not have."""
    return ValueError(f"the {model} model has no operation {operation.kind!r}")


TOLD_NOTHING: Final = (None, b"OK", "OK")
"""Results that say no more than that it happened."""
