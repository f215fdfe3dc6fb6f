"""What waits for the log: frames for peers that name a token, let out once it is durable.

Only what replicas tell each other waits here: it is made once, and is not made again because the disk is slow. An
answer to another node's clients waits in the node, where it can be withdrawn and is bounded (node/forwarding.py).
"""

from trilemma.base.ids import NodeId


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
