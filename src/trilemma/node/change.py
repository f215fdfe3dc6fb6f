"""A change of the catalogue as its coordinator carries it out: one KEYSPACE command of one session (PROTOCOLS §7).

Create and drop: PREPARE on every member, look whether the prefix is free, ACTIVATE or ABORT, wait until every member
has applied it: who is told that nothing was changed is to find it so, and also a PREPARE that comes to nothing fences.
A coordinator that dies leaves one behind; the leader of `_system` aborts it. ALTER is one entry, and fences nothing.
"""

from collections.abc import Callable, Sequence

from trilemma.base.errors import error, register
from trilemma.base.ids import SYSTEM_SHARD, ShardId
from trilemma.keyspace.catalogue import Abort, Activate, Alter, Change, Prepare, encode_change
from trilemma.keyspace.settings import Keyspace
from trilemma.node import internal, refusal
from trilemma.node.defect import DEFECTS
from trilemma.node.request import UNCERTAIN, Request
from trilemma.node.session import Session
from trilemma.node.slot import Slot
from trilemma.node.unit import Path, Result, Unit
from trilemma.resp.reply import OK, encode, encode_error

register(
    "keyspace_unchanged",
    "ERR keyspace '{keyspace}': {reason}; nothing was changed",
    "see KEYSPACE LIST, and move keys that would vanish; then send it again",
)
register(
    "keyspace_fenced",
    "ERR {refusal}, but keys that begin with '{keyspace}:' may be refused for a while yet",
    "the nodes end that within seconds, as soon as most members are there; then send it again",
)
register(
    "keyspace_fenced_down",
    "CLUSTERDOWN {refusal}, but keys that begin with '{keyspace}:' may be refused for a while yet",
    "the nodes end that within seconds, as soon as most members are there; send it again once all are",
)

GIVEN_UP = "it took too long and was given up"

Ask = Callable[[Slot, ShardId, Unit], None]
"""Send a unit to a shard; the slot gets the result."""


class ChangeSlot(Slot):
    """The reply of KEYSPACE CREATE, DROP or ALTER, and the steps that lead to it."""

    __slots__ = ("_ask", "_awaited", "_change", "_next", "_prepared", "_refusal", "_searched", "_system", "deadline_us")

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
        self._next: Callable[[bytes], None] = self._began
        self._awaited = 0
        """The entry that every member has to apply before the reply leaves: all steps are done."""
        self._refusal = b""
        """What is to be said of a change that is given up."""

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
            self._end(self._still_fenced())
        elif self._prepared:
            self._abort(error)
        elif isinstance(self._change, Prepare) and error.startswith(UNCERTAIN):
            # Whatever becomes of it, no ACTIVATE follows: it can do no more than fence until it is aborted.
            self._refusal = self._refused(GIVEN_UP)
            self._end(self._still_fenced())
        else:
            self._end(error)

    def _began(self, reply: bytes) -> None:
        index = int(reply[1:])
        if index <= 0:
            self._given_up(-index, self._refused("another change is in the making, or the name is taken or gone"))
        elif isinstance(self._change, Alter):
            self._awaited = index
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
        self._refusal = reply
        self._propose(Abort(self._prepared), self._aborted)

    def _aborted(self, reply: bytes) -> None:
        index = int(reply[1:])
        if index > 0 and self._is_in_doubt:
            # The ABORT took effect, so no ACTIVATE ever will.
            self._refusal = self._refused(GIVEN_UP)
        self._given_up(abs(index), self._refusal)

    def _activated(self, reply: bytes) -> None:
        index = int(reply[1:])
        if index <= 0:
            self._given_up(-index, self._refused(GIVEN_UP))
        else:
            self._awaited = index

    def _given_up(self, index: int, reply: bytes) -> None:
        """Say so once every member has applied the entry at an index, which ends the fence; at once where there was no
        fence, or where the reply promises nothing."""
        self._refusal = reply
        if self._is_in_doubt or isinstance(self._change, Alter):
            self._end(reply)
        else:
            self._awaited = index

    @property
    def _is_in_doubt(self) -> bool:
        return self._refusal.startswith(UNCERTAIN)

    def _refused(self, reason: str) -> bytes:
        text = error("keyspace_unchanged", keyspace=self._change.keyspace.name, reason=reason).text
        return encode_error(text)

    def _still_fenced(self) -> bytes:
        """Return what is said of a change that some member may not have seen the end of: its prefix may be fenced
        there."""
        if self._is_in_doubt:
            return self._refusal
        code, _, text = self._refusal[1:-2].decode().partition(" ")
        name = "keyspace_fenced_down" if code == "CLUSTERDOWN" else "keyspace_fenced"
        return encode_error(error(name, refusal=text, keyspace=self._change.keyspace.name).text)

    def advance(self, applied_everywhere: int, mono_us: int) -> bool:
        """Answer once every member has applied the change or its end, or when time is up; return whether it is
        answered."""
        if self.data is not None:
            return True
        if self._awaited and applied_everywhere >= self._awaited:
            self._end(self._refusal or encode(OK, self.session.protocol))
        elif self._awaited and mono_us >= self.deadline_us:
            self._end(self._too_late_everywhere())
        return self.data is not None

    @property
    def answer_by_us(self) -> int | None:
        """By when to answer although some member has not applied it; None where it is answered, or a step is under way,
        which has a deadline of its own."""
        return self.deadline_us if self._awaited and self.data is None else None

    def _too_late_everywhere(self) -> bytes:
        if self._refusal:
            return self._still_fenced()
        return refusal.uncertain(self._system, "not every node has taken the change into use yet")

    def _end(self, reply: bytes) -> None:
        self.session.blocked = False
        self.fill(reply)
