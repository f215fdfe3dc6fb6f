"""The pace of clients: together they send about as many operations as a schedule is to have, evenly or in spells.

Who sends how much comes of chance: of the options, of pipelines, of refusals, which are answered at once. Without a
pace some schedules have ten times the operations of others, and take as much longer, and others too few to count. In
spells as many come close together, as some bugs show only to who reads in the moment after a write elsewhere.
"""

from collections.abc import Callable

LONGER_MIN, LONGER_MAX = 0.1, 8.0
"""What a client's time to think is multiplied by, at the least and at the most."""

STEEPNESS = 8
"""How steeply it grows with their lead: who would send four times as much leads by a fifth in the end."""

HEAD_START = 10
"""Operations that are no lead yet."""

SPELLS_APART = 3
"""From the beginning of a spell to that of the next one, in spells."""


class Pace:
    """What clients have sent, against what they are to have sent by now.

    Args:
        operations: how many are wanted, 0 where there is no pace.
        began_us, lasts_us: the time over which they are spread.
        spell_us: how long they send before they rest; 0 where they send all the time.
        sent: returns how many there are.
    """

    def __init__(self, operations: int, began_us: int, lasts_us: int, spell_us: int, sent: Callable[[], int]) -> None:
        self._operations = operations
        self._began_us = began_us
        self._lasts_us = lasts_us
        self._spell_us = spell_us
        self._sent = sent
        self._active_us = self._active_within(lasts_us)

    def longer(self, now_us: int) -> float:
        """Return how much longer than usual a client is to think now."""
        if not self._operations:
            return 1.0
        wanted = self._operations * self._active_within(now_us - self._began_us) / self._active_us
        return min(max((self._sent() / (wanted + HEAD_START)) ** STEEPNESS, LONGER_MIN), LONGER_MAX)

    def rest_us(self, now_us: int) -> int:
        """Return how long it is to the next spell, 0 within one, and where time is up and too few were sent."""
        elapsed_us, apart_us = now_us - self._began_us, SPELLS_APART * self._spell_us
        if not self._spell_us or elapsed_us >= self._lasts_us:
            return 0
        return 0 if elapsed_us % apart_us < self._spell_us else apart_us - elapsed_us % apart_us

    def _active_within(self, elapsed_us: int) -> int:
        """Return how much of a time from the beginning lies in spells."""
        if not self._spell_us:
            return elapsed_us
        spells, left_us = divmod(elapsed_us, SPELLS_APART * self._spell_us)
        return spells * self._spell_us + min(left_us, self._spell_us)


UNHURRIED = Pace(0, 0, 0, 0, lambda: 0)
"""No pace."""
