"""The place of one reply in a session, from when its command is begun until the reply leaves.

Owns how a result or a defect becomes the reply's bytes, and what is said in place of a result that may not be shown in
time. Does not know when they leave: that is for node/replies.py.
Replies that are made of more than one result are in node/slots.py.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from trilemma.node.defect import described, refused
from trilemma.node.request import Request
from trilemma.node.unit import Result
from trilemma.resp.reply import ErrorReply, encode

if TYPE_CHECKING:
    from trilemma.node.session import Session


class Slot:
    """The place of one reply in the order of a session's replies."""

    __slots__ = ("data", "request", "session", "token")

    def __init__(self, session: "Session") -> None:
        self.session = session
        self.data: bytes | None = None
        self.token = 0
        self.request: Request | None = None
        """What was answered by an executor; of several, one of them."""

    def fill(self, data: bytes, token: int = 0) -> None:
        """Put the encoded reply in; it leaves once `token` is durable and all earlier replies have left."""
        # Nobody reads a connection that is gone: what it had asked for must not pile up.
        self.data = b"" if self.session.is_gone else data
        self.session.ready_bytes += len(self.data)
        self.token = token
        self.session.is_waiting = False
        self.session.touched()

    @property
    def due_us(self) -> int:
        """By when it is to leave, whatever it waits for; what no executor has answered waits for nothing."""
        return 0 if self.request is None else self.request.deadline_us

    def give_up(self, durable: int, told: Callable[[Request], bytes | None]) -> bool:
        """Answer in time, but not with a result that would show what is not durable; False where `told` says nothing
        of it."""
        if self.data is None or (late := self._too_late(durable, told)) is None:
            return False
        self.session.ready_bytes += len(late) - len(self.data)
        self.data, self.token = late, 0
        return True

    def _too_late(self, durable: int, told: Callable[[Request], bytes | None]) -> bytes | None:
        return None if self.request is None else told(self.request)

    def broken(self, problem: Exception, name: str = "defect_after") -> bytes:
        """Take note of a defect in what makes this reply; return the error that answers in its place."""
        words = [self.session.last_command.encode()]
        self.session.on_defect(described(words, problem))
        return encode(ErrorReply(refused(words, problem, name).text), self.session.protocol)

    def result(self, request: Request, result: Result, token: int) -> None:
        """Be the sink of a plain command's request."""
        self.request = request
        self.fill(result[0] if type(result) is list else result, token)  # type: ignore[arg-type]
