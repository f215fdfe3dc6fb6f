"""A value that entries of the log change: in force as soon as its entry is appended, undone if that is truncated.

Configurations and settings are such values (paper §6: a server uses the newest configuration in its log, committed or
not). Knows nothing of what the values mean.
"""

from bisect import bisect_right
from typing import Generic, TypeVar

T = TypeVar("T")


class Versions(Generic[T]):
    """The value at the log's base and every later one, by index."""

    __slots__ = ("_indexes", "_values")

    def __init__(self, base_index: int, value: T) -> None:
        self._indexes = [base_index]
        self._values = [value]

    @property
    def newest(self) -> T:
        """The value in force."""
        return self._values[-1]

    @property
    def newest_index(self) -> int:
        """The index of the entry that set it, or one at or below the base."""
        return self._indexes[-1]

    @property
    def previous(self) -> T:
        """The value before the newest, the newest itself where there is no other."""
        return self._values[-2] if len(self._values) > 1 else self._values[-1]

    def at(self, index: int) -> T:
        """Return the value as of an index, which is not below the base."""
        return self._values[max(bisect_right(self._indexes, index) - 1, 0)]

    def since(self, index: int) -> list[T]:
        """Return the value as of an index and every later one."""
        return self._values[max(bisect_right(self._indexes, index) - 1, 0) :]

    def append(self, index: int, value: T) -> None:
        """Put a value in force from `index` on."""
        self._indexes.append(index)
        self._values.append(value)

    def truncate(self, last_index: int) -> None:
        """Undo what was set above an index."""
        keep = max(bisect_right(self._indexes, last_index), 1)
        del self._indexes[keep:]
        del self._values[keep:]

    def compact(self, base_index: int) -> None:
        """Forget what was no longer in force at an index."""
        drop = max(bisect_right(self._indexes, base_index) - 1, 0)
        del self._indexes[:drop]
        del self._values[:drop]

    def rebase(self, base_index: int, value: T, last_index: int) -> None:
        """Begin with a value at a base, and keep what was set between it and the end of the log."""
        first = bisect_right(self._indexes, base_index)
        stop = max(bisect_right(self._indexes, last_index), first)
        self._indexes = [base_index, *self._indexes[first:stop]]
        self._values = [value, *self._values[first:stop]]
