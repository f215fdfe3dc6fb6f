"""A redis-server and a node of ours that are sent the same bytes."""

import socket

from trilemma.resp.decode import ReplyDecoder
from trilemma.resp.reply import Reply
from trilemma.sim.solo import SoloNode, request

WAITS_MAX = 100
TOLERANCE_MS = 5_000
TIMED = {b"pttl", b"expiretime", b"pexpiretime", b"ttl"}


class Pair:
    """The same bytes to both servers."""

    def __init__(self, theirs: socket.socket) -> None:
        self.theirs = theirs
        self.solo = SoloNode(wall_us=self.wall_us())
        self.conn = self.solo.connect()
        self.commands = 0

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

    def wall_us(self) -> int:
        seconds, micros = decode(self.ask_theirs(request("TIME"), 1)[0])  # type: ignore[misc]
        return int(seconds) * 1_000_000 + int(micros)

    def sync_clocks(self) -> None:
        behind_us = self.wall_us() - self.solo.now.wall_us
        if behind_us > 0:
            self.solo.run_until(self.solo.now.mono_us + behind_us)


def decode(raw: bytes) -> Reply:
    decoder = ReplyDecoder()
    decoder.feed(raw)
    return decoder.replies()[0]


def split(raw: bytes) -> list[bytes]:
    """Cut a byte stream into its replies."""
    replies = []
    start = 0
    while start < len(raw):
        end = _end(raw, start)
        replies.append(raw[start:end])
        start = end
    return replies


def _end(raw: bytes, start: int) -> int:
    line = raw.index(b"\r\n", start)
    mark, text = raw[start : start + 1], raw[start + 1 : line]
    position = line + 2
    if mark in b"$=" and int(text) >= 0:
        return position + int(text) + 2
    if mark in b"*~>%":
        for _ in range(max(int(text), 0) * (2 if mark == b"%" else 1)):
            position = _end(raw, position)
    return position


def same(words: list[bytes], ours: bytes, theirs: bytes) -> bool:
    if ours == theirs:
        return True
    if ours[:1] != b":" or theirs[:1] != b":":
        return False
    unit = 1 if words[0].lower().startswith(b"p") else 1_000
    return words[0].lower() in TIMED and abs(int(ours[1:]) - int(theirs[1:])) * unit <= TOLERANCE_MS


def same_in_exec(ours: bytes, theirs: bytes) -> bool:
    mine, other = decode(ours), decode(theirs)
    if not isinstance(mine, list) or not isinstance(other, list) or len(mine) != len(other):
        return False
    return all(
        a == b or (isinstance(a, int) and isinstance(b, int) and abs(a - b) <= TOLERANCE_MS and b > 50)
        for a, b in zip(mine, other, strict=True)
    )
