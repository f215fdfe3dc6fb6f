"""A change of the catalogue as its coordinator carries it out: one KEYSPACE command of one session (PROTOCOLS §7).

Create and drop: PREPARE on every member, look whether the prefix is free, ACTIVATE or ABORT, wait until every member
has applied it. A coordinator that dies leaves a PREPARE behind; the leader of `_system` aborts it. ALTER is one entry.
"""

from collections.abc import Callable, Sequence

from trilemma.base.errors import error, register
from trilemma.base.ids import SYSTEM_SHARD, ShardId
from trilemma.keyspace.catalogue import Abort, Activate, Alter, Change, Prepare, encode_change
from trilemma.keyspace.settings import Keyspace
from trilemma.node import internal, refusal
from trilemma.node.defect import DEFECTS
from trilemma.node.request import Request
from trilemma.node.session import Session
from trilemma.node.slot import Slot
from trilemma.node.unit import Path, Result, Unit
from trilemma.resp.reply import OK, encode, encode_error

register(
    "keyspace_unchanged",
    "ERR keyspace '{keyspace}': {reason}; nothing was changed",
    "see KEYSPACE LIST, and move keys that would vanish; then send it again",
)

Ask = Callable[[Slot, ShardId, Unit], None]
"""Send a unit to a shard; the slot gets the result."""


class ChangeSlot(Slot):
    """The reply of KEYSPACE CREATE, DROP or ALTER, and the steps that lead to it."""

    __slots__ = ("_after", "_ask", "_change", "_index", "_next", "_prepared", "_searched", "_system", "deadline_us")

    def __init__(
        self,
        session: Session,
        change: Prepare | Alter,
        system: Keyspace,
        searched: Sequence[ShardId],
        ask: Ask,
        deadline_us: int,
    ) -> None:
        super().__init__(session)
        self.deadline_us = deadline_us
        self._change = change
        self._system = system
        self._searched = list(searched)
        self._ask = ask
        self._prepared = 0
        self._index = 0
        self._next: Callable[[bytes], None] = self._began
        self._after = b""

    def begin(self) -> None:
        """Send the first entry."""
        self.session.blocked = True
        self._propose(self._change, self._began)

    def _propose(self, change: Change, following: Callable[[bytes], None]) -> None:
        self._next = following
        self._ask(self, SYSTEM_SHARD, Unit(Path.WRITE, 0, 2, [encode_change(change)]))

    def result(self, request: Request, result: Result, token: int) -> None:
        """Go on with the next step, or end with the error that a step met."""
        reply = result[0] if type(result) is list else result
        try:
            if type(reply) is not bytes or reply[:1] == b"-":
                self._failed(reply if type(reply) is bytes else refusal.not_executed())
            else:
                self._next(reply)
        except DEFECTS as problem:
            # What it has prepared is aborted by the leader of `_system`, as that of a coordinator that died.
            self._end(self.broken(problem, "defect"))

    def _failed(self, error: bytes) -> None:
        if self._next == self._aborted:
            # Whatever became of the ABORT: what is to be said is what the step before it met.
            self._end(self._after)
        elif self._prepared:
            self._abort(error)
        else:
            self._end(error)

    def _began(self, reply: bytes) -> None:
        index = int(reply[1:])
        if index == 0:
            self._end(self._refused("another change is in the making, or the name is taken or gone"))
        elif isinstance(self._change, Alter):
            self._index = index
        else:
            self._prepared = index
            self._search(b":0\r\n")

    def _search(self, reply: bytes) -> None:
        """Look for keys that the new keyspace would hide, in every shard that may hold some."""
        name = self._change.keyspace.name
        if reply != b":0\r\n":
            self._abort(
                self._refused(f"keys that begin with '{name}:' live in 'default'; they would vanish from sight")
            )
        elif self._searched:
            self._next = self._search
            shard = self._searched.pop()
            unit = Unit(Path.LOGGED_READ, 0, 2, [internal.HOLDS_PREFIX, name.encode() + b":"])
            self._ask(self, shard, unit)
        else:
            self._propose(Activate(self._prepared), self._activated)

    def _abort(self, reply: bytes) -> None:
        self._after = reply
        self._propose(Abort(self._prepared), self._aborted)

    def _aborted(self, reply: bytes) -> None:
        if int(reply[1:]) and self._after.startswith(b"-UNCERTAIN"):
            # The ABORT took effect, so no ACTIVATE ever will.
            self._after = self._refused("it took too long and was given up")
        self._end(self._after)

    def _activated(self, reply: bytes) -> None:
        self._index = int(reply[1:])
        if self._index == 0:
            self._end(self._refused("it took too long and was given up"))

    def _refused(self, reason: str) -> bytes:
        text = error("keyspace_unchanged", keyspace=self._change.keyspace.name, reason=reason).text
        return encode_error(text)

    def advance(self, applied_everywhere: int, mono_us: int) -> bool:
        """Answer once every member has applied the change, or when time is up; return whether it is answered."""
        if self.data is not None:
            return True
        if self._index and applied_everywhere >= self._index:
            self._end(encode(OK, self.session.protocol))
        elif self._index and mono_us >= self.deadline_us:
            self._end(refusal.uncertain(self._system, "not every node has taken the change into use yet"))
        return self.data is not None

    def _end(self, reply: bytes) -> None:
        self.session.blocked = False
        self.fill(reply)
