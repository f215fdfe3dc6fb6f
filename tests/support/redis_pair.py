"""A redis-server and a node of ours that are sent the same bytes."""

import socket

from hypothesis import HealthCheck, Phase, settings

from raw_replies import decode, split
from reply_rules import Comparison
from trilemma.node.config import Member, NodeConfig
from trilemma.resp.decode import ReplyDecoder
from trilemma.sim.solo import SoloNode, request

WAITS_MAX = 100


def drawn(examples: int) -> settings:
    """Return how so many examples are drawn: none is shrunk, kept or timed, and one that fails can be repeated."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


class Pair:
    """The same bytes to both servers.

    Args:
        mode: of the node's only keyspace.
        password: what both ask for, where they do.
    """

    def __init__(self, theirs: socket.socket, mode: str = "cp", password: bytes = b"") -> None:
        self.theirs = theirs
        self.mode = mode
        self._proof = request("AUTH", password) if password else request("PING")
        self.ask_theirs(self._proof, 1)
        config = NodeConfig("solo", 1, "disk", 1, (Member(1, "n1"),), default_mode=mode, requirepass=password.decode())
        self.solo = SoloNode(config, wall_us=self.wall_us())
        self.conn = self.solo.connect()
        self.commands = 0

    def close(self) -> None:
        """Close the connection to redis-server."""
        self.theirs.close()

    def ask_theirs(self, data: bytes, count: int) -> list[bytes]:
        """Return the raw bytes of `count` replies."""
        self.theirs.sendall(data)
        raw = bytearray()
        decoder = ReplyDecoder()
        seen = 0
        while seen < count:
            chunk = self.theirs.recv(1 << 20)
            assert chunk, "redis-server closed the connection"
            raw += chunk
            decoder.feed(chunk)
            seen += len(decoder.replies())
        return split(bytes(raw))

    def ask_ours(self, data: bytes) -> list[bytes]:
        replies = self.solo.send(self.conn, data)
        for _ in range(WAITS_MAX):
            if not self.solo.node.is_waiting:
                break
            self.solo.run_until(self.solo.now.mono_us + 1_000)
            replies = bytes(self.solo.replies[self.conn])
        return split(replies)

    def greet(self, protocol: int) -> None:
        """Choose the protocol on both sides."""
        self.ask_theirs(request("HELLO", protocol), 1)
        self.ask_ours(request("HELLO", protocol))

    def begin_anew(self, theirs: socket.socket, protocol: int | None) -> None:
        """Go on with fresh connections and without a key. `protocol` None: with no word said, so without a proof."""
        clean = self._proof + request("DISCARD") + request("FLUSHALL")
        self.ask_theirs(clean, 3)
        self.ask_ours(clean)
        self.sync_clocks()
        self.theirs.close()
        self.solo.node.client_gone(self.conn)
        self.theirs, self.conn = theirs, self.solo.connect()
        if protocol is not None:
            self.greet(protocol)

    def compare(self, commands: list[list[bytes]], at_once: int = 1_000_000) -> None:
        """Send commands, so many in one write, and fail at the first reply that is not the same."""
        theirs: list[bytes] = []
        ours: list[bytes] = []
        for start in range(0, len(commands), at_once):
            some = commands[start : start + at_once]
            data = b"".join(request(*words) for words in some)
            theirs += self.ask_theirs(data, len(some))
            ours += self.ask_ours(data)
        assert len(ours) == len(commands)
        comparison = Comparison(self.mode)
        for position, (words, mine, other) in enumerate(zip(commands, ours, theirs, strict=True)):
            assert comparison.same(words, mine, other), f"{position}: {words!r}: ours {mine!r}, Redis {other!r}"
            self.commands += 1
            if comparison.has_parted:
                break

    def wall_us(self) -> int:
        seconds, micros = decode(self.ask_theirs(request("TIME"), 1)[0])  # type: ignore[misc]
        return int(seconds) * 1_000_000 + int(micros)

    def sync_clocks(self) -> None:
        behind_us = self.wall_us() - self.solo.now.wall_us
        if behind_us > 0:
            self.solo.run_until(self.solo.now.mono_us + behind_us)
