"""The pace of clients: together they send no more operations than a schedule is worth, spread over its faults.

Who sends how much comes of chance: of the options, of pipelines, of refusals, which are answered at once. Without a
pace some schedules have ten times the operations of others, and take as much longer. Most never feel it.
"""

from collections.abc import Callable

LONGER_MAX = 8.0
"""What a client's time to think is multiplied by at the most."""

HEAD_START = 50
"""Operations that are no lead yet."""


class Pace:
    """What clients have sent, against what they may have sent by now.

    Args:
        operations: how many there may be, 0 where there is no pace.
        began_us, lasts_us: the time over which they are spread.
        sent: returns how many there are.
    """

    def __init__(self, operations: int, began_us: int, lasts_us: int, sent: Callable[[], int]) -> None:
        self._operations = operations
        self._began_us = began_us
        self._lasts_us = lasts_us
        self._sent = sent

    def longer(self, now_us: int) -> float:
        """Return how much longer than drawn a client is to think now: the longer, the further all are ahead."""
        if not self._operations:
            return 1.0
        due = self._operations * (now_us - self._began_us) / self._lasts_us + HEAD_START
        return min(max((self._sent() / due) ** 4, 1.0), LONGER_MAX)


UNHURRIED = Pace(0, 0, 0, lambda: 0)
"""No pace."""
