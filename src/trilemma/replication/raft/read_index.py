"""Reads confirmed by a round of heartbeats: one round in flight, what arrives meanwhile joins the next.

Thesis §6.4. A round is begun only after a commit in the leader's own term: before it, the commit index may lag behind
what earlier leaders acknowledged.
"""

from typing import NamedTuple

CONTEXTS_MAX = 10_000
"""Reads (of one turn each) that may wait; the node begins one a turn."""


class _Round(NamedTuple):
    number: int
    read_index: int
    contexts: list[int]


class ReadIndex:
    """The reads that wait for this leader's confirmation."""

    __slots__ = ("_in_flight", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._in_flight: _Round | None = None

    def add(self, context: int) -> bool:
        """Take in a read; False where too many wait."""
        if len(self._waiting) >= CONTEXTS_MAX:
            return False
        self._waiting.append(context)
        return True

    def wants_round(self, own_term_committed: bool) -> bool:
        """Say whether a round is to be opened now."""
        return bool(self._waiting) and self._in_flight is None and self._commit_index_is_current(own_term_committed)

    @property
    def is_under_way(self) -> bool:
        """Say whether a round is to be confirmed."""
        return self._in_flight is not None

    def _commit_index_is_current(self, own_term_committed: bool) -> bool:
        return own_term_committed

    def begin(self, number: int, commit_index: int) -> None:
        """Bind all waiting reads to a round just opened."""
        self._in_flight = _Round(number, commit_index, self._waiting)
        self._waiting = []

    def confirmed(self, majority_round: int) -> list[tuple[int, int]]:
        """Return (context, read index) of the reads whose round a majority has answered."""
        if self._in_flight is None or not self._is_confirmed(self._in_flight.number, majority_round):
            return []
        done, self._in_flight = self._in_flight, None
        return [(context, done.read_index) for context in done.contexts]

    def _is_confirmed(self, number: int, majority_round: int) -> bool:
        """Say whether leadership was confirmed after the reads came in."""
        return majority_round >= number

    def fail(self) -> list[int]:
        """Give all waiting reads up; return their contexts."""
        contexts = [*(self._in_flight.contexts if self._in_flight else []), *self._waiting]
        self._waiting, self._in_flight = [], None
        return contexts
