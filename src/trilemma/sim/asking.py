"""A client that sends a node one command, and takes the one reply."""

from trilemma.base.ids import NodeId
from trilemma.resp.decode import ReplyDecoder
from trilemma.sim.client import plain
from trilemma.sim.cluster import Cluster


class Asking:
    """One such client. Who waits for it has to `leave`."""

    def __init__(self, cluster: Cluster, node: NodeId, data: bytes) -> None:
        self.reply: object = None
        """The reply, in the words of `plain`; None before it came, and where none came."""
        self._cluster = cluster
        self._decoder = ReplyDecoder()
        self._conn = cluster.connect(node, self)
        self.is_over = self._conn is None
        """Whether nothing more comes: it was answered, nobody listened, or the connection broke."""
        if self._conn is not None:
            cluster.send(self._conn, data)

    def receive(self, conn: int, data: bytes) -> None:
        """See Caller."""
        self._decoder.feed(data)
        for reply in self._decoder.replies():
            self.reply, self.is_over = plain(reply), True

    def lost(self, conn: int) -> None:
        """See Caller."""
        self.is_over = True

    def leave(self) -> None:
        """Hang up."""
        if self._conn is not None:
            self._cluster.hang_up(self._conn)
