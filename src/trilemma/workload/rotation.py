"""Keys that are left for fresh ones every so many steps, and read once more at the end."""


class Rotation:
    """The keys of a workload now, and those that were left.

    Args:
        name: what the keys' names begin with.
        count: how many keys at a time.
        every: steps before they are left; 0 for never.
    """

    def __init__(self, name: bytes, count: int, every: int) -> None:
        self.keys = [b"%s%d" % (name, number) for number in range(count)]
        self._name = name
        self._every = every
        self._drawn = 0
        self._left: list[bytes] = []

    def step(self) -> list[bytes]:
        """Count a step and return the keys that it may use."""
        self._drawn += 1
        if self._every and self._drawn % self._every == 0:
            self._left += self.keys
            turn = self._drawn // self._every
            self.keys = [b"%s%d.%d" % (self._name, turn, number) for number in range(len(self.keys))]
        return self.keys

    def all(self) -> list[bytes]:
        """Return every key there ever was, the oldest first."""
        return [*self._left, *self.keys]
