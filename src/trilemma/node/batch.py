"""A batch: the units that one origin handed to a shard's executor in one turn, and where their results go.

The executor completes each unit once, in any order, naming the log token that the reply has to wait for.
"""

from collections.abc import Callable, Iterable, Sequence

from trilemma.base.invariant import invariant
from trilemma.cluster.messages import Forward
from trilemma.node.request import Request
from trilemma.node.unit import Result, Unit


class Batch:
    """Units to execute. Subclasses know who waits."""

    __slots__ = ("skipped", "units")

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = units
        self.skipped: set[int] = set()
        """Positions that were refused before the executor saw them."""

    def complete(self, position: int, result: Result, token: int) -> None:
        """Hand back the result of the unit at `position`."""
        raise NotImplementedError

    def is_answered(self, position: int) -> bool:
        """Say whether nobody waits for the unit at `position` any more, so that it need not be begun."""
        return False

    def line(self, position: int) -> object:
        """Return the line in which the unit at `position` stands: what is behind it there must not be read before it.

        Later units of its session are in the same one, in this batch and, where they are executed meanwhile, in others.
        """
        raise NotImplementedError

    def deadline_us(self, position: int) -> int | None:
        """Return by when the unit at `position` has to be answered, None where only its origin knows."""
        raise NotImplementedError


class LocalBatch(Batch):
    """A batch of this node's own sessions: every result goes to its request at once."""

    __slots__ = ("_requests", "_retry")

    def __init__(self, requests: Sequence[Request], retry: Callable[[Request], None]) -> None:
        super().__init__([request.unit for request in requests])
        self._requests = requests
        self._retry = retry

    def complete(self, position: int, result: Result, token: int) -> None:
        """See Batch."""
        request = self._requests[position]
        if request.holder is not self:
            # It was answered meanwhile: time was up.
            return
        if result is False:
            self._retry(request)
        else:
            request.finish(result, token)

    def is_answered(self, position: int) -> bool:
        """See Batch: its time is up."""
        return self._requests[position].is_done

    def line(self, position: int) -> object:
        """See Batch: the sessions are this node's own, so they are told apart."""
        return self._requests[position].lane

    def deadline_us(self, position: int) -> int | None:
        """See Batch."""
        return self._requests[position].deadline_us


class ForwardedBatch(Batch):
    """A batch of another node: answered whole, once its last unit is complete."""

    __slots__ = ("_answer", "_left", "_results", "_token", "forward")

    def __init__(
        self, forward: Forward, units: Sequence[Unit], answer: Callable[[Forward, list[Result], int], None]
    ) -> None:
        super().__init__(units)
        self.forward = forward
        self._answer = answer
        self._results: list[Result] = [None] * len(units)
        self._left = len(units)
        self._token = 0

    def complete(self, position: int, result: Result, token: int) -> None:
        """See Batch."""
        invariant(self._left > 0, "a batch is completed once")
        self._results[position] = result
        self._token = max(self._token, token)
        self._left -= 1
        if self._left == 0:
            self._answer(self.forward, self._results, self._token)

    def line(self, position: int) -> object:
        """See Batch: whose units they are only the origin knows; it forwards reads of a session one batch at a time."""
        return self

    def deadline_us(self, position: int) -> int | None:
        """See Batch."""
        return None


Waiter = tuple[Batch, int]
"""A unit that waits for its result: the batch and its position in it."""


def complete_all(waiters: Iterable[Waiter], result: Result) -> None:
    """Hand back one result to all of them, at once."""
    for batch, position in waiters:
        batch.complete(position, result, 0)
