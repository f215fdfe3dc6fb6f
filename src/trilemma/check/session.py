"""Session guarantees: read your writes, monotonic reads, monotonic writes, writes follow reads; each judged by itself.

A session is one process, wherever its requests went; its operations follow each other in the order of invocation, and
what did not end as `ok` is followed by nothing. Operations: `write` (argument: a value unique for its key), `read`
(result), `multi_write` (argument: pairs), `multi_read` (argument: keys; result: values: all seen at one moment). No key
is ever deleted. Demanded is that for each key there is one order of its writes such that
- read your writes: a read shows no value older than one that its session wrote before;
- monotonic reads: a read shows no value older than one that its session read before;
- monotonic writes: writes of one session to one key keep their order, and whoever has seen a write has seen those that
  the same session wrote before it, to any key;
- writes follow reads: a write is later than what its session read before of the same key, and whoever has seen it has
  seen what its session had read before, of any key; and so on, back from there.
*Has seen*: a server's copy only grows, so for the last two, what a process was shown by a node holds for all that the
same process is shown by the same node later (an operation that names no node went to the only one its process knows).
Where a copy went back in time they are not judged among the writes concerned, and `unknown` if nothing else is left.

Where operations carry what their executors had seen, see also `session_vectors`.
Source: Terry et al., "Session guarantees for weakly consistent replicated data", PDIS 1994; Brzezinski, Sobaniec,
Wawrzyniak, "From session causality to causal consistency", PDP 2004; jepsen.io/consistency; the existence of an order:
Viotti and Vukolic, ACM CSUR 49(1), 2016. Twin: orders tried one by one, in the tests.
Cost: O(n) for the first two; O(n * observers) for the others, an observer being a process at a node.
"""

from collections.abc import Hashable, Iterable, Iterator
from typing import Final

from trilemma.check.arbitration import Arbitration, Because, Item
from trilemma.check.causal_graph import reads_of, writes_of
from trilemma.check.hierarchy import MONOTONIC_READS, MONOTONIC_WRITES, READ_YOUR_WRITES, WRITES_FOLLOW_READS
from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict, invalid, unknown, valid

GUARANTEES: Final = (READ_YOUR_WRITES, MONOTONIC_READS, MONOTONIC_WRITES, WRITES_FOLLOW_READS)

_KINDS: Final = ("read", "write", "multi_read", "multi_write")


class _Event:
    """An operation at its place in its session."""

    __slots__ = ("operation", "position", "reads", "session", "writes")

    def __init__(self, operation: Operation, position: int) -> None:
        self.operation = operation
        self.session = operation.process
        self.position = position
        self.reads: list[Item] = reads_of(operation) if operation.outcome == "ok" else []
        self.writes: list[Item] = writes_of(operation)

    @property
    def is_done(self) -> bool:
        return self.operation.outcome == "ok"


class _Sessions:
    """All sessions of a history, and who wrote what."""

    def __init__(self, operations: Iterable[Operation], initial: Hashable) -> None:
        """Raises: ValueError: the history cannot be judged."""
        self.initial = initial
        self.by_process: dict[int, list[_Event]] = {}
        self.events: list[_Event] = []
        self.writers: dict[Item, _Event] = {}
        for operation in sorted(operations, key=lambda each: each.invoke_us):
            if operation.kind not in _KINDS:
                raise ValueError(f"an operation is neither read nor write: {operation.describe()}")
            session = self.by_process.setdefault(operation.process, [])
            event = _Event(operation, len(session))
            session.append(event)
            self.events.append(event)
            self._add_writes(event)
        for event in self.events:
            self._trace_reads(event)

    def _add_writes(self, event: _Event) -> None:
        for item in event.writes:
            if item in self.writers or item[1] == self.initial:
                raise ValueError(f"the value {item[1]!r} was written twice to {item[0]!r}")
            self.writers[item] = event

    def _trace_reads(self, event: _Event) -> None:
        for key, value in event.reads:
            if value == self.initial:
                continue
            writer = self.writers.get((key, value))
            if writer is None or writer.operation.outcome == "fail":
                raise ValueError(f"{value!r} was read from {key!r}, but nobody wrote it")
            if event.operation.precedes(writer.operation):
                raise ValueError(f"{value!r} was read from {key!r} before its write began")

    def items_read(self, operations: Iterable[Operation]) -> Iterator[Item]:
        """Yield what these operations read that somebody wrote."""
        for operation in operations:
            for item in reads_of(operation):
                if item[1] != self.initial:
                    yield item


def check_sessions(operations: Iterable[Operation], initial: Hashable = None) -> dict[str, Verdict]:
    """Judge the four guarantees by the values read.

    Args:
        initial: what each key holds at first.

    Returns:
        A verdict per guarantee: `unknown` where nothing was demanded, or where values are not unique or from nowhere.
    """
    try:
        sessions = _Sessions(operations, initial)
    except ValueError as refusal:
        return {name: unknown(name, str(refusal)) for name in GUARANTEES}
    return {
        READ_YOUR_WRITES: _verdict(READ_YOUR_WRITES, sessions, *_own_writes(sessions)),
        MONOTONIC_READS: _verdict(MONOTONIC_READS, sessions, *_own_reads(sessions)),
        MONOTONIC_WRITES: _verdict(MONOTONIC_WRITES, sessions, *_Observation(sessions, follow_reads=False).run()),
        WRITES_FOLLOW_READS: _verdict(WRITES_FOLLOW_READS, sessions, *_Observation(sessions, follow_reads=True).run()),
    }


def _verdict(name: str, sessions: _Sessions, arbitration: Arbitration, demands: int) -> Verdict:
    found, is_spoilt = arbitration.find()
    if found is not None:
        shown = " and ".join(repr(value) for _, value in found.writes[:2])
        reason = f"no order of the writes to {found.writes[0][0]!r} fits: {shown} must each be the later one"
        sources = [sessions.writers[item].operation for item in sessions.items_read(found.operations)]
        return invalid(name, reason, [*found.operations, *sources])
    if is_spoilt:
        return unknown(name, "a node showed a process an older state than before, so the order of writes is in doubt")
    if not demands:
        return unknown(name, "no read was made of which anything was demanded")
    return valid(name, f"{demands} reads")


def _own_writes(sessions: _Sessions) -> tuple[Arbitration, int]:
    arbitration = Arbitration(sessions.initial)
    latest: dict[tuple[int, bytes], int] = {}  # per session and key: the mark of its own writes
    demands = 0
    for event in sessions.events:
        for item in event.reads:
            own = latest.get((event.session, item[0]))
            if own is not None:
                demands += 1
                arbitration.demand(own, arbitration.write(item), Because(event.operation))
        for item in event.writes if event.is_done else ():
            place = (event.session, item[0])
            mark = arbitration.mark()
            arbitration.demand(arbitration.write(item), mark, Because(event.operation))
            if place in latest:
                arbitration.demand(latest[place], mark)
            latest[place] = mark
    return arbitration, demands


def _own_reads(sessions: _Sessions) -> tuple[Arbitration, int]:
    arbitration = Arbitration(sessions.initial)
    latest: dict[tuple[int, bytes], tuple[Item, Operation]] = {}
    demands = 0
    for event in sessions.events:
        for item in event.reads:
            place = (event.session, item[0])
            if place in latest:
                demands += 1
                before, read = latest[place]
                because = Because(event.operation, Because(read))
                arbitration.demand(arbitration.write(before), arbitration.write(item), because)
            latest[place] = (item, event.operation)
    return arbitration, demands


class _Observer:
    """A process at a node: what it has been shown, and what must then be seen as well."""

    __slots__ = ("followed", "latest", "marks", "sealed")

    def __init__(self) -> None:
        self.followed: dict[int, int] = {}
        """For each session, how many of its events have been followed back from."""
        self.latest: dict[bytes, tuple[Item, Operation]] = {}
        """For each key what was last read, and by which operation."""
        self.marks: dict[bytes, int] = {}
        """For each key, the latest of the writes that must have been seen."""
        self.sealed: set[bytes] = set()
        """Keys whose mark a read was held against: what comes to be known later needs a new one."""


class _Observation:
    """Collects the demands of monotonic writes or of writes follow reads."""

    def __init__(self, sessions: _Sessions, follow_reads: bool) -> None:
        self._sessions = sessions
        self._follow_reads = follow_reads
        self._arbitration = Arbitration(sessions.initial)
        self._observers: dict[tuple[int, str], _Observer] = {}
        self._demands = 0

    def run(self) -> tuple[Arbitration, int]:
        for session in self._sessions.by_process.values():
            self._order_within(session)
        for event in self._sessions.events:
            if event.reads:
                self._observe(event)
        return self._arbitration, self._demands

    def _order_within(self, session: list[_Event]) -> None:
        """Put a session's writes behind what it wrote, or read, before of the same key."""
        arbitration = self._arbitration
        marks: dict[bytes, int] = {}
        for event in session:
            for item in event.writes:
                if item[0] in marks:
                    arbitration.demand(marks[item[0]], arbitration.write(item), Because(event.operation))
            for item in self._followed_items(event):
                mark = arbitration.mark()
                arbitration.demand(arbitration.write(item), mark, Because(event.operation))
                if item[0] in marks:
                    arbitration.demand(marks[item[0]], mark)
                marks[item[0]] = mark

    def _followed_items(self, event: _Event) -> list[Item]:
        """Return what later writes of the same session must follow."""
        if self._follow_reads:
            return [item for item in event.reads if item[1] != self._sessions.initial]
        return event.writes if event.is_done else []

    def _observe(self, event: _Event) -> None:
        observer = self._observers.setdefault((event.session, event.operation.node), _Observer())
        for item in event.reads:
            if item[1] != self._sessions.initial:
                self._follow(observer, self._sessions.writers[item], Because(event.operation))
        for item in event.reads:
            node = self._arbitration.write(item)
            if item[0] in observer.latest:
                before, read = observer.latest[item[0]]
                because = Because(event.operation, Because(read))
                self._arbitration.demand(self._arbitration.write(before), node, because, given=True)
            observer.latest[item[0]] = (item, event.operation)
            if item[0] in observer.marks:
                self._demands += 1
                self._arbitration.demand(observer.marks[item[0]], node, Because(event.operation))
                observer.sealed.add(item[0])

    def _follow(self, observer: _Observer, write: _Event, seen: Because) -> None:
        """Let the observer know all that must be seen together with a write."""
        waiting = [(write, seen)]
        while waiting:
            later, seen = waiting.pop()
            done = observer.followed.get(later.session, 0)
            if done >= later.position:
                continue
            observer.followed[later.session] = later.position
            for earlier in self._sessions.by_process[later.session][done : later.position]:
                because = Because(earlier.operation, Because(later.operation, seen))
                for item in self._followed_items(earlier):
                    self._know(observer, item, because)
                    if self._follow_reads:
                        waiting.append((self._sessions.writers[item], because))

    def _know(self, observer: _Observer, item: Item, because: Because) -> None:
        """Note a write that the observer must have seen."""
        arbitration = self._arbitration
        mark = observer.marks.get(item[0])
        if mark is None or item[0] in observer.sealed:
            newer = arbitration.mark()
            if mark is not None:
                arbitration.demand(mark, newer)
            observer.sealed.discard(item[0])
            mark = observer.marks[item[0]] = newer
        arbitration.demand(arbitration.write(item), mark, because)
