"""A node's way out: it hands over what it leads, or gives up on that in time, and only then asks to be stopped.

Owns whether a shutdown is under way and how long it may take. Does not know who asked for it, nor how a replica hands
over.
"""

from collections.abc import Iterable

from trilemma.node.effects import Effects
from trilemma.node.shard import ShardReplica


class Leaving:
    """One node's shutdown, if there is one. `patience_us`: how long it waits for others to take over."""

    def __init__(self, patience_us: int) -> None:
        self.has_left = False
        """Whether the shell was asked to stop this node: nothing calls that off."""
        self._patience_us = patience_us
        self._is_under_way = False
        self._until_us = 0
        self._is_done = False
        self._was_called_off = False

    def begin(self, mono_us: int) -> None:
        """Hand over what this node leads; Effects.shutdown follows."""
        if not self._is_under_way:
            self._is_under_way = True
            self._until_us = mono_us + self._patience_us

    def call_off(self) -> bool:
        """Stay after all; return whether a shutdown was under way. What was handed over already is not taken back."""
        was_under_way, self._is_under_way = self._is_under_way, False
        self._was_called_off |= was_under_way
        return was_under_way

    def advance(self, replicas: Iterable[ShardReplica], mono_us: int) -> None:
        """Go on handing over."""
        self._is_done = False
        if self._is_under_way:
            leads = [replica for replica in replicas if replica.hand_over()]
            self._is_done = self.has_left = not leads or mono_us >= self._until_us

    def tell(self, effects: Effects) -> None:
        """Tell the shell what has come of it this turn."""
        effects.shutdown = self._is_done
        effects.stays, self._was_called_off = self._was_called_off, False
