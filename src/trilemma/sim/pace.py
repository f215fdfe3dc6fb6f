"""The pace of clients: together they send about as many operations as a schedule is to have, spread over its faults.

Who sends how much comes of chance: of the options, of pipelines, of refusals, which are answered at once. Without a
pace some schedules have ten times the operations of others, and take as much longer, and others too few to count.
"""

from collections.abc import Callable

LONGER_MIN, LONGER_MAX = 0.1, 8.0
"""What a client's time to think is multiplied by, at the least and at the most."""

STEEPNESS = 8
"""How steeply it grows with their lead: who would send four times as much leads by a fifth in the end."""

HEAD_START = 10
"""Operations that are no lead yet."""


class Pace:
    """What clients have sent, against what they are to have sent by now.

    Args:
        operations: how many are wanted, 0 where there is no pace.
        began_us, lasts_us: the time over which they are spread.
        sent: returns how many there are.
    """

    def __init__(self, operations: int, began_us: int, lasts_us: int, sent: Callable[[], int]) -> None:
        self._operations = operations
        self._began_us = began_us
        self._lasts_us = lasts_us
        self._sent = sent

    def longer(self, now_us: int) -> float:
        """Return how much longer than usual a client is to think now."""
        if not self._operations:
            return 1.0
        wanted = self._operations * (now_us - self._began_us) / self._lasts_us
        return min(max((self._sent() / (wanted + HEAD_START)) ** STEEPNESS, LONGER_MIN), LONGER_MAX)


UNHURRIED = Pace(0, 0, 0, lambda: 0)
"""No pace."""
