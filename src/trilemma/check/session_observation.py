"""What must have been seen: the demands of monotonic writes, of writes follow reads, and of several guarantees at once.

Whoever has seen a write has seen what came before it in its session: earlier writes (monotonic writes), or what was
read before, and what had to be seen with that, and so on (writes follow reads). How far an observer must have seen each
session is a vector clock. It is a process at a node where copies are taken to grow. Where it is a process wherever its
requests went, it has seen what it read before by monotonic reads only, and its own writes by read your writes.
Source and definitions: `session`.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator
from functools import partial
from typing import NamedTuple

from trilemma.check.arbitration import Arbitration, Item
from trilemma.check.hierarchy import MONOTONIC_READS, MONOTONIC_WRITES, READ_YOUR_WRITES, WRITES_FOLLOW_READS
from trilemma.check.history import Operation
from trilemma.check.session_events import Event, Sessions

Clock = list[int]
"""For each session, by number, before which of its positions everything must have been seen."""


class _Observer:
    """How far somebody must have seen each session, and what it was shown."""

    __slots__ = ("clock", "latest", "own", "shown")

    def __init__(self, sessions: int) -> None:
        self.clock: Clock = [0] * sessions
        self.latest: dict[bytes, tuple[Item, Operation]] = {}
        """For each key what was last read, and by which operation."""
        self.own: dict[bytes, int] = {}
        """For each key the mark of what it wrote itself."""
        self.shown: list[tuple[Operation, Event]] = []
        """Operations with the writes that they showed: reads, and its own writes."""

    def forget_reads(self) -> "_Observer":
        """Return one that has seen as much, whose next reads add nothing to what this one has seen."""
        other = _Observer(0)
        other.clock, other.own, other.shown = self.clock.copy(), self.own, self.shown.copy()
        return other


class Observation:
    """Collects the demands of some guarantees."""

    def __init__(self, sessions: Sessions, names: Collection[str], at_nodes: bool) -> None:
        """Args: at_nodes: whether an observer is a process at a node, whose copy is taken to grow; for guarantees that
        are about copies, monotonic writes and writes follow reads."""
        self._sessions = sessions
        self._orders_writes = MONOTONIC_WRITES in names
        self._follow_reads = WRITES_FOLLOW_READS in names
        self._shows_own = READ_YOUR_WRITES in names
        self._remembers = MONOTONIC_READS in names or at_nodes
        self._at_nodes = at_nodes
        self._arbitration = Arbitration(sessions.initial)
        self._observers: dict[tuple[int, str], _Observer] = {}
        self._clocks: dict[Event, Clock] = {}
        """What must be seen with each write because its session had read it (for writes follow reads)."""
        self._marks: dict[bytes, dict[int, tuple[list[int], list[int]]]] = {}
        """For each key and session: positions, and the mark of all that counts of the session up to each."""
        self._demands = 0

    def run(self) -> tuple[Arbitration, int]:
        """Return all demands, and of how many reads anything was demanded."""
        for session in self._sessions.by_number:
            self._order_within(session)
        if self._follow_reads:
            self._set_clocks()
        for event in self._sessions.events:
            if event.reads:
                self._observe(event)
            elif self._shows_own and event.is_done:
                self._note_own(event)
        return self._arbitration, self._demands

    def _counted(self, event: Event) -> list[Item]:
        """Return what later writes of the same session must follow."""
        if event.reads:
            return self._followed(event)
        return event.writes if self._orders_writes and event.is_done else []

    def _followed(self, event: Event) -> list[Item]:
        """Return what was read that writes follow."""
        return [item for item in event.reads if item[1] != self._sessions.initial] if self._follow_reads else []

    def _order_within(self, session: list[Event]) -> None:
        """Put a session's writes behind what counts before them of the same key."""
        arbitration = self._arbitration
        latest: dict[bytes, int] = {}
        for event in session:
            for item in event.writes:
                if item[0] in latest:
                    arbitration.demand(latest[item[0]], arbitration.write(item), (event.operation,))
            for item in self._counted(event):
                mark = arbitration.mark()
                arbitration.demand(arbitration.write(item), mark, (event.operation,))
                if item[0] in latest:
                    arbitration.demand(latest[item[0]], mark)
                latest[item[0]] = mark
                positions, marks = self._marks.setdefault(item[0], {}).setdefault(event.session, ([], []))
                positions.append(event.position)
                marks.append(mark)

    def _set_clocks(self) -> None:
        """Find out what must be seen with each write.

        In order of time, a write counting when it begins and a read when it ends, everything before a write in its
        session comes before it, and it comes before its reads (unless stamps are equal).
        """
        running = [[0] * len(self._sessions.by_number) for _ in self._sessions.by_number]
        for event in sorted(self._sessions.events, key=_moment):
            if event.writes:
                self._clocks[event] = running[event.session].copy()
            for item in self._followed(event):
                writer = self._sessions.writers[item]
                if writer not in self._clocks:
                    self._clocks[writer] = running[writer.session].copy()
                running[event.session] = self._merge(running[event.session], writer)

    def _merge(self, clock: Clock, write: Event) -> Clock:
        """Return a clock after a write has been seen."""
        merged = list(map(max, clock, self._clocks[write])) if self._follow_reads else clock.copy()
        merged[write.session] = max(merged[write.session], write.position)
        return merged

    def _observer(self, event: Event) -> _Observer:
        name = (event.session, event.operation.node if self._at_nodes else "")
        observer = self._observers.get(name)
        if observer is None:
            observer = self._observers[name] = _Observer(len(self._sessions.by_number))
        return observer

    def _note_own(self, event: Event) -> None:
        """Have a process have seen what it wrote, with all that must be seen with it."""
        observer = self._observer(event)
        observer.shown.append((event.operation, event))
        observer.clock = self._merge(observer.clock, event)
        for item in event.writes:
            mark = self._arbitration.mark()
            self._arbitration.demand(self._arbitration.write(item), mark, (event.operation,), event.session)
            if item[0] in observer.own:
                self._arbitration.demand(observer.own[item[0]], mark, (), event.session)
            observer.own[item[0]] = mark

    def _observe(self, event: Event) -> None:
        observer = self._observer(event)
        if not self._remembers:
            observer = observer.forget_reads()
        for item in event.reads:
            if item[1] != self._sessions.initial:
                writer = self._sessions.writers[item]
                observer.shown.append((event.operation, writer))
                observer.clock = self._merge(observer.clock, writer)
        for item in event.reads:
            self._hold(observer, event, item)

    def _hold(self, observer: _Observer, event: Event, item: Item) -> None:
        """Demand that what was read of a key is not older than what must have been seen."""
        node = self._arbitration.write(item)
        demanded = False
        if item[0] in observer.latest:
            before, read = observer.latest[item[0]]
            demanded = not self._at_nodes
            self._arbitration.demand(
                self._arbitration.write(before), node, (read, event.operation), event.session, given=self._at_nodes
            )
        observer.latest[item[0]] = (item, event.operation)
        if item[0] in observer.own:
            demanded = True
            self._arbitration.demand(observer.own[item[0]], node, (event.operation,), event.session)
        because = partial(self._explain, event, observer, len(observer.shown))
        for session, (positions, marks) in self._marks.get(item[0], {}).items():
            index = bisect_left(positions, observer.clock[session]) - 1
            if index >= 0:
                demanded = True
                self._arbitration.demand(marks[index], node, because, event.session)
        self._demands += demanded

    def _explain(self, event: Event, observer: _Observer, shown: int, mark: int) -> tuple[Operation, ...]:
        """Return by which operations the observer came to see a session beyond the place of a mark."""
        session, position = next(
            (session, positions[marks.index(mark)])
            for by_session in self._marks.values()
            for session, (positions, marks) in by_session.items()
            if mark in marks
        )
        for step in self._steps(observer.shown[:shown]):
            if step.write.session == session and step.write.position > position:
                return (event.operation, *step.way())
        return (event.operation,)

    def _steps(self, shown: list[tuple[Operation, Event]]) -> Iterator["_Step"]:
        """Yield each write that must be seen with the writes shown, from one read to the next, nearest first. Where the
        same session was followed up to a place already, it is not followed again."""
        followed: dict[int, int] = {}
        for read, write in shown:
            waiting = [_Step(write, (read, write.operation), None)]
            for step in waiting:  # grows while it is walked
                yield step
                later = step.write
                done = followed.get(later.session, 0)
                followed[later.session] = max(done, later.position)
                if self._follow_reads:
                    for earlier in self._sessions.by_number[later.session][done : later.position]:
                        for item in self._followed(earlier):
                            writer = self._sessions.writers[item]
                            waiting.append(_Step(writer, (earlier.operation, writer.operation), step))


class _Step(NamedTuple):
    """A write that must be seen, and how one comes to it."""

    write: Event
    operations: tuple[Operation, Operation]
    before: "_Step | None"

    def way(self) -> tuple[Operation, ...]:
        """Return the operations that lead from what was read to this write."""
        found: list[Operation] = []
        step: _Step | None = self
        while step is not None:
            found[:0] = step.operations
            step = step.before
        return tuple(found)


def _moment(event: Event) -> tuple[int, bool]:
    return (event.operation.invoke_us, True) if event.writes else (event.operation.end_us, False)
