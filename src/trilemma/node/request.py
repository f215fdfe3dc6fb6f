"""A request: one unit of one session on its way to an answer. It is answered once, by whoever comes first.

The deadline decides what happens when nobody does: what was never handed to an executor did not happen; a write that
was handed over may have (PROMISES §2).
"""

from typing import Protocol

from trilemma.base.ids import NodeId, ShardId
from trilemma.node import internal
from trilemma.node.unit import Result, Unit

TOKEN_PART = [internal.POSITION]
"""What asks for a part of a token shows nothing of any key."""

Target = tuple[NodeId, int]
"""An executor and its epoch: its term (Raft) or its start (leaderless)."""


class Lane:
    """What one session has under way on one shard: keeps the order of its commands there (PROTOCOLS §2.5)."""

    __slots__ = ("executor", "handed", "has_moved", "logged", "reads", "target")

    def __init__(self) -> None:
        self.reads = 0
        self.logged = 0
        self.handed = 0
        self.target: Target | None = None
        """To whom the `handed` requests went. Later ones must not overtake them by way of another executor."""
        self.executor: NodeId | None = None
        """The node that was the first to answer something."""
        self.has_moved = False
        """Whether another one has answered as well, which may not have seen what the first one had shown."""

    def was_answered(self) -> None:
        """Take note that the executor to which the requests went has answered one."""
        if self.target is not None and self.executor is None:
            self.executor = self.target[0]
        self.has_moved = not self.is_known_whole

    @property
    def is_known_whole(self) -> bool:
        """Say whether the executor to which the last request went has seen all that the session was answered."""
        is_other = self.executor is not None and self.target is not None and self.target[0] != self.executor
        return not (self.has_moved or is_other)

    def forget(self) -> None:
        """Begin anew with what was seen, as a connection does that has sent RESET."""
        self.executor, self.has_moved = None, False

    @property
    def is_idle(self) -> bool:
        """Say whether nothing is under way."""
        return not self.reads and not self.logged


class Sink(Protocol):
    """Who waits for a result."""

    def result(self, request: "Request", result: Result, token: int) -> None:
        """Take the result; a reply made of it must wait for `token`."""
        ...


class Request:
    """One unit with its deadline, its lane, and the one who waits for its result."""

    __slots__ = ("deadline_us", "held_bytes", "holder", "is_done", "lane", "number", "shard", "sink", "unit")

    def __init__(self, shard: ShardId, unit: Unit, deadline_us: int, lane: Lane, sink: Sink) -> None:
        self.shard = shard
        self.unit = unit
        self.deadline_us = deadline_us
        self.lane = lane
        self.sink = sink
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
        """Say whether nothing earlier of its lane is still with another executor."""
        return not self.lane.handed or self.lane.target == target

    @property
    def is_behind_forwarded_reads(self) -> bool:
        """Say whether it is a read, and reads of its session are out in an earlier batch, which may be held up."""
        return self.unit.path == 1 and self.lane.handed > 0

    def finish(self, result: Result, token: int) -> None:
        """Answer it, unless it was answered before."""
        if self.is_done:
            return
        if self.holder is not None and type(result) is not bytes and self.unit.argv[:1] != TOKEN_PART:
            self.lane.was_answered()
        self.take_back()
        self.is_done = True
        if self.unit.path == 1:
            self.lane.reads -= 1
        else:
            self.lane.logged -= 1
        self.sink.result(self, result, token)
