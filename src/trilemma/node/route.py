"""The way of requests from this node to the executor of one shard: hand over, forward, hold, refuse, time out.

One `Route` per shard. The three outcomes of PROMISES §2 are decided here for everything that this node's clients sent:
what no executor was given is refused definitely; what one was given and nobody answered is UNCERTAIN, unless it is a
read.

Keeps the order of each session (PROTOCOLS §2.5). Requests have numbers, and what an executor gives back takes its old
place by its own. That is enough because an executor gives back only what it will never execute, with all that it has of
the same session behind it; and because nothing goes to one executor while another has something before it.
"""

from collections.abc import Sequence
from heapq import heappop, heappush

import msgspec

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.time import US_PER_MS
from trilemma.cluster.messages import ForwardReply
from trilemma.cluster.stream import OutStream
from trilemma.keyspace.settings import Keyspace
from trilemma.node import refusal
from trilemma.node.backlog import Backlog
from trilemma.node.batch import LocalBatch
from trilemma.node.request import Lane, Request, Target
from trilemma.node.surroundings import Surroundings
from trilemma.node.unit import NOT_EXECUTED, UNIT_BYTES_PER_TURN, Path, Result, decode_results, encode_first

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
        self._origin_start = origin_start
        self._around = around
        self._waiting = Backlog()
        self._open: list[tuple[int, int, Request]] = []
        """Requests without an answer, as a heap by deadline."""
        self._added = 0
        self._mono_us = 0
        self._retry_us: int | None = None
        """When what an executor refused is sent on its way again, at the latest."""
        self._is_fresh = False
        """Whether something came in that `dispatch` has not looked at."""
        self._streams: dict[Target, OutStream] = {}
        self._forwarded: dict[tuple[Target, int], list[Request]] = {}
        """By executor and number of the batch. The list is what its requests are held by while they are out in it."""

    def add(self, request: Request) -> None:
        """Take in a request; it goes on its way in this turn's `dispatch`."""
        if self._waiting.is_full:
            request.finish(refusal.down(self.keyspace, "too many requests wait", request.unit), 0)
            return
        self._waiting.add(request)
        self._added += 1
        request.number = self._added
        heappush(self._open, (request.deadline_us, request.number, request))
        self._is_fresh = True

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

    def dispatch(self, mono_us: int) -> None:
        """Send on what waits, or refuse it at once where that is certain, or go on holding it."""
        self._is_fresh = False
        self._retry_us = None
        if not self._waiting:
            return
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
            if request.is_behind_reads or bytes_left <= 0:
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
                request.finish(refusal.down(self.keyspace, why), 0)
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
        stream = self._streams.get(target)
        if stream is None:
            stream = OutStream(self._origin, self._origin_start, target[0], self.shard, target[1])
            self._streams[target] = stream
        is_more = True
        while is_more and stream.has_room:
            requests = self._take(target, is_forwarded=True, is_named=is_named)
            if not requests:
                return
            requests, body, is_more = self._first_batch(requests)
            for request in requests:
                request.hand_to(target, requests)
            forward = stream.push(body, self._around.catalogue_version(), mono_us)
            self._forwarded[target, forward.sequence] = requests
            self._around.forward(forward)

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
        target = (executor, reply.epoch)
        stream = self._streams.get(target)
        if stream is not None:
            stream.answered(reply.sequence)
        requests = self._forwarded.pop((target, reply.sequence), None)
        if requests is None:
            return
        for request, result in zip(requests, self._results(requests, reply), strict=True):
            if request.holder is not requests:
                # It was answered meanwhile, or another executor has it: this one's word counts no more.
                continue
            if result is False:
                self.retry(request)
            else:
                request.finish(result, token)

    def _results(self, requests: Sequence[Request], reply: ForwardReply) -> Sequence[Result]:
        reason = reply.reason
        if reply.outcome == "done":
            results = _read(reply.replies)
            if len(results) == len(requests):
                return results
            reason = "the answer to it cannot be read"
        if reply.outcome == "refused":
            return [NOT_EXECUTED] * len(requests)
        text = refusal.uncertain(self.keyspace, reason)
        return [NOT_EXECUTED if request.unit.is_read else text for request in requests]

    def advance(self, mono_us: int) -> None:
        """Time out what is due, rescue reads from executors that are gone, send unanswered batches again."""
        self._mono_us = mono_us
        self._time_out(mono_us)
        if self._streams:
            self._give_up_on_the_lost()
            self._resend(mono_us)

    def _time_out(self, mono_us: int) -> None:
        overdue = False
        while self._open and (self._open[0][2].is_done or self._open[0][0] <= mono_us):
            request = heappop(self._open)[2]
            if not request.is_done:
                overdue = True
                request.finish(self._too_late(request), 0)
        if overdue:
            self._waiting.drop_answered()
            self._void_finished()

    def _too_late(self, request: Request) -> bytes:
        within = f"within {self.keyspace.timeout_ms} ms"
        if request.holder is not None and not request.unit.is_read:
            return refusal.uncertain(self.keyspace, f"the write was not confirmed {within}")
        if request.holder is not None:
            return refusal.down(self.keyspace, f"the read was not confirmed {within}", request.unit)
        target = self._around.remote_target(self.shard)
        if self._around.local_target(self.shard) is not None:
            missing = f"the disk of {self._around.name(self._origin)} did not keep up"
        elif target is None:
            missing = "no leader was found"
        else:
            is_there = self._around.has_path(target[0])
            missing = f"{'no room on the way' if is_there else 'no path'} to the leader {self._around.name(target[0])}"
        return refusal.down(self.keyspace, f"{missing} {within}", request.unit)

    def _void_finished(self) -> None:
        for (target, sequence), requests in list(self._forwarded.items()):
            if all(request.holder is not requests for request in requests):
                del self._forwarded[target, sequence]
                self._streams[target].void(sequence)

    def _give_up_on_the_lost(self) -> None:
        """Deal with what an executor has that another one has replaced.

        Reads go to the new one: they have no effect, so twice does no harm. Of writes nothing more will be heard where
        no path leads to the old one: waiting longer would not make them less uncertain.
        """
        if not self._forwarded:
            return
        target = self._around.local_target(self.shard) or self._around.remote_target(self.shard)
        if target is None:
            return
        stranded = {place: requests for place, requests in self._forwarded.items() if place[0] != target}
        text = refusal.uncertain(self.keyspace, "the leader was lost before the write was confirmed")
        busy: set[Lane] = set()
        for ((executor, _), _), requests in stranded.items():
            is_silent = not self._around.has_path(executor)
            for request in requests:
                if request.holder is requests and not request.unit.is_read and not self._is_at_its_own(request):
                    if is_silent:
                        request.finish(text, 0)
                    else:
                        busy.add(request.lane)
        for requests in stranded.values():
            for request in requests:
                if self._is_at_its_own(request):
                    continue
                if request.holder is requests and request.unit.is_read and self._may_go_on(request, busy):
                    self.retry(request)
        if stranded:
            self._void_finished()

    def _is_at_its_own(self, request: Request) -> bool:
        """Say whether the one node that may execute a request has it, and is there still."""
        return request.only is not None and request.lane.target == self._around.target_at(request.only)

    @staticmethod
    def _may_go_on(request: Request, busy: set[Lane]) -> bool:
        """Say whether a read is not among writes of its session: one behind it may yet be carried out before it."""
        return request.lane not in busy

    def _resend(self, mono_us: int) -> None:
        for target, stream in list(self._streams.items()):
            for forward in stream.due(mono_us):
                self._around.forward(forward)
            if stream.is_idle and self._is_superseded(target):
                del self._streams[target]

    def _is_superseded(self, target: Target) -> bool:
        # A stream that may be needed again must go on counting: its numbers are used once.
        return any(executor == target[0] and epoch > target[1] for executor, epoch in self._streams)

    def refuse_misrouted(self) -> None:
        """Refuse what waits but belongs elsewhere since the catalogue changed."""
        for request in self._waiting.in_order():
            if self._around.is_misrouted(self.shard, request.unit):
                self._refuse_misrouted(request)
        self._waiting.drop_answered()

    def _refuse_misrouted(self, request: Request) -> None:
        request.finish(refusal.down(self.keyspace, "the catalogue has changed", request.unit), 0)

    def drop(self) -> None:
        """Answer what still waits, here or at an executor: the keyspace is gone, and nobody else will."""
        self._refuse_waiting("the keyspace was dropped")
        for _, _, request in self._open:
            if request.unit.is_read:
                request.finish(refusal.down(self.keyspace, "the keyspace was dropped", request.unit), 0)
            else:
                text = refusal.uncertain(self.keyspace, "the keyspace was dropped before the write was confirmed")
                request.finish(text, 0)
        self._open.clear()

    @property
    def next_deadline_us(self) -> int | None:
        """When `advance` next has something to do, or None."""
        if self._is_fresh:
            return 0
        deadline_us = self._open[0][0] if self._open else None
        if self._retry_us is not None and (deadline_us is None or self._retry_us < deadline_us):
            return self._retry_us
        return deadline_us

    @property
    def is_at_rest(self) -> bool:
        """Say whether there is nothing to time out, to dispatch or to send again."""
        if self._open or self._waiting:
            return False
        for stream in self._streams.values():  # noqa: SIM110 - asked twice a turn, and `all` costs twice as much
            if not stream.is_idle:
                return False
        return True


def _read(replies: bytes) -> Sequence[Result]:
    """Return the results of an answer, none where it cannot be read."""
    try:
        return decode_results(replies)
    except msgspec.MsgspecError:
        return []


def deadline_us(keyspace: Keyspace, mono_us: int) -> int:
    """Return the time by which a request received now is answered."""
    return mono_us + keyspace.timeout_ms * US_PER_MS
