"""What a node wants done after one turn: the only way out of the pure core.

Carried out by `runtime` (really) and by `sim` (virtually). Order within one turn does not matter except where a token
is named: a frame that names one leaves only after `persisted` for it. Bytes for one connection leave in order, at once.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from trilemma.base.ids import ConnId, NodeId
from trilemma.storage.port import LogWrite

NO_TOKEN = 0
"""Leave at once."""


class PeerFrame(NamedTuple):
    """A frame for a peer. May be lost, repeated, reordered by whatever carries it."""

    peer: NodeId
    frame: bytes
    after: int


class ClientBytes(NamedTuple):
    """Reply bytes for a connection: all that they show is durable."""

    conn: ConnId
    data: bytes


class AdminRequest(NamedTuple):
    """Something only the shell can do (LAB faults, CONFIG REWRITE): answered by `admin_done(request, reply bytes)`."""

    request: int
    words: list[bytes]
    protocol: int


NO_SHARD: Final = -1
DEFECT: Final = "defect"
"""The `what` of a trace that says that this code is wrong."""


class Trace(NamedTuple):
    """One line for people: who, what, why. `shard` is -1 where none is concerned."""

    what: str
    shard: int
    text: str


@dataclass(slots=True)
class Effects:
    """One turn's doings. `flush_rows`: flush the row engine off the loop, then call `rows_flushed(token)`."""

    log: LogWrite | None = None
    send: list[PeerFrame] = field(default_factory=list)
    client_bytes: list[ClientBytes] = field(default_factory=list)
    close: list[ConnId] = field(default_factory=list)
    closed_for: list[tuple[ConnId, str]] = field(default_factory=list)
    """Of those connections, the ones that are closed for a fault of the client's, and for which; for the log."""
    reading: list[tuple[ConnId, bool]] = field(default_factory=list)
    """Connections from which to read on (True), or not for now."""
    admin: list[AdminRequest] = field(default_factory=list)
    flush_rows: int = 0
    next_deadline_us: int = 0
    """The mono_us at which the node wants its next turn even if nothing comes in."""
    shutdown: bool = False
    """The node has handed over what it led and wants to be stopped."""
    stays: bool = False
    """A shutdown that had begun was called off: whoever set a bound to it lets go of that."""
    trace: list[Trace] = field(default_factory=list)
