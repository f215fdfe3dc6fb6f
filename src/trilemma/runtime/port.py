"""What the parts of the shell ask of each other, so that each can be run against a fake. No code."""

from collections.abc import Callable, Iterable
from typing import Protocol

from trilemma.base.ids import ConnId, NodeId
from trilemma.base.time import Now
from trilemma.node.effects import Effects
from trilemma.storage.port import Engine, LogReader, LogWrite, Recovered

Clock = Callable[[], Now]


class Core(Protocol):
    """The pure node, as `node.machine.Node` is seen from here."""

    def client_connected(self, conn: ConnId, address: str, local_address: str) -> None:
        """A client has connected."""

    def receive_client(self, conn: ConnId, data: bytes) -> None:
        """Bytes came from a client."""

    def client_stalled(self, conn: ConnId, is_stalled: bool) -> None:
        """A client does not read its replies, or does again."""

    def client_ended(self, conn: ConnId) -> None:
        """A client sends nothing more; it may still read what it asked for."""

    def client_gone(self, conn: ConnId) -> None:
        """A connection is gone."""

    def receive_peer(self, peer: NodeId, frame: bytes) -> None:
        """A frame came from a peer."""

    def persisted(self, token: int) -> None:
        """The log is durable up to a token."""

    def rows_flushed(self, token: int) -> None:
        """A flush is done."""

    def disk_room(self, has_room: bool) -> None:
        """The disk has room for further entries, or not."""

    def admin_done(self, request: int, reply: bytes) -> None:
        """An AdminRequest is answered."""

    def begin_shutdown(self) -> None:
        """Hand over and ask to be stopped."""

    def advance(self, now: Now) -> None:
        """Move time on; the last input of a turn."""

    def ready(self) -> Effects:
        """End the turn."""
        ...


class Inputs(Protocol):
    """Where sockets put what they got."""

    def client_connected(self, conn: ConnId, address: str, local_address: str) -> None:
        """A client has connected."""

    def receive_client(self, conn: ConnId, data: bytes) -> None:
        """Bytes came from a client."""

    def client_stalled(self, conn: ConnId, is_stalled: bool) -> None:
        """A client does not read its replies, or does again."""

    def client_ended(self, conn: ConnId) -> None:
        """A client sends nothing more; it may still read what it asked for."""

    def client_gone(self, conn: ConnId) -> None:
        """A connection is gone."""

    def receive_peer(self, peer: NodeId, frame: bytes) -> None:
        """A frame came from a peer."""


class ClientOutlet(Protocol):
    """Where replies go. What is put leaves at the next `flush`, one write per connection."""

    def put(self, conn: ConnId, data: bytes) -> None:
        """Take reply bytes."""

    def close(self, conn: ConnId) -> None:
        """Close a connection once everything put so far has left."""

    def say_why(self, conn: ConnId, why: str) -> None:
        """Have the log say why a connection is about to be closed."""

    def read_on(self, conn: ConnId, reads: bool) -> None:
        """Read on from a connection, or not for now."""

    def flush(self) -> None:
        """Write out what this turn put."""


class PeerOutlet(Protocol):
    """Where frames for peers go."""

    def put(self, peer: NodeId, frame: bytes) -> None:
        """Take a frame; it may be lost."""

    def flush(self) -> None:
        """Write out what this turn put."""


class DurableLog(LogReader, Protocol):
    """The log as it is written: what is appended becomes durable later, and whoever opened it is told."""

    def append(self, write: LogWrite) -> None:
        """Take a write without waiting for the disk."""


class FlushingEngine(Engine, Protocol):
    """The row engine with what only the shell calls."""

    def flush(self) -> None:
        """Make every write so far durable; blocks, so it runs in a thread.

        Raises:
            NoRoomError: the disk is too full; to be tried again.
        """


class Storage(Protocol):
    """One node's disk."""

    @property
    def log(self) -> DurableLog:
        """The log, once opened."""
        ...

    @property
    def engine(self) -> FlushingEngine:
        """The rows, once opened."""
        ...

    def open(self, persisted: Callable[[int], None], failed: Callable[[Exception], None]) -> Recovered:
        """Open it. Both callbacks may come from any thread; after `failed` nothing more becomes durable."""
        ...

    def close(self) -> None:
        """Sync what was appended and let go of everything; blocks.

        Raises:
            Exception: what `failed` was called with, now or before: not all that was appended is durable. Else, what
                is wrong with the rows.
        """


class Laboratory(Protocol):
    """Faults on the links of this node, and the LAB command. Implemented by `lab`, which nothing here imports."""

    def fate(self, source: NodeId, target: NodeId) -> float | None:
        """Return how many seconds a frame is held on its way, or None where it is lost."""
        ...

    def is_cut(self, source: NodeId, target: NodeId) -> bool:
        """Say whether nothing at all passes in this direction."""
        ...

    def start(self, tell: Callable[[NodeId, bytes], None], connected: Callable[[], Iterable[NodeId]]) -> None:
        """Begin: `tell` sends a control message past the faults, `connected` names the peers that would get it."""

    def told(self, peer: NodeId, message: bytes) -> None:
        """A peer's control message came."""

    def joined(self, peer: NodeId) -> None:
        """A connection to a peer stands."""

    def answer(self, words: list[bytes], protocol: int, done: Callable[[bytes], None]) -> None:
        """Carry out a LAB command and hand its encoded reply to `done`, now or later."""
