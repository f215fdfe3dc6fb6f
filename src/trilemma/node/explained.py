"""CAP EXPLAIN's reply: the command's own, and its receipt, with warnings of what it comes after.

The executor warns of the command alone. What the connection had explained before on the same key only this node knows,
so it is added here; only explained commands are remembered, so that others cost nothing.
"""

from collections.abc import Iterable, Sequence
from typing import cast

from trilemma.command.safety import warnings
from trilemma.command.table import CommandSpec, keys_of
from trilemma.node.defect import DEFECTS
from trilemma.node.request import Request
from trilemma.node.session import Session
from trilemma.node.slot import Slot
from trilemma.node.unit import Result
from trilemma.resp.decode import decode_reply
from trilemma.resp.reply import MapReply, Reply, encode

KEYS_MAX = 32
"""Keys that are remembered of a connection; the one that was not explained for longest goes first."""

KEY_BYTES_MAX = 1_024
"""Longer keys are not remembered: 32 KiB a connection are enough for this."""

NAMES_MAX = 8
"""Commands that are remembered of a key."""


class ExplainSlot(Slot):
    """A reply with its receipt: an array of the two. A refusal is its own explanation."""

    __slots__ = ("_argv", "_db", "_is_once", "_keys", "_name")

    def __init__(self, session: Session, spec: CommandSpec, argv: list[bytes], *, is_once: bool = False) -> None:
        super().__init__(session)
        self._argv = argv
        self._is_once = is_once
        self._name = spec.name
        self._db = session.db
        self._keys = keys_of(spec, argv)

    def result(self, request: Request, result: Result, token: int) -> None:
        """Be the sink of the explained command's request."""
        self.request = request
        self.session.blocked = False
        if type(result) is not list:
            self.fill(result, token)  # type: ignore[arg-type]
        elif len(result) == 1:
            # Its receipt could not be made: the error that says so.
            self.fill(result[0], token)
        else:
            self.fill(self._explained(*result), token)

    def _explained(self, reply: bytes, receipt: bytes) -> bytes:
        try:
            earlier = self._earlier()
            self._remember()
            if earlier:
                receipt = self._with_warnings(receipt, earlier)
        except DEFECTS as problem:
            return self.broken(problem)
        return b"*2\r\n%b%b" % (reply, receipt)

    def _earlier(self) -> list[tuple[str, ...]]:
        """Return, for each key, the commands that were explained before, the newest last."""
        known = self.session.explained
        return [known[self._db, key] for key in self._keys if (self._db, key) in known]

    def _remember(self) -> None:
        known = self.session.explained
        for key in self._keys[:KEYS_MAX]:
            if len(key) <= KEY_BYTES_MAX:
                known[self._db, key] = (*known.pop((self._db, key), ()), self._name)[-NAMES_MAX:]
        while len(known) > KEYS_MAX:
            del known[next(iter(known))]

    def _with_warnings(self, receipt: bytes, earlier: Sequence[Sequence[str]]) -> bytes:
        """Return a receipt whose warnings know what came before the command."""
        told = decode_reply(receipt)
        pairs = told.pairs if isinstance(told, MapReply) else _pairs(cast(list[Reply], told))
        facts = cast(dict[bytes, Reply], dict(pairs))
        mode = cast(bytes, facts[b"mode"]).decode()
        texts = warnings(self._argv, mode, earlier, is_once=self._is_once)
        return encode({**facts, b"warnings": [text.encode() for text in texts]}, self.session.protocol)


def _pairs(flat: list[Reply]) -> Iterable[tuple[Reply, Reply]]:
    """Return a map of RESP2 in pairs."""
    return zip(flat[::2], flat[1::2], strict=True)
