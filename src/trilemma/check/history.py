"""Histories: what the clients of a store did and were told, one `Operation` per request.

Owns the vocabulary that every checker reads; knows no store, no protocol and no file format.

Conventions. Times come from one clock, in microseconds; equal stamps are concurrent. A value is `bytes`, absence is
`None`, an integer reply is `int`, several replies are a `tuple`, and the text of an error reply is a `str`. The outcome
is `ok` (it happened, between invocation and completion), `fail` (it did not and never will) or `info` (it may have
happened, or may yet, at any time after its invocation). Source: Jepsen, doc/tutorial/03-client.md; FAULTS §4, pitfalls.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Outcome: TypeAlias = Literal["ok", "fail", "info"]

OUTCOMES: Final[tuple[Outcome, ...]] = ("ok", "fail", "info")

END_OF_TIME_US: Final = 1 << 62
"""When an operation of unknown outcome must be over at the latest: after everything else (microseconds)."""


class HistoryError(ValueError):
    """The history contradicts the conventions of this module, so nothing can be judged from it."""


class Operation(NamedTuple):
    """One request of one client and what became of it.

    `kind`, `argument` and `result` are in the words of the model that judges the operation. `key` splits histories:
    operations under different keys never constrain each other. `node` is where it was sent, `keyspace` and `mode` say
    under which promise. `receipt` names what a write became (a dot or a log index), `context` what its executor had
    seen; both are None where the client did not ask.
    """

    process: int
    invoke_us: int
    complete_us: int | None
    kind: str
    key: bytes
    argument: Any = None
    result: Any = None
    outcome: Outcome = "ok"
    node: str = ""
    keyspace: str = ""
    mode: str = ""
    receipt: Any = None
    context: Any = None

    @property
    def end_us(self) -> int:
        """By when it had taken effect, if it did: its completion, or the end of time where that is not known."""
        return self.complete_us if self.outcome == "ok" and self.complete_us is not None else END_OF_TIME_US

    def precedes(self, other: "Operation") -> bool:
        """Whether this one was over before the other began (in real time; equal stamps are concurrent)."""
        return self.end_us < other.invoke_us

    def since(self, origin_us: int) -> "Operation":
        """Return the same with its times counted from another moment."""
        complete_us = None if self.complete_us is None else self.complete_us - origin_us
        return self._replace(invoke_us=self.invoke_us - origin_us, complete_us=complete_us)

    def describe(self) -> str:
        """Return one line for people: who, what, when, and what came of it."""
        where = f" at {self.node}" if self.node else ""
        until = "?" if self.complete_us is None else str(self.complete_us)
        said = f" -> {self.result!r}" if self.outcome == "ok" else f" ({self.outcome})"
        text = "" if self.argument is None else f" {self.argument!r}"
        return f"process {self.process}{where} [{self.invoke_us}..{until} us] {self.kind} {self.key!r}{text}{said}"


class History:
    """A list of operations in any order, with the groupings that checkers need."""

    __slots__ = ("operations",)

    def __init__(self, operations: Iterable[Operation] = ()) -> None:
        self.operations: list[Operation] = list(operations)

    def __len__(self) -> int:
        return len(self.operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def append(self, operation: Operation) -> None:
        """Add one operation."""
        self.operations.append(operation)

    def where(self, wanted: Callable[[Operation], bool]) -> "History":
        """Return the history of the operations that `wanted` accepts, in the same order."""
        return History(operation for operation in self.operations if wanted(operation))

    def by_key(self) -> dict[bytes, list[Operation]]:
        """Return the operations of each key; keys in order of first appearance."""
        groups: dict[bytes, list[Operation]] = {}
        for operation in self.operations:
            groups.setdefault(operation.key, []).append(operation)
        return groups

    def by_process(self) -> dict[int, list[Operation]]:
        """Return the operations of each process in order of invocation; processes in ascending order."""
        groups: dict[int, list[Operation]] = {}
        for operation in sorted(self.operations, key=lambda each: each.invoke_us):
            groups.setdefault(operation.process, []).append(operation)
        return dict(sorted(groups.items()))

    def validate(self) -> None:
        """Check the conventions that every checker relies on.

        Raises:
            HistoryError: an outcome is unknown, an `ok` has no completion, or a completion lies before its invocation.
        """
        for operation in self.operations:
            if operation.outcome not in OUTCOMES:
                raise HistoryError(f"unknown outcome {operation.outcome!r}: {operation.describe()}")
            if operation.complete_us is None:
                if operation.outcome == "ok":
                    raise HistoryError(f"an ok operation never completed: {operation.describe()}")
            elif operation.complete_us < operation.invoke_us:
                raise HistoryError(f"completed before it was invoked: {operation.describe()}")
