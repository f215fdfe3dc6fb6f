"""Replies that are made of more than one result: transactions, and commands that ask every shard."""

from collections.abc import Callable, Sequence

from trilemma.node.defect import DEFECTS
from trilemma.node.request import Request
from trilemma.node.session import Session
from trilemma.node.slot import Slot
from trilemma.node.unit import Result
from trilemma.resp.reply import NIL_ARRAY, encode


class TransactionSlot(Slot):
    """EXEC's reply. Commands that concern the session alone run once the shard has answered, in their places.

    `local`: for each queued command, what makes its reply here, or None where the shard's next reply belongs. `told`:
    who else is told that it has ended, and whether the queued commands were left out because a watched key had changed.
    """

    __slots__ = ("_local", "_told")

    def __init__(
        self,
        session: Session,
        local: Sequence[Callable[[], bytes] | None],
        told: Callable[[bool], None] | None = None,
    ) -> None:
        super().__init__(session)
        self._local = local
        self._told = told

    def result(self, request: Request, result: Result, token: int) -> None:
        """Be the sink of the transaction's request."""
        self.request = request
        self.session.blocked = False
        if type(result) is bytes:
            self.fill(result, token)
        elif result is None:
            self.fill(encode(NIL_ARRAY, self.session.protocol), token)
        else:
            self.fill(self._assembled(list(result)), token)  # type: ignore[arg-type]
        self._tell(result is None)

    def leave_out(self) -> None:
        """Answer a transaction that is not executed, because a watched key has changed."""
        self.fill(encode(NIL_ARRAY, self.session.protocol))
        self._tell(True)

    def finish_locally(self) -> None:
        """Answer a transaction that no shard has a part in."""
        self.fill(self._assembled([]))
        self._tell(False)

    def _tell(self, was_left_out: bool) -> None:
        if self._told is None:
            return
        try:
            self._told(was_left_out)
        except DEFECTS as problem:
            # The transaction is answered already; that others were not shown it is for people to know.
            self.broken(problem)

    def _assembled(self, replies: list[bytes]) -> bytes:
        left = replies[::-1]
        try:
            parts = [left.pop() if local is None else local() for local in self._local]
        except DEFECTS as problem:
            return self.broken(problem)
        return b"*%d\r\n%b" % (len(parts), b"".join(parts))


class GatherSlot(Slot):
    """The reply of a command that asks several shards, or one shard for something internal.

    `combine` makes the reply of the results, in the order of the requests. The first error answers for all, through
    `failed`, which may add what had been done. The session goes on only afterwards.
    """

    __slots__ = ("_combine", "_failed", "_left", "_results")

    def __init__(
        self,
        session: Session,
        parts: int,
        combine: Callable[[list[bytes]], bytes],
        failed: Callable[[list[Result]], bytes],
    ) -> None:
        super().__init__(session)
        self._combine = combine
        self._failed = failed
        self._results: list[tuple[Request, Result, int]] = []
        self._left = parts

    def result(self, request: Request, result: Result, token: int) -> None:
        """Be the sink of one part's request."""
        self.request = request
        self._results.append((request, result, token))
        self._left -= 1
        if self._left == 0:
            self._finish()

    def _finish(self) -> None:
        self.session.blocked = False
        self._results.sort(key=lambda part: part[0].shard)
        results = [result for _, result, _ in self._results]
        replies = [result[0] for result in results if type(result) is list]
        is_whole = len(replies) == len(results) and not any(reply[:1] == b"-" for reply in replies)
        try:
            reply = self._combine(replies) if is_whole else self._failed(results)
        except DEFECTS as problem:
            reply = self.broken(problem, "defect_after" if is_whole else "defect")
        self.fill(reply, max(token for _, _, token in self._results))

    def _too_late(self, durable: int, told: Callable[[Request], bytes | None]) -> bytes | None:
        late = [told(request) if token > durable else None for request, _, token in self._results]
        if not any(late):
            return None
        return self._failed([told or result for told, (_, result, _) in zip(late, self._results, strict=True)])
