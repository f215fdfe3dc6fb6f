"""What a recording pipeline pays attention to: the replies it heard, the keys it watches, and what it read of them.

For both clients of redis-py, with and without asyncio. Sends nothing and notes nothing.
"""

from typing import Any

from trilemma.check.redis_history import Command, keys_of


class Attention:
    """See the module."""

    __slots__ = ("_watched", "heard", "seen")

    def __init__(self) -> None:
        self.heard: list[Any] = []
        """Replies since the last request began."""
        self.seen: list[tuple[Command, Any]] = []
        """Reads of watched keys, made before MULTI, with their replies."""
        self._watched: set[bytes] = set()

    def watch(self, command: Command) -> None:
        """Follow a WATCH or UNWATCH that was sent."""
        if command[0] == b"WATCH":
            self._watched.update(command[1:])
        elif command[0] == b"UNWATCH":  # what was read before is not guarded any more
            self.forget()

    def remember(self, command: Command) -> None:
        """Keep what was heard to a command, where all its keys are watched."""
        if self.heard and self._watched.issuperset(keys_of(command)):
            self.seen.append((command, self.heard[0]))

    def forget(self) -> None:
        """Watch nothing any more."""
        self._watched.clear()
        self.seen.clear()
