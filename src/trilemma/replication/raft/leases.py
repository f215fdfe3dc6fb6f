"""Quorum leases: the leader lends followers the right to read locally, and commits nothing behind their backs.

`HeldLease` is the holder's side, `Grants` the granter's. A lease lasts from when the holder *sent* its request, and
the holder ends it a margin early, so clocks need agree in rate only. Moraru et al. 2014 §3; PROTOCOLS §3.
"""

from trilemma.base.ids import NodeId
from trilemma.replication.raft.timing import LONG_AGO_US

REQUESTS_REMEMBERED = 64
"""Requests whose send time is kept: at one per answer, more than are under way at once."""


class HeldLease:
    """A follower's lease. While it lives, every entry that commits is in this replica's log."""

    __slots__ = ("_last_request", "_margin_us", "_sent_us", "read_index", "until_us")

    def __init__(self, margin_us: int, first_request: int) -> None:
        # Requests are not numbered from 1: a grant to an earlier start of this node must not look like an answer.
        self._margin_us = margin_us
        self._last_request = first_request
        self._sent_us: dict[int, int] = {}
        self.until_us = LONG_AGO_US
        self.read_index = 0
        """The commit index that the newest grant names."""

    def request(self, mono_us: int) -> int:
        """Return the number of a request that leaves now or later."""
        self._last_request += 1
        self._sent_us[self._last_request] = mono_us
        if len(self._sent_us) > REQUESTS_REMEMBERED:
            del self._sent_us[next(iter(self._sent_us))]
        return self._last_request

    def granted(self, request: int, lease_us: int, commit_index: int, mono_us: int) -> None:
        """Take in a grant; one of a request from before the last `drop` says nothing."""
        sent_us = self._sent_us.get(request)
        if sent_us is None:
            return
        self.until_us = max(self.until_us, self._starts_us(sent_us, mono_us) + lease_us - self._margin_us)
        self.read_index = max(self.read_index, commit_index)

    def _starts_us(self, sent_us: int, _received_us: int) -> int:
        """Return when the lease began: not when the grant came in, which may have been long under way."""
        return sent_us

    def drop(self) -> None:
        """Give the lease up, and every one that is still under way."""
        self.until_us = LONG_AGO_US
        self.read_index = 0
        self._sent_us.clear()

    def lives(self, mono_us: int) -> bool:
        """Say whether the lease is in force."""
        return mono_us < self.until_us


class Grants:
    """What a leader has lent, or must take as lent by an earlier leader."""

    __slots__ = ("_until_us",)

    def __init__(self) -> None:
        self._until_us: dict[NodeId, int] = {}

    def lend(self, holder: NodeId, until_us: int) -> None:
        """Take note that a holder may read until then, by this leader's clock."""
        self._until_us[holder] = max(self._until_us.get(holder, LONG_AGO_US), until_us)

    def holders(self, mono_us: int) -> list[NodeId]:
        """Return who may hold a lease now, ascending."""
        return sorted(holder for holder, until_us in self._until_us.items() if mono_us < until_us)

    def next_end_us(self, mono_us: int) -> int | None:
        """Return when the next grant in force ends, or None."""
        return min((until_us for until_us in self._until_us.values() if mono_us < until_us), default=None)
