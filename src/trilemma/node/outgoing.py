"""The origin's side of forwarded batches: what one route has given executors elsewhere, until it is answered or lost.

Owns the streams and what is out in which batch, and decides what becomes of that (PROMISES §2): what was refused for
good goes to the next executor, and so does a read where this one is lost; a write then is UNCERTAIN, and a read before
it in its session is refused: it can take its place no more. Does not know what waits at the route, nor when a request
is due. The executor's side is node/forwarding.py.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from trilemma.base.ids import NodeId, ShardId
from trilemma.cluster.messages import ForwardReply
from trilemma.cluster.stream import OutStream
from trilemma.keyspace.settings import Keyspace
from trilemma.node import refusal
from trilemma.node.request import Lane, Request, Target
from trilemma.node.surroundings import Surroundings
from trilemma.node.unit import NOT_EXECUTED, Result, decode_results


class Outgoing:
    """All streams of one route. `retry` takes back what is to go to another executor."""

    def __init__(
        self,
        origin: NodeId,
        origin_start: int,
        shard: ShardId,
        around: Surroundings,
        retry: Callable[[Request], None],
    ) -> None:
        self._origin = origin
        self._origin_start = origin_start
        self._shard = shard
        self._around = around
        self._retry = retry
        self._streams: dict[Target, OutStream] = {}
        self._batches: dict[tuple[Target, int], list[Request]] = {}
        """By executor and number of the batch. The list is what its requests are held by while they are out in it."""

    def stream(self, target: Target) -> OutStream:
        """Return the stream to an executor; it says whether there is room for a batch."""
        stream = self._streams.get(target)
        if stream is None:
            stream = OutStream(self._origin, self._origin_start, target[0], self._shard, target[1])
            self._streams[target] = stream
        return stream

    def send(self, target: Target, requests: list[Request], body: bytes, mono_us: int) -> None:
        """Give a batch to an executor, on a stream that has room; `body` is its units, encoded."""
        for request in requests:
            request.hand_to(target, requests)
        forward = self._streams[target].push(body, self._around.catalogue_version(), mono_us)
        self._batches[target, forward.sequence] = requests
        self._around.forward(forward)

    def answered(self, keyspace: Keyspace, executor: NodeId, reply: ForwardReply, token: int) -> None:
        """Take in the answer to a batch."""
        target = (executor, reply.epoch)
        stream = self._streams.get(target)
        if stream is not None:
            stream.answered(reply.sequence)
        requests = self._batches.pop((target, reply.sequence), None)
        if requests is None:
            return
        results = _results(requests, reply)
        if results is None:
            self._lose(keyspace, target, requests, reply.reason or "the answer to it cannot be read")
            return
        for request, result in zip(requests, results, strict=True):
            if request.holder is not requests:
                # It was answered meanwhile, or another executor has it: this one's word counts no more.
                continue
            if result is False:
                self._retry(request)
            else:
                request.finish(result, token)

    def _lose(self, keyspace: Keyspace, target: Target, requests: list[Request], reason: str) -> None:
        """Deal with a batch of which nobody can tell what became."""
        out = [requests, *(batch for (executor, _), batch in self._batches.items() if executor == target)]
        newest = _newest_writes(out)
        for request in requests:
            if request.holder is not requests:
                continue
            if request.unit.is_read:
                self._rescue(keyspace, request, newest)
            else:
                request.finish(refusal.uncertain(keyspace, reason), 0)

    def _rescue(self, keyspace: Keyspace, read: Request, newest: dict[Lane, int]) -> None:
        """Have the next executor carry out a read that this one may have carried out or not: twice does no harm as long
        as the read has its place in its session. `newest`: each session's newest write without an answer."""
        if read.has_lost_its_place or read.number < newest.get(read.lane, 0):
            read.finish(refusal.out_of_place(keyspace, read.unit), 0)
        else:
            self._retry(read)

    def advance(self, keyspace: Keyspace, mono_us: int) -> None:
        """Rescue reads from executors that are gone, send unanswered batches again."""
        if self._streams:
            self._give_up_on_the_lost(keyspace)
            self._resend(mono_us)

    def _give_up_on_the_lost(self, keyspace: Keyspace) -> None:
        """Deal with what an executor has that another one has replaced.

        Reads go to the new one: they have no effect, so twice does no harm. Of writes nothing more will be heard where
        no path leads to the old one: waiting longer would not make them less uncertain.
        """
        if not self._batches:
            return
        target = self._around.local_target(self._shard) or self._around.remote_target(self._shard)
        if target is None:
            return
        stranded = {place: requests for place, requests in self._batches.items() if place[0] != target}
        text = refusal.uncertain(keyspace, "the leader was lost before the write was confirmed")
        newest = _newest_writes(stranded.values())
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
                    self._rescue(keyspace, request, newest)
        if stranded:
            self.void_finished()

    def _is_at_its_own(self, request: Request) -> bool:
        """Say whether the one node that may execute a request has it, and is there still."""
        return request.only is not None and request.lane.target == self._around.target_at(request.only)

    @staticmethod
    def _may_go_on(request: Request, busy: set[Lane]) -> bool:
        """Say whether a read is not among writes of its session: one behind it may yet be carried out before it."""
        return request.lane not in busy

    def void_finished(self) -> None:
        """Expect no answer any more to batches of which nothing is out."""
        for (target, sequence), requests in list(self._batches.items()):
            if all(request.holder is not requests for request in requests):
                del self._batches[target, sequence]
                self._streams[target].void(sequence)

    def _resend(self, mono_us: int) -> None:
        for target, stream in list(self._streams.items()):
            for forward in stream.due(mono_us):
                self._around.forward(forward)
            if stream.is_idle and self._is_superseded(target):
                del self._streams[target]

    def _is_superseded(self, target: Target) -> bool:
        # A stream that may be needed again must go on counting: its numbers are used once.
        return any(executor == target[0] and epoch > target[1] for executor, epoch in self._streams)

    @property
    def is_idle(self) -> bool:
        """Say whether there is nothing to send again."""
        for stream in self._streams.values():  # noqa: SIM110 - asked twice a turn, and `all` costs twice as much
            if not stream.is_idle:
                return False
        return True


def _newest_writes(batches: Iterable[list[Request]]) -> dict[Lane, int]:
    """Return the number of the newest write of each session that is out in some batches."""
    newest: dict[Lane, int] = {}
    for requests in batches:
        for request in requests:
            if request.holder is requests and not request.unit.is_read:
                newest[request.lane] = max(request.number, newest.get(request.lane, 0))
    return newest


def _results(requests: Sequence[Request], reply: ForwardReply) -> Sequence[Result] | None:
    """Return what became of each request, None where the answer does not tell."""
    if reply.outcome == "refused":
        return [NOT_EXECUTED] * len(requests)
    results = _read(reply.replies) if reply.outcome == "done" else []
    return results if len(results) == len(requests) else None


def _read(replies: bytes) -> Sequence[Result]:
    """Return the results of an answer, none where it cannot be read."""
    try:
        return decode_results(replies)
    except msgspec.MsgspecError:
        return []
