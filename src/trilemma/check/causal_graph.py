"""The causal order of a history: who must have come before whom, as a graph with vector clocks.

Owns sessions, reads-from and the clocks; `causal` looks for what must not be. Source: see there.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, Final

from trilemma.check.history import Operation

_KINDS: Final = ("read", "write", "multi_read", "multi_write")

OVERWRITTEN: Final = "the operation that wrote it had overwritten it"
"""Why a value cannot have been read that was not the last one of its operation for its key."""


class ThinAirError(Exception):
    """A value was read that nobody can have written, or that was overwritten before anybody could read it."""

    def __init__(self, text: str, witness: list[Operation]) -> None:
        super().__init__(text)
        self.witness = witness


class Event:
    """An operation in the graph: its place in its session, what must precede it, and its vector clock."""

    __slots__ = ("clock", "number", "operation", "position", "predecessors", "reads", "session", "writes")

    def __init__(self, number: int, operation: Operation, session: int, position: int) -> None:
        self.number = number
        self.operation = operation
        self.session = session
        self.position = position
        self.predecessors: list[Event] = []
        self.clock: list[int] = []
        """For each session, how many of its operations are in this one's past (itself included)."""
        self.reads = reads_of(operation)
        self.writes = writes_of(operation)

    def saw(self, other: "Event") -> bool:
        """Whether the other is in this one's past (or is this one)."""
        return self.clock[other.session] > other.position


def reads_of(operation: Operation) -> list[tuple[bytes, Any]]:
    if operation.kind == "read":
        return [(operation.key, operation.result)]
    if operation.kind == "multi_read":
        return list(zip(operation.argument, operation.result, strict=True))
    return []


def writes_of(operation: Operation) -> list[tuple[bytes, Any]]:
    """Return what an operation leaves behind for others to read: of several pairs with one key the last."""
    if operation.kind == "write":
        return [(operation.key, operation.argument)]
    return list(dict(operation.argument).items()) if operation.kind == "multi_write" else []


def overwritten_by(operation: Operation) -> list[tuple[bytes, Any]]:
    """Return what an operation wrote and overwrote itself, so that nobody else can have read it."""
    if operation.kind != "multi_write":
        return []
    left = dict(operation.argument)
    return [(key, value) for key, value in operation.argument if left[key] != value]


class CausalGraph:
    """Events with their predecessors; `order` brings them into causal order and fills in the clocks."""

    def __init__(
        self, events: list[Event], sessions: int, writers: dict[tuple[bytes, Any], Event], initial: Any
    ) -> None:
        self.events = events
        self.sessions = sessions
        self.writers = writers
        self.initial = initial

    def order(self) -> list[Event]:
        """Sort the events causally and set their clocks; return a cycle instead if there is one, else nothing."""
        ordered = self._sort({})
        if len(ordered) < len(self.events):
            return self._cycle(ordered, {})
        for event in ordered:
            clock = [0] * self.sessions
            for predecessor in event.predecessors:
                clock = list(map(max, clock, predecessor.clock))
            clock[event.session] = max(clock[event.session], event.position + 1)
            event.clock = clock
        self.events = ordered
        return []

    def find_cycle(self, extra: Mapping[int, list[Event]]) -> list[Event]:
        """Return a cycle of the order with extra predecessors by event number, or nothing."""
        ordered = self._sort(extra)
        return self._cycle(ordered, extra) if len(ordered) < len(self.events) else []

    def _sort(self, extra: Mapping[int, list[Event]]) -> list[Event]:
        """Return as many events as can be put in order."""
        successors: dict[int, list[Event]] = {}
        missing: dict[int, int] = {}
        for event in self.events:
            before = event.predecessors + extra.get(event.number, [])
            missing[event.number] = len(before)
            for predecessor in before:
                successors.setdefault(predecessor.number, []).append(event)
        ordered = [event for event in self.events if not missing[event.number]]
        for event in ordered:  # grows while it is walked
            for successor in successors.get(event.number, ()):
                missing[successor.number] -= 1
                if not missing[successor.number]:
                    ordered.append(successor)
        return ordered

    def _cycle(self, ordered: list[Event], extra: Mapping[int, list[Event]]) -> list[Event]:
        """Return a cycle among the events that could not be ordered: each of them has a predecessor among them."""
        placed = {event.number for event in ordered}
        event = next(each for each in self.events if each.number not in placed)
        path: list[Event] = []
        seen: dict[int, int] = {}
        while event.number not in seen:
            seen[event.number] = len(path)
            path.append(event)
            before = event.predecessors + extra.get(event.number, [])
            event = next(each for each in before if each.number not in placed)
        return path[seen[event.number] :][::-1]


def build(operations: list[Operation], node_order: bool, initial: Any = None) -> CausalGraph:
    """Return the graph of a history.

    Raises:
        ThinAirError: a value was read that nobody can have written.
        ValueError: an operation has a foreign kind, or a value was written twice to a key, or is what that holds at
            first.
    """
    denied: dict[tuple[bytes, Any], tuple[str, Operation]] = {}
    happened = []
    for operation in sorted(operations, key=lambda each: each.invoke_us):
        if operation.kind not in _KINDS:
            raise ValueError(f"an operation is neither read nor write: {operation.describe()}")
        if operation.outcome == "fail":
            denied.update((write, ("its write had failed", operation)) for write in writes_of(operation))
        elif operation.outcome == "ok" or "write" in operation.kind:
            happened.append(operation)
            denied.update((write, (OVERWRITTEN, operation)) for write in overwritten_by(operation))
    events, sessions = _sessions(happened)
    if node_order:
        _link_nodes(events)
    writers: dict[tuple[bytes, Any], Event] = {}
    for event in events:
        for write in event.writes:
            if write[1] == initial:
                raise ValueError(written_back(*write))
            if write in writers:
                raise ValueError(f"the value {write[1]!r} was written twice to {write[0]!r}")
            writers[write] = event
    _link_reads(events, writers, denied, initial)
    return CausalGraph(events, sessions, writers, initial)


def written_back(key: bytes, initial: Any) -> str:
    """Return why a history is refused in which somebody wrote what a key holds at first."""
    return f"{initial!r} was written to {key!r}, which holds it at first, so that a read of it cannot be traced"


def _sessions(operations: list[Operation]) -> tuple[list[Event], int]:
    """Put operations, in order of invocation, into sessions. A doubtful one follows its session, but nothing follows it
    there, for it may take effect later: it gets a session of its own."""
    last: dict[tuple[int, str], Event] = {}
    numbers: dict[tuple[int, str], int] = {}
    events = []
    sessions = 0
    for number, operation in enumerate(operations):
        name = (operation.process, operation.node)
        previous = last.get(name)
        if operation.outcome == "ok" and name in numbers:
            session = numbers[name]
        else:
            session = sessions
            sessions += 1
        ok = operation.outcome == "ok"
        event = Event(number, operation, session, previous.position + 1 if ok and previous is not None else 0)
        if previous is not None:
            event.predecessors.append(previous)
        if ok:
            last[name] = event
            numbers[name] = session
        events.append(event)
    return events, sessions


def _link_nodes(events: list[Event]) -> None:
    """Put what a node acknowledged before what it was asked later: per session, the last such operation suffices."""
    by_node: dict[str, dict[int, list[Event]]] = {}
    for event in events:
        if event.operation.outcome == "ok":
            by_node.setdefault(event.operation.node, {}).setdefault(event.session, []).append(event)
    ends = {
        session: [event.operation.end_us for event in group]
        for groups in by_node.values()
        for session, group in groups.items()
    }
    for event in events:
        for session, group in by_node.get(event.operation.node, {}).items():
            index = bisect_left(ends[session], event.operation.invoke_us) - 1
            if session != event.session and index >= 0:
                event.predecessors.append(group[index])


def _link_reads(
    events: list[Event],
    writers: dict[tuple[bytes, Any], Event],
    denied: dict[tuple[bytes, Any], tuple[str, Operation]],
    initial: Any,
) -> None:
    for event in events:
        for key, value in event.reads:
            if value == initial:
                continue
            writer = writers.get((key, value))
            if writer is None:
                fault, *witness = denied.get((key, value), ("nobody wrote it",))
                raise ThinAirError(f"{value!r} was read from {key!r}, but {fault}", [*witness, event.operation])
            if writer is not event:
                event.predecessors.append(writer)
