"""The pace of clients: together they send about as many operations as a schedule is to have, in spells over its faults.

Who sends how much comes of chance: of the options, of pipelines, of refusals, which are answered at once. Without a
pace some schedules have ten times the operations of others, and take as much longer, and others too few to count. In a
spell clients send as fast as they are drawn to, for what breaks a store is what happens at the same moment; then they
wait for the next one.
"""

from collections.abc import Callable

SPELLS = 6

LONGER, SHORTER = 8.0, 0.2
"""What a client's time to think is multiplied by once a spell has its operations, and while those of the spells before
it are lacking."""


class Pace:
    """What clients have sent, against what they are to have sent by now.

    Args:
        operations: how many are wanted, 0 where there is no pace.
        began_us, lasts_us: the time over which they are spread.
        sent: returns how many there are.
    """

    def __init__(self, operations: int, began_us: int, lasts_us: int, sent: Callable[[], int]) -> None:
        self._of_a_spell = operations / SPELLS
        self._began_us = began_us
        self._spell_us = max(lasts_us // SPELLS, 1)
        self._sent = sent

    def longer(self, now_us: int) -> float:
        """Return how much longer than drawn a client is to think now."""
        if not self._of_a_spell:
            return 1.0
        over = (now_us - self._began_us) // self._spell_us
        sent = self._sent()
        if sent >= self._of_a_spell * (over + 1):
            return LONGER
        return SHORTER if sent < self._of_a_spell * over else 1.0


UNHURRIED = Pace(0, 0, 0, lambda: 0)
"""No pace."""
