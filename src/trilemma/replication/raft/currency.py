"""As of when a replica's rows hold all that was acknowledged: what bounds how stale a READONLY read may be.

A leader of term T that reads its clock at s has committed, and so names by its commit index, all that it acknowledged
before s; what earlier leaders acknowledged lies below its first entry. A later leader may have acknowledged more. It
was elected at some e by a majority, one member of which had before that answered a round of T's leader, if T has
committed an entry; so e is not before the time as of which a majority followed (`majority_us`), and the leader steps
down within the detection time after that (`Authority.lost_us`). So whoever has applied up to the commit index that the
leader named at s, and an entry of T as the last one, holds all that anybody acknowledged

- before `majority_us`, for the leader itself;
- before s - detection time, for a follower. It knows when it had sent, by its own clock, what the message answers, and
  s is not before that, however long the message took: see `since_us` in replication/port.py.

A message of which that is not known says nothing. A replica that applied less than what was named takes nothing from it
until it has caught up. Times are measured by clocks of several nodes: whoever makes a bound of them allows for their
rates. Thesis §6.2, §6.4; PROTOCOLS §1.1, §2.
"""

from typing import NamedTuple

from trilemma.replication.raft.timing import LONG_AGO_US


class Named(NamedTuple):
    """A leader's commit index, its term, and as of when all that was acknowledged lies below both."""

    commit_index: int
    term: int
    as_of_us: int


class Currency:
    """One replica's newest moment of being current, and the commit indexes that it has not caught up with."""

    __slots__ = ("_newest", "_oldest", "as_of_us")

    def __init__(self) -> None:
        self.as_of_us = LONG_AGO_US
        """All that was acknowledged before this time, by the own clock, is applied here."""
        self._oldest: Named | None = None
        self._newest: Named | None = None

    def named(self, commit_index: int, term: int, as_of_us: int) -> None:
        """Take in what a leader has named; while an older one waits to be caught up with, that one stays."""
        heard = Named(commit_index, term, as_of_us)
        if self._oldest is None:
            self._oldest = heard
        else:
            self._newest = heard

    def applied(self, index: int, term: int) -> None:
        """Take note of the last entry that is applied."""
        while self._oldest is not None and not self._waits(self._oldest, index, term):
            if term == self._oldest.term:
                self.as_of_us = max(self.as_of_us, self._oldest.as_of_us)
            self._oldest, self._newest = self._newest, None

    def _waits(self, named: Named, index: int, term: int) -> bool:
        """Say whether a commit index may still be caught up with; not once a later leader's entry is applied."""
        return term < named.term or (term == named.term and index < named.commit_index)
