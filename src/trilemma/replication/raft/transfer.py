"""Handing leadership over: bring the target up to date, then tell it to campaign at once (thesis §3.10).

While it runs no proposal is taken; a target that does not take over in time is given up.
"""

from trilemma.base.ids import NodeId


class Transfer:
    """One attempt."""

    __slots__ = ("deadline_us", "target", "told")

    def __init__(self, target: NodeId, deadline_us: int) -> None:
        self.target = target
        self.deadline_us = deadline_us
        self.told = False

    def is_ready(self, match_index: int, last_index: int) -> bool:
        """Say whether the target holds the whole log durably and has not been told yet."""
        return not self.told and match_index >= last_index

    def is_over(self, mono_us: int) -> bool:
        """Say whether the time for it is up."""
        return mono_us >= self.deadline_us
