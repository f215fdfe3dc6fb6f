"""Digests of a shard's rows, a page a turn: a large shard must not make its node stand still.

What is digested is a pinned view of the engine; what it reflects is read from the view itself. So a digest is exact
whatever happens meanwhile, and two replicas whose views reflect the same must have the same (PROTOCOLS §5.11).
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b

from trilemma.base.limits import MIB
from trilemma.storage.port import ReadView

DIGEST_ROWS_PER_TURN = 1_024
DIGEST_BYTES_PER_TURN = 8 * MIB
DIGEST_BYTES = 16

RowHash = Callable[[bytes, bytes], bytes]
"""What counts of a row (key, value); nothing for one that is out of sight."""


class Digest:
    """One shard's digest, in the making."""

    def __init__(self, reflects: str, view: ReadView, ranges: Sequence[tuple[bytes, bytes]], row_hash: RowHash) -> None:
        """Args: `ranges` of rows (start, stop), in the order in which they are taken in; at least one."""
        self.reflects = reflects
        self._view = view
        self._ranges = list(ranges)
        self._row_hash = row_hash
        self._content = blake2b(digest_size=DIGEST_BYTES)
        self.is_done = False

    def step(self) -> None:
        """Take in one page of rows."""
        rows_left, bytes_left = DIGEST_ROWS_PER_TURN, DIGEST_BYTES_PER_TURN
        while rows_left and bytes_left > 0 and self._ranges:
            start, stop = self._ranges.pop(0)
            for key, value in self._view.iterate(start, stop):
                if not rows_left or bytes_left <= 0:
                    self._ranges.insert(0, (key, stop))
                    break
                self._content.update(self._row_hash(key, value))
                rows_left -= 1
                bytes_left -= len(value)
        if not self._ranges:
            self.is_done = True
            self.close()

    def close(self) -> None:
        """Let go of the view."""
        self._view.close()

    @property
    def text(self) -> str:
        """The digest, once done."""
        return self._content.hexdigest()
