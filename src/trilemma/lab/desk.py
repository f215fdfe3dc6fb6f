"""The lab of one node: the table in force, the LAB command, and how the table spreads to the other nodes.

Tables spread whole, with a version; the newest wins, and a node that connects is told. Control messages pass the faults
by, so a cut can always be healed from either side. Of two LAB commands given at two nodes at the same moment one holds,
and the other is answered with an error. A cluster that is started anew has no faults.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from trilemma.base.errors import Outcome, ReplyError, error, register
from trilemma.base.ids import NodeId
from trilemma.base.limits import limit
from trilemma.lab.faults import NO_FAULT, USAGE, Direction, Fault, Table, describe, parse
from trilemma.resp.reply import OK, Simple, encode, encode_error

CONFIRM_MS_MAX = limit(
    "lab_confirm_ms_max",
    1_000,
    "ms",
    "LAB answers when every connected node follows the new rules",
    "OK with the nodes that have not confirmed yet",
)

register(
    "lab_overwritten",
    "ERR overwritten by a LAB command at {author} at the same moment",
    "see LAB STATUS, and send it again if it is still wanted",
    Outcome.MAYBE,
)


class Version(NamedTuple):
    """Which table is newer: the greater one."""

    number: int
    author: NodeId


class Rules(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The table of one version, as it is told."""

    version: Version
    faults: list[tuple[Direction, Fault]]


class Following(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The teller's table is in force here."""

    version: Version


_decoder: msgspec.msgpack.Decoder[Rules | Following] = msgspec.msgpack.Decoder(Rules | Following)
_encode = msgspec.msgpack.Encoder().encode


class _Waiting(NamedTuple):
    """A LAB command that waits for other nodes."""

    version: Version
    missing: set[NodeId]
    done: Callable[[bytes], None]


class Desk:
    """See runtime.port.Laboratory."""

    def __init__(self, node: NodeId, names: Mapping[NodeId, str], draw: Callable[[], float] = random.random) -> None:
        """Args: draw: returns a number from 0 to 1; decides what a lossy link loses."""
        self._node = node
        self._names = names
        self._nodes = {name: number for number, name in names.items()}
        self._draw = draw
        self._version = Version(0, 0)
        self._table: Table = {}
        self._waiting: list[_Waiting] = []
        self._tell: Callable[[NodeId, bytes], None] = lambda _peer, _message: None
        self._connected: Callable[[], Iterable[NodeId]] = tuple

    def start(self, tell: Callable[[NodeId, bytes], None], connected: Callable[[], Iterable[NodeId]]) -> None:
        """See Laboratory."""
        self._tell = tell
        self._connected = connected

    # What happens to frames

    def fate(self, source: NodeId, target: NodeId) -> float | None:
        """See Laboratory."""
        fault = self._table.get((source, target))
        if fault is None:
            return 0.0
        if fault.is_cut or (fault.loss_percent and 100 * self._draw() < fault.loss_percent):
            return None
        return fault.delay_ms / 1_000

    def is_cut(self, source: NodeId, target: NodeId) -> bool:
        """See Laboratory."""
        return self._table.get((source, target), NO_FAULT).is_cut

    # The command

    def answer(self, words: list[bytes], protocol: int, done: Callable[[bytes], None]) -> None:
        """See Laboratory."""
        texts = [word.decode("utf-8", "replace") for word in words[1:]]
        if [text.upper() for text in texts] == ["HELP"]:
            done(encode([line.encode() for line in USAGE], protocol))
            return
        try:
            change = parse(texts, self._nodes)
        except ReplyError as problem:
            done(encode_error(problem.text))
            return
        if change is None:
            done(encode([line.encode() for line in describe(self._table, self._names)], protocol))
        else:
            self._change(change.applied(self._table), done)

    def _change(self, table: Table, done: Callable[[bytes], None]) -> None:
        self._version = Version(self._version.number + 1, self._node)
        self._table = table
        missing = set(self._connected())
        for peer in sorted(missing):
            self._tell(peer, self._rules())
        if not missing:
            done(encode(OK, 2))
            return
        waiting = _Waiting(self._version, missing, done)
        self._waiting.append(waiting)
        asyncio.get_running_loop().call_later(CONFIRM_MS_MAX / 1_000, self._give_up, waiting)

    def _give_up(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            late = ", ".join(self._names[node] for node in sorted(waiting.missing))
            waiting.done(encode(Simple(f"OK, but {late} has not confirmed yet".encode()), 2))

    # Between nodes

    def _rules(self) -> bytes:
        return _encode(Rules(self._version, sorted(self._table.items())))

    def joined(self, peer: NodeId) -> None:
        """See Laboratory."""
        if self._version.number:
            self._tell(peer, self._rules())

    def told(self, peer: NodeId, message: bytes) -> None:
        """See Laboratory. A message that does not decode comes from a newer version and is left alone."""
        try:
            found = _decoder.decode(message)
        except msgspec.MsgspecError:
            return
        if isinstance(found, Rules):
            self._hear_rules(peer, found)
        # Who tells newer rules has what this node told, or has put something else in its place.
        self._confirmed(peer, found.version)

    def _hear_rules(self, peer: NodeId, rules: Rules) -> None:
        if rules.version < self._version:
            self._tell(peer, self._rules())
            return
        overwritten = [waiting for waiting in self._waiting if waiting.version.number == rules.version.number]
        self._version = rules.version
        self._table = {link: fault for link, fault in rules.faults if self._names.keys() >= set(link)}
        self._tell(peer, _encode(Following(rules.version)))
        author = self._names.get(rules.version.author, "another node")
        for waiting in overwritten:
            self._waiting.remove(waiting)
            waiting.done(encode_error(error("lab_overwritten", author=author).text))

    def _confirmed(self, peer: NodeId, version: Version) -> None:
        for waiting in list(self._waiting):
            if waiting.version <= version:
                waiting.missing.discard(peer)
                if not waiting.missing:
                    self._waiting.remove(waiting)
                    waiting.done(encode(OK, 2))
