"""What was handed to the disk and is not durable yet, in bytes: bounds on it are kept before more is written."""

from collections import deque


class Undurable:
    """Writes by their tokens, which rise; each is over once a token that covers it is durable."""

    __slots__ = ("_writes", "bytes")

    def __init__(self) -> None:
        self._writes: deque[tuple[int, int]] = deque()
        self.bytes = 0
        """Of all that is not durable."""

    def add(self, token: int, size: int) -> None:
        """Take note of a write of so many bytes."""
        self._writes.append((token, size))
        self.bytes += size

    def persisted(self, token: int) -> bool:
        """Take note that all up to a token is durable; say whether anything was not before."""
        found = False
        while self._writes and self._writes[0][0] <= token:
            self.bytes -= self._writes.popleft()[1]
            found = True
        return found
