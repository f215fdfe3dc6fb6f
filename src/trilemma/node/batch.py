"""A batch: the units that one origin handed to a shard's executor in one turn, and where their results go.

The executor completes each unit once, in any order, naming the log token that the reply has to wait for.
"""

from collections.abc import Callable, Iterable, Sequence

from trilemma.base.errors import Outcome, error, register
from trilemma.base.invariant import invariant
from trilemma.base.limits import OUTPUT_BUFFER_BYTES_MAX, limit
from trilemma.cluster.messages import Forward
from trilemma.node.request import Request
from trilemma.node.unit import NOT_EXECUTED, Path, Result, Unit, result_bytes
from trilemma.resp.reply import encode_error

RESULT_BYTES_MAX = limit(
    "forward_reply_bytes_max",
    OUTPUT_BUFFER_BYTES_MAX,
    "bytes per forwarded batch",
    "the replies are one message, held whole at both ends; no client is sent more at once either",
    "reads behind them are carried out anew; another command answers ERR ... its reply is too long",
)
register(
    "reply_too_long",
    "ERR the command was carried out, but its reply is too long to be passed on by the node that did so",
    "ask the node that leads, or for less at once",
    Outcome.HAPPENED,
)
SHORT_RESULT_BYTES = 64
"""What is no longer, as replies to writes are, is always passed on: the units of a batch bound how many there are."""


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

    __slots__ = ("_answer", "_bytes", "_is_too_long", "_is_withdrawn", "_left", "_results", "_token", "forward")

    def __init__(
        self, forward: Forward, units: Sequence[Unit], answer: Callable[[Forward, list[Result], int], None]
    ) -> None:
        super().__init__(units)
        self.forward = forward
        self._answer = answer
        self._results: list[Result] = [None] * len(units)
        self._left = len(units)
        self._token = 0
        self._bytes = 0
        """Of `_results`."""
        self._is_too_long = False
        """Whether some result was too much."""
        self._is_withdrawn = False

    def withdraw(self) -> None:
        """Take note that nobody waits for it any more: what of it was not begun need not be, and nothing is answered.

        Its writes are UNCERTAIN to those who had sent them.
        """
        self._is_withdrawn = True
        self._results.clear()

    def is_answered(self, position: int) -> bool:
        """See Batch: of all of it at once, since it is answered whole."""
        return self._is_withdrawn

    def complete(self, position: int, result: Result, token: int) -> None:
        """See Batch."""
        if self._is_withdrawn:
            return
        invariant(self._left > 0, "a batch is completed once")
        size = result_bytes(result)
        if size > SHORT_RESULT_BYTES and self._bytes + size > RESULT_BYTES_MAX:
            self._is_too_long = True
            is_read_again = self.units[position].path is Path.READ and size <= RESULT_BYTES_MAX
            result, size = NOT_EXECUTED if is_read_again else _too_long(), 0
        self._bytes += size
        self._results[position] = result
        self._token = max(self._token, token)
        self._left -= 1
        if self._left == 0:
            if self._is_too_long:
                self._give_back_reads()
            self._answer(self.forward, self._results, self._token)

    def _give_back_reads(self) -> None:
        """Give back, with the first read that is, all reads behind it: those of its session must not overtake it."""
        reads = [position for position, unit in enumerate(self.units) if unit.path is Path.READ]
        given_back = [position for position in reads if self._results[position] is NOT_EXECUTED]
        for position in reads:
            if given_back and position > given_back[0]:
                self._results[position] = NOT_EXECUTED

    def line(self, position: int) -> object:
        """See Batch: whose units they are only the origin knows; it forwards reads of a session one batch at a time."""
        return self

    def deadline_us(self, position: int) -> int | None:
        """See Batch."""
        return None


def _too_long() -> bytes:
    return encode_error(error("reply_too_long").text)


Waiter = tuple[Batch, int]
"""A unit that waits for its result: the batch and its position in it."""


def is_awaited(waiter: Waiter) -> bool:
    """Say whether somebody waits for a unit still."""
    batch, position = waiter
    return not batch.is_answered(position)


def complete_all(waiters: Iterable[Waiter], result: Result) -> None:
    """Hand back one result to all of them, at once."""
    for batch, position in waiters:
        batch.complete(position, result, 0)
