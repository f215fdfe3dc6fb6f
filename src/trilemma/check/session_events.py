"""Sessions: the operations of each process in order, and who wrote what was read.

Owns reading a history of registers with unique values into events; `session` says what is demanded of them.
"""

from collections.abc import Hashable, Iterable, Iterator
from typing import Final

from trilemma.check.arbitration import Item
from trilemma.check.causal_graph import OVERWRITTEN, overwritten_by, reads_of, writes_of, written_back
from trilemma.check.history import Operation

_KINDS: Final = ("read", "write", "multi_read", "multi_write")


class Event:
    """An operation at its place in its session."""

    __slots__ = ("operation", "position", "reads", "session", "writes")

    def __init__(self, operation: Operation, session: int, position: int) -> None:
        self.operation = operation
        self.session = session
        self.position = position
        self.reads: list[Item] = reads_of(operation) if operation.outcome == "ok" else []
        self.writes: list[Item] = writes_of(operation)

    @property
    def is_done(self) -> bool:
        """Whether it happened for certain, and before its session went on."""
        return self.operation.outcome == "ok"


class Sessions:
    """All sessions of a history, and who wrote what."""

    def __init__(self, operations: Iterable[Operation], initial: Hashable) -> None:
        """Raises: ValueError: the history cannot be judged."""
        self.initial = initial
        self.by_number: list[list[Event]] = []
        self.events: list[Event] = []
        self.writers: dict[Item, Event] = {}
        numbers: dict[int, int] = {}
        for operation in sorted(operations, key=lambda each: each.invoke_us):
            if operation.kind not in _KINDS:
                raise ValueError(f"an operation is neither read nor write: {operation.describe()}")
            number = numbers.setdefault(operation.process, len(numbers))
            if number == len(self.by_number):
                self.by_number.append([])
            event = Event(operation, number, len(self.by_number[number]))
            self.by_number[number].append(event)
            self.events.append(event)
            self._add_writes(event)
        for event in self.events:
            self._trace_reads(event)

    def _add_writes(self, event: Event) -> None:
        for item in event.writes:
            if item[1] == self.initial:
                raise ValueError(written_back(*item))
            if item in self.writers:
                raise ValueError(f"the value {item[1]!r} was written twice to {item[0]!r}")
            self.writers[item] = event

    def _trace_reads(self, event: Event) -> None:
        for key, value in event.reads:
            if value == self.initial:
                continue
            writer = self.writers.get((key, value))
            if writer is None or writer.operation.outcome == "fail":
                is_overwritten = any((key, value) in overwritten_by(each.operation) for each in self.events)
                fault = OVERWRITTEN if is_overwritten else "nobody wrote it"
                raise ValueError(f"{value!r} was read from {key!r}, but {fault}")
            if event.operation.precedes(writer.operation):
                raise ValueError(f"{value!r} was read from {key!r} before its write began")

    def items_read(self, operations: Iterable[Operation]) -> Iterator[Item]:
        """Yield what these operations read that somebody wrote."""
        for operation in operations:
            for item in reads_of(operation):
                if item[1] != self.initial:
                    yield item
