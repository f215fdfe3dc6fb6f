"""What waits for the log: frames and replies that name a token, let out once it is durable.

Replies of one connection keep their order, so what comes after one that waits, waits with it. The bytes held per
connection are counted; whoever owns the connection bounds them.
"""

from collections import deque

from trilemma.base.ids import ConnId, NodeId


class HeldFrames:
    """Frames for peers by the token they wait for. Order between tokens is kept, though no peer relies on it."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[tuple[NodeId, bytes]]] = {}

    def hold(self, peer: NodeId, frame: bytes, after: int) -> None:
        """Keep a frame until `release(after)` or later."""
        self._waiting.setdefault(after, []).append((peer, frame))

    def release(self, durable: int) -> list[tuple[NodeId, bytes]]:
        """Return the frames that may leave now."""
        due = sorted(token for token in self._waiting if token <= durable)
        return [held for token in due for held in self._waiting.pop(token)]


class HeldReplies:
    """Replies by connection, and the connections by the token that their oldest reply waits for."""

    def __init__(self) -> None:
        self._replies: dict[ConnId, deque[tuple[int, bytes]]] = {}
        self._heads: dict[int, list[ConnId]] = {}
        self._bytes: dict[ConnId, int] = {}

    def __contains__(self, conn: ConnId) -> bool:
        return conn in self._replies

    def bytes_of(self, conn: ConnId) -> int:
        """Return how many bytes wait for a connection."""
        return self._bytes.get(conn, 0)

    def hold(self, conn: ConnId, data: bytes, after: int) -> None:
        """Keep a reply until its token, and those of all earlier ones of its connection, are durable."""
        replies = self._replies.get(conn)
        if replies is None:
            replies = self._replies[conn] = deque()
            self._heads.setdefault(after, []).append(conn)
        replies.append((after, data))
        self._bytes[conn] = self._bytes.get(conn, 0) + len(data)

    def release(self, durable: int) -> list[tuple[ConnId, bytes]]:
        """Return what may leave now, in order for each connection.

        Cost: one step per connection let go, none for those that still wait.
        """
        released: list[tuple[ConnId, bytes]] = []
        for token in sorted(token for token in self._heads if token <= durable):
            for conn in self._heads.pop(token):
                self._release_one(conn, durable, released)
        return released

    def _release_one(self, conn: ConnId, durable: int, released: list[tuple[ConnId, bytes]]) -> None:
        replies = self._replies.get(conn)
        if replies is None:
            return
        while replies and replies[0][0] <= durable:
            data = replies.popleft()[1]
            self._bytes[conn] -= len(data)
            released.append((conn, data))
        if replies:
            self._heads.setdefault(replies[0][0], []).append(conn)
        else:
            del self._replies[conn], self._bytes[conn]

    def drop(self, conn: ConnId) -> None:
        """Forget a connection that is gone."""
        self._replies.pop(conn, None)
        self._bytes.pop(conn, None)
