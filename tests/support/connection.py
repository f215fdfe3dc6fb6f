"""A connection to a node on the stage: it may pipeline, and stays."""

from typing import Any

from stage import PATIENCE_US, Stage
from trilemma.base.ids import ConnId, NodeId
from trilemma.resp.decode import ReplyDecoder
from trilemma.sim.client import plain
from trilemma.sim.solo import request


class Connection:
    """One connection."""

    def __init__(self, stage: Stage, node: NodeId) -> None:
        self.replies: list[Any] = []
        self._stage = stage
        self._decoder = ReplyDecoder()
        conn = stage.cluster.connect(node, self)
        assert conn is not None
        self.conn = conn

    def send(self, *commands: tuple[str, ...]) -> None:
        self._stage.cluster.send(self.conn, b"".join(request(*words) for words in commands))

    def ask(self, *words: str) -> Any:
        """Send one command, and wait for its reply."""
        count = len(self.replies)
        self.send(words)
        self._stage.scheduler.run_until(self._stage.now_us + PATIENCE_US, lambda: len(self.replies) > count)
        return self.replies[count]

    def receive(self, conn: ConnId, data: bytes) -> None:
        self._decoder.feed(data)
        self.replies.extend(plain(reply) for reply in self._decoder.replies())

    def lost(self, conn: ConnId) -> None:
        raise AssertionError("the connection was lost")
