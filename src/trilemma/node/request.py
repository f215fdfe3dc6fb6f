"""A request: one unit of one session on its way to an answer. It is answered once, by whoever comes first.

The deadline decides what happens when nobody does: what was never handed to an executor did not happen; a write that
was handed over may have (PROMISES §2).
"""

from typing import Final, Protocol

from trilemma.base.ids import NodeId, ShardId
from trilemma.crdt.vector import Vector, join
from trilemma.node.unit import Result, Unit

NOTHING: Vector = {}
UNCERTAIN = b"-UNCERTAIN"

Target = tuple[NodeId, int]
"""An executor and its epoch: its term (Raft) or its start (leaderless)."""


class Lane:
    """What one session has under way on one shard: keeps the order of its commands there (PROTOCOLS §2.5).

    Knows as well who has answered it: of an `ap` shard whose executor is elsewhere, and may change, nobody else does.
    """

    __slots__ = (
        "handed",
        "is_confirmed",
        "last_done",
        "logged",
        "only",
        "promised",
        "reads",
        "seen",
        "shown_by",
        "target",
        "wrote_at",
    )

    def __init__(self) -> None:
        self.reads = 0
        self.logged = 0
        self.handed = 0
        self.target: Target | None = None
        """To whom the `handed` requests went. Later ones must not overtake them by way of another executor."""
        self.shown_by: tuple[NodeId, ...] = ()
        """The nodes that have answered something since `seen` was noted."""
        self.seen: Vector = NOTHING
        """What the session's last token named: all that it was shown before."""
        self.promised: Vector = NOTHING
        """What CAP WAIT has waited for, and `only` holds."""
        self.only: NodeId | None = None
        """The node that executes all that comes, because of another one it is not known whether it holds `promised`."""
        self.wrote_at: NodeId | None = None
        """The node to which the last write went that was carried out, or may have been."""
        self.last_done = 0
        """The highest number of what was carried out, or may have been: a read sent before it has lost its place."""
        self.is_confirmed = False
        """Whether the newest one that was answered is known to be carried out."""

    def was_answered(self, unit: Unit, number: int, result: Result) -> None:
        """Take note of what the executor to which the requests went has answered, or has left without an answer.

        `number`: of the request of that unit.
        """
        if self.target is None:
            return
        node = self.target[0]
        if type(result) is not bytes:
            if node not in self.shown_by:
                self.shown_by += (node,)
        elif not result.startswith(UNCERTAIN):
            return
        self.last_done = max(self.last_done, number)
        if unit.path == 0:
            self.wrote_at = node
            self.is_confirmed = type(result) is not bytes

    def was_named(self, vector: Vector) -> None:
        """Take note that a token names all that was shown so far."""
        self.seen, self.shown_by = vector, ()

    def was_promised(self, node: NodeId, vector: Vector) -> None:
        """Take note that CAP WAIT is answered because a node holds a vector: it executes all that comes."""
        self.only, self.promised = node, join((self.promised, vector))

    @property
    def known(self) -> Vector:
        """What the session has seen, or may count on, whoever executed it; `shown_by` have shown more since."""
        return join((self.seen, self.promised))

    def forget(self) -> None:
        """Begin anew with what was seen, as a connection does that has sent RESET and has nothing under way."""
        self.seen, self.shown_by, self.promised, self.only = NOTHING, (), NOTHING, None

    @property
    def is_idle(self) -> bool:
        """Say whether nothing is under way."""
        return not self.reads and not self.logged


class Sink(Protocol):
    """Who waits for a result."""

    def result(self, request: "Request", result: Result, token: int) -> None:
        """Take the result; a reply made of it must wait for `token`."""
        ...


class _Answered:
    """The sink of what is answered."""

    def result(self, request: "Request", result: Result, token: int) -> None:
        """Nobody waits any more."""


ANSWERED: Final[Sink] = _Answered()


class Request:
    """One unit with its deadline, its lane, and the one who waits for its result."""

    __slots__ = ("deadline_us", "held_bytes", "holder", "is_done", "lane", "number", "only", "shard", "sink", "unit")

    def __init__(
        self, shard: ShardId, unit: Unit, deadline_us: int, lane: Lane, sink: Sink, only: NodeId | None = None
    ) -> None:
        self.shard = shard
        self.unit = unit
        self.deadline_us = deadline_us
        self.lane = lane
        self.sink = sink
        self.only = only
        """The one node that may execute it, where it is not for whoever executes now."""
        self.holder: object = None
        """What an executor was given it in, until it is answered or refused; None where no executor has it."""
        self.held_bytes = 0
        """Bytes of its arguments, once it has waited at its route."""
        self.number = 0
        """Its place in the order in which requests came to its route."""
        self.is_done = False
        if unit.path == 1:
            lane.reads += 1
        else:
            lane.logged += 1

    def hand_to(self, target: Target, holder: object) -> None:
        """Note that an executor has it now, in a batch that only `holder` answers for."""
        self.holder = holder
        self.lane.handed += 1
        self.lane.target = target

    def take_back(self) -> None:
        """Note that the executor has refused it for good."""
        if self.holder is not None:
            self.holder = None
            self.lane.handed -= 1

    @property
    def is_behind_reads(self) -> bool:
        """Say whether reads before it in its session are not answered yet: it must not take effect before them."""
        return self.unit.path != 1 and self.lane.reads > 0

    def may_go_to(self, target: Target) -> bool:
        """Say whether that may execute it, and nothing earlier of its lane is still with another executor."""
        if self.only is not None and self.only != target[0]:
            return False
        return not self.lane.handed or self.lane.target == target

    @property
    def has_lost_its_place(self) -> bool:
        """Say whether it is a read, and what its session has sent behind it was carried out, or may have been: it would
        show what that has done, or what is newer than that has shown."""
        return self.number < self.lane.last_done and self.unit.is_read

    @property
    def is_behind_forwarded_reads(self) -> bool:
        """Say whether it is a read, and reads of its session are out in an earlier batch, which may be held up."""
        return self.unit.path == 1 and self.lane.handed > 0

    def finish(self, result: Result, token: int) -> None:
        """Answer it, unless it was answered before."""
        if self.is_done:
            return
        if self.holder is not None:
            self.lane.was_answered(self.unit, self.number, result)
        self.take_back()
        self.is_done = True
        if self.unit.path == 1:
            self.lane.reads -= 1
        else:
            self.lane.logged -= 1
        # Whoever keeps it from now on, so that it is told again or timed out, must not keep the reply with it.
        sink, self.sink = self.sink, ANSWERED
        sink.result(self, result, token)
