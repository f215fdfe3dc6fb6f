"""Which entries this node's disk holds: log tokens in, an index out.

Knows nothing of entries; a truncation takes back what was handed out above it. Thesis §10.2.1 (the leader's disk beside
the followers'), §3.8 (what is durable before an answer); PROTOCOLS §2.1.
"""

from collections import deque


class Durability:
    """Follow entries from `ready(token)` to `persisted(token)`."""

    __slots__ = ("_pending", "durable_index")

    def __init__(self, durable_index: int) -> None:
        self.durable_index = durable_index
        self._pending: deque[tuple[int, int, int]] = deque()

    def handed_out(self, token: int, last_index: int, mono_us: int) -> None:
        """Note that everything up to `last_index` is durable once `token` is."""
        self._pending.append((token, last_index, mono_us))

    def persisted(self, token: int) -> bool:
        """Take note that tokens up to `token` are durable; say whether that was waited for."""
        before = len(self._pending)
        while self._pending and self._pending[0][0] <= token:
            self.durable_index = max(self.durable_index, self._pending.popleft()[1])
        return len(self._pending) < before

    def truncated(self, last_index: int) -> None:
        """Take back what was said of indexes above `last_index`: other entries will stand there."""
        self.durable_index = min(self.durable_index, last_index)
        self._pending = deque((token, min(last, last_index), us) for token, last, us in self._pending)

    def reset(self, base_index: int) -> None:
        """Begin anew with everything up to an index durable by a snapshot."""
        self.durable_index = base_index
        self._pending.clear()

    @property
    def waiting_since_us(self) -> int | None:
        """When the oldest write that is not durable yet was handed out, or None."""
        return self._pending[0][2] if self._pending else None
