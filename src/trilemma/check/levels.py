"""The walk that searches share: levels on a stack, each entered from the one below, within bounds on steps and time.

Owns the loop and its bounds; what a level is, and how it is entered and left, is the search's to say.
"""

from abc import ABC, abstractmethod
from typing import Final, Generic, TypeVar

from trilemma.check.deadline import Deadline

Level = TypeVar("Level")

LEVELS_PER_LOOK: Final = 64
"""Levels between two looks at the clock: some milliseconds at most."""


class Walk(ABC, Generic[Level]):
    """A search in depth. It is over when nothing waits any more."""

    __slots__ = ("_deadline", "_waiting", "steps_left")

    def __init__(self, steps_max: int, deadline: Deadline | None) -> None:
        self._deadline = deadline
        self._waiting = 0
        """Operations that must still take effect."""
        self.steps_left = steps_max

    def walk(self, entered: Level | None) -> bool | None:
        """Return whether there is a way from a level to the end; None when a bound was reached first."""
        levels: list[Level] = []
        count = 0
        while entered is not None or levels:
            if entered is not None:
                levels.append(entered)
            if not self._waiting:
                return True
            count += 1
            if self.steps_left <= 0 or (count % LEVELS_PER_LOOK == 0 and self._is_late()):
                return None
            entered = self._try_next(levels)
            if entered is None:
                self._leave(levels.pop())
        return False

    def _is_late(self) -> bool:
        return self._deadline is not None and self._deadline.is_over

    @abstractmethod
    def _try_next(self, levels: list[Level]) -> Level | None:
        """Return the level that the next candidate of the last one leads to; None where no candidate is left."""

    @abstractmethod
    def _leave(self, level: Level) -> None:
        """Undo what entering a level did."""
