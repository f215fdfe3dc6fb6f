"""How far a shard's rows are on their way to the disk: sealed, in the engine, in a flush that is under way, flushed.

Owns what the rows reflect at each of these stations, whatever a position is: an entry (`cp`, `ca`) or a vector (`ap`).
Knows nothing of the rows themselves: the layers are storage/overlay.py's, when to flush is node/flushing.py's. What is
flushed need not be replayed by a start (PROTOCOLS §6.5).
"""

from collections import deque
from typing import Generic, NamedTuple, TypeVar

Position = TypeVar("Position")


class RowsMark(NamedTuple):
    """What is sealed of a shard at some moment."""

    generation: int
    layers: int
    """Sealed since these rows came into use."""


class RowsProgress(Generic[Position]):
    """What one shard's rows reflect at each station."""

    def __init__(self, position: Position) -> None:
        self._sealed: deque[tuple[int, Position]] = deque()
        """Per layer of rows that is not in the engine yet: the token it waits for, what it brings the rows to."""
        self._in_engine = self._flushing = self.flushed = position
        self.layers = 0
        """How many layers were sealed."""

    def sealed(self, token: int, position: Position) -> None:
        """Take note of a layer that may enter the engine once `token` is durable (0: at once)."""
        self._sealed.append((token, position))
        self.layers += 1

    def entered(self, durable_token: int) -> None:
        """Take note that all layers up to a durable token enter the engine."""
        while self._sealed and self._sealed[0][0] <= durable_token:
            self._in_engine = self._sealed.popleft()[1]

    @property
    def layers_entered(self) -> int:
        """How many of the layers are in the engine."""
        return self.layers - len(self._sealed)

    def flush_begins(self) -> None:
        """Take note that a flush begins: it covers what is in the engine by now."""
        self._flushing = self._in_engine

    def flush_ended(self) -> None:
        """Take note that the flush is done."""
        self.flushed = self._flushing
