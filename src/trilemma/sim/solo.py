"""One node alone in memory, driven by hand: bytes in, bytes out, time as told. For tests and for comparing replies."""

from collections import defaultdict

from trilemma.base.ids import ConnId
from trilemma.base.time import Now
from trilemma.node.config import Member, NodeConfig
from trilemma.node.effects import AdminRequest
from trilemma.node.machine import Node
from trilemma.storage.memory import MemoryEngine, MemoryLog

TURNS_MAX = 10_000
"""More turns than any request needs; beyond it something waits for what will not come."""

FIRST_MONO_US = 1_000_000
FIRST_WALL_US = 1_700_000_000_000_000


class SoloNode:
    """A node whose disk is memory and syncs at once.

    Args:
        start_us: how long to run before clients come, so that it leads its shards.
    """

    def __init__(
        self, config: NodeConfig | None = None, start_us: int = 2_000_000, wall_us: int = FIRST_WALL_US
    ) -> None:
        self.now = Now(FIRST_MONO_US, wall_us)
        self.log = MemoryLog()
        self.engine = MemoryEngine()
        self.config = config or NodeConfig("solo", 1, "disk", 1, (Member(1, "n1"),))
        self.node = Node(self.config, self.log.recover(), self.log, self.engine, self.now, entropy=1)
        self.replies: dict[ConnId, bytearray] = defaultdict(bytearray)
        self.closed: set[ConnId] = set()
        self.admin: list[AdminRequest] = []
        self._next_conn = 1
        self._deadline_us = 0
        self.run_until(self.now.mono_us + start_us)

    def connect(self, address: str = "127.0.0.1:50000") -> ConnId:
        """Open a client connection."""
        conn = self._next_conn
        self._next_conn += 1
        self.node.client_connected(conn, address, "127.0.0.1:6379")
        self.turn()
        return conn

    def turn(self) -> bool:
        """Run one turn; return whether the node wants another one at once."""
        self.node.advance(self.now)
        effects = self.node.ready()
        for out in effects.client_bytes:
            self.replies[out.conn] += out.data
        self.closed.update(effects.close)
        self.admin.extend(effects.admin)
        self._deadline_us = effects.next_deadline_us
        if effects.log is not None:
            self.log.append(effects.log)
            self.log.sync(effects.log.token)
            self.node.persisted(effects.log.token)
        if effects.flush_rows:
            self.engine.flush()
            self.node.rows_flushed(effects.flush_rows)
        return effects.log is not None or bool(effects.flush_rows) or self._deadline_us <= self.now.mono_us

    def settle(self) -> None:
        """Run turns until nothing is to be done now."""
        for _ in range(TURNS_MAX):
            if not self.turn():
                return
        raise RuntimeError("the node does not come to rest")

    def run_until(self, mono_us: int) -> None:
        """Let time pass, with a turn whenever the node wants one."""
        self.settle()
        while self._deadline_us < mono_us:
            self._move_to(max(self._deadline_us, self.now.mono_us + 1))
            self.settle()
        self._move_to(mono_us)
        self.settle()

    def _move_to(self, mono_us: int) -> None:
        self.now = Now(mono_us, self.now.wall_us + mono_us - self.now.mono_us)

    def send(self, conn: ConnId, data: bytes) -> bytes:
        """Send bytes on a connection and return what came back at once."""
        self.replies[conn].clear()
        self.node.receive_client(conn, data)
        self.settle()
        return bytes(self.replies[conn])


def request(*words: bytes | str | int) -> bytes:
    """Return a command as a RESP array of bulk strings."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
