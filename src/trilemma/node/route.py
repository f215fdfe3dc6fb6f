"""The way of requests from this node to the executor of one shard: hand over, forward, hold, refuse, time out.

One `Route` per shard. The three outcomes of PROMISES §2 are decided here for everything that this node's clients sent:
what no executor was given is refused definitely; what one was given and nobody answered in time is UNCERTAIN, unless it
is a read. What executors elsewhere answer, and what becomes of what one has that is lost, is for node/outgoing.py.

Keeps the order of each session (PROTOCOLS §2.5). Requests have numbers, and what an executor gives back takes its old
place by its own. That is enough because an executor gives back only what it will never execute, with all that it has of
the same session behind it; and because nothing goes to one executor while another has something before it.
"""

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.time import US_PER_MS
from trilemma.cluster.messages import ForwardReply
from trilemma.keyspace.settings import Keyspace
from trilemma.node import refusal
from trilemma.node.backlog import Backlog
from trilemma.node.batch import LocalBatch
from trilemma.node.deadlines import Deadlines
from trilemma.node.outgoing import Outgoing
from trilemma.node.request import Request, Target
from trilemma.node.surroundings import Surroundings
from trilemma.node.unit import UNIT_BYTES_PER_TURN, Path, encode_first

RETRY_US = 1_000
"""What an executor refused waits so long unless something else happens: it may refuse it again at once."""


class Route:
    """All requests of this node's clients for one shard."""

    def __init__(
        self, origin: NodeId, origin_start: int, keyspace: Keyspace, shard: ShardId, around: Surroundings
    ) -> None:
        self.keyspace = keyspace
        self.shard = shard
        self._origin = origin
        self._around = around
        self._waiting = Backlog()
        self._open = Deadlines()
        self._added = 0
        self._mono_us = 0
        self._retry_us: int | None = None
        """When what an executor refused is sent on its way again, at the latest."""
        self._is_fresh = False
        """Whether something came in that `dispatch` has not looked at."""
        self._outgoing = Outgoing(origin, origin_start, shard, around, self.retry)
        self.is_at_rest = True
        """Whether there is nothing to time out, to dispatch or to send again, as of the last `dispatch` and what came
        in since. An attribute, for it is asked of every route in every turn."""

    def add(self, request: Request) -> None:
        """Take in a request; it goes on its way in this turn's `dispatch`."""
        if self._waiting.is_full:
            request.finish(refusal.down(self.keyspace, "too many requests wait", request.unit), 0)
            return
        self._waiting.add(request)
        self._added += 1
        request.number = self._added
        self._open.add(request)
        self._is_fresh = True
        self.is_at_rest = False

    def retry(self, request: Request) -> None:
        """Take back what an executor has refused for good: it goes to the next one, in its old place.

        It is sent on as routed by the newest catalogue, so that has to be true: the catalogue may have changed
        while an executor had it.
        """
        if request.is_done:
            return
        request.take_back()
        if self._around.is_misrouted(self.shard, request.unit):
            self._refuse_misrouted(request)
            return
        self._waiting.put_back([request])
        self._retry_us = self._mono_us + RETRY_US
        self.is_at_rest = False

    def advance(self, mono_us: int) -> None:
        """Time out what is due, rescue reads from executors that are gone, send unanswered batches again."""
        self._mono_us = mono_us
        self._time_out(mono_us)
        self._outgoing.advance(self.keyspace, mono_us)

    def dispatch(self, mono_us: int) -> None:
        """Send on what waits, or refuse it at once where that is certain, or go on holding it; the last of a turn."""
        self._is_fresh = False
        self._retry_us = None
        if self._waiting:
            self._send_on(mono_us)
        self.is_at_rest = not self._open and not self._waiting and self._outgoing.is_idle

    def _send_on(self, mono_us: int) -> None:
        why = self._around.why_down(self.shard)
        if why is not None:
            self._refuse_waiting(why)
            return
        target = self._around.local_target(self.shard)
        if target is not None:
            self._submit(target)
            return
        target = self._around.remote_target(self.shard)
        if target is not None and self._around.has_path(target[0]):
            self._forward(target, mono_us)
        if self.keyspace.is_leaderless:
            self._forward_to_named(mono_us)
        self._waiting.hold()

    def _forward_to_named(self, mono_us: int) -> None:
        """Send on what only one node may execute, or refuse it at once where that node is not reached."""
        for node in sorted({request.only for request in self._waiting.in_order() if request.only is not None}):
            target = self._around.target_at(node)
            if target is not None:
                self._forward(target, mono_us, is_named=True)
                continue
            text = f"no path to {self._around.name(node)}, for whose replica CAP WAIT was answered: send it again"
            for request in self._waiting.in_order():
                if request.only == node:
                    request.finish(refusal.down(self.keyspace, text, request.unit), 0)
            self._waiting.drop_answered()

    def _refuse_waiting(self, why: str) -> None:
        for request in self._waiting.take_all():
            request.finish(refusal.down(self.keyspace, why, request.unit), 0)

    def _take(self, target: Target, *, is_forwarded: bool, is_named: bool = False) -> list[Request]:
        """Return what may go to this executor now; the rest waits for what its session has elsewhere, or for its turn:
        what has waited goes on little by little, because only what no executor has can be refused definitely."""
        why = self._around.why_not_written(self.shard)
        holds_writes = not is_forwarded and self._around.is_disk_behind()
        bytes_left = UNIT_BYTES_PER_TURN // 2  # the last one may be more: it is to fit still
        go: list[Request] = []
        stay: list[Request] = []
        for request in self._waiting.in_order():
            if request.is_done:
                continue
            if request.has_lost_its_place:
                request.finish(refusal.out_of_place(self.keyspace, request.unit), 0)
            elif request.is_behind_reads or bytes_left <= 0:
                stay.append(request)
                self._retry_us = self._mono_us + RETRY_US
            elif (
                not request.may_go_to(target)
                or (is_forwarded and request.is_behind_forwarded_reads)
                or (is_named and request.only is None)
                or (holds_writes and request.unit.path is not Path.READ)
            ):
                stay.append(request)
            elif why is not None and not request.unit.is_read:
                request.finish(refusal.down(self.keyspace, why, request.unit), 0)
            else:
                go.append(request)
                bytes_left -= request.held_bytes
        self._waiting.keep(stay)
        return go

    def _submit(self, target: Target) -> None:
        requests = self._take(target, is_forwarded=False)
        if requests:
            batch = LocalBatch(requests, self.retry)
            for request in requests:
                request.hand_to(target, batch)
            self._around.submit(self.shard, batch)

    def _forward(self, target: Target, mono_us: int, *, is_named: bool = False) -> None:
        stream = self._outgoing.stream(target)
        is_more = True
        while is_more and stream.has_room:
            requests = self._take(target, is_forwarded=True, is_named=is_named)
            if not requests:
                return
            requests, body, is_more = self._first_batch(requests)
            self._outgoing.send(target, requests, body, mono_us)

    def _first_batch(self, requests: list[Request]) -> tuple[list[Request], bytes, bool]:
        """Return as many of the first requests as one frame may hold, at least one, their body, and whether some are
        left over: those wait again."""
        count, body = encode_first([request.unit for request in requests], UNIT_BYTES_PER_TURN)
        is_more = count < len(requests)
        if is_more:
            self._waiting.put_back(requests[count:])
        return requests[:count], body, is_more

    def answered(self, executor: NodeId, reply: ForwardReply, token: int = 0) -> None:
        """Take in the answer to a forwarded batch."""
        self._outgoing.answered(self.keyspace, executor, reply, token)

    def _time_out(self, mono_us: int) -> None:
        has_overdue = False
        for request in self._open.overdue(mono_us):
            has_overdue = True
            request.finish(self._too_late(request), 0)
        if has_overdue:
            self._waiting.drop_answered()
            self._outgoing.void_finished()

    def _too_late(self, request: Request) -> bytes:
        within = f"within {self.keyspace.timeout_ms} ms"
        if request.holder is not None and not request.unit.is_read:
            return refusal.uncertain(self.keyspace, f"the write was not confirmed {within}")
        if request.holder is not None:
            return refusal.down(self.keyspace, f"the read was not confirmed {within}", request.unit)
        target = self._around.remote_target(self.shard)
        if self._around.local_target(self.shard) is not None:
            missing = refusal.disk_behind(self._around.name(self._origin))
        elif target is None:
            missing = "no leader was found"
        else:
            is_there = self._around.has_path(target[0])
            missing = f"{'no room on the way' if is_there else 'no path'} to the leader {self._around.name(target[0])}"
        return refusal.down(self.keyspace, f"{missing} {within}", request.unit)

    def refuse_misrouted(self) -> None:
        """Refuse what waits but belongs elsewhere since the catalogue changed."""
        for request in self._waiting.in_order():
            if self._around.is_misrouted(self.shard, request.unit):
                self._refuse_misrouted(request)
        self._waiting.drop_answered()

    def _refuse_misrouted(self, request: Request) -> None:
        request.finish(refusal.down(self.keyspace, "the catalogue has changed", request.unit), 0)

    def end(self, reason: str) -> None:
        """Answer what still waits, here or at an executor: nobody else will, because the keyspace is gone, or this node
        soon is."""
        self._refuse_waiting(reason)
        for request in list(self._open):
            if request.unit.is_read:
                request.finish(refusal.down(self.keyspace, reason, request.unit), 0)
            else:
                request.finish(refusal.uncertain(self.keyspace, f"{reason} before the write was confirmed"), 0)
        self._open.clear()

    @property
    def owes(self) -> bool:
        """Say whether some request is not answered."""
        return any(not request.is_done for request in self._open)

    @property
    def next_deadline_us(self) -> int | None:
        """When `advance` next has something to do, or None."""
        if self._is_fresh:
            return 0
        deadline_us = self._open.next_us
        if self._retry_us is not None and (deadline_us is None or self._retry_us < deadline_us):
            return self._retry_us
        return deadline_us


def deadline_us(keyspace: Keyspace, mono_us: int) -> int:
    """Return the time by which a request received now is answered."""
    return mono_us + keyspace.timeout_ms * US_PER_MS
