"""Units on their way through the log of a `cp` or `ca` shard, and who waits for them here.

Owns the three stations of a unit: it waits to be proposed, its entry waits to be committed, its result waits for as
many replicas as WRITE names. A unit's reply is made where the unit was handed in, when its entry is applied there: if
the entry at its index turns out to be another one, it did not happen and never will (Raft paper §5.3). Does not know
how units are run, nor whether they are admitted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trilemma.keyspace.settings import Keyspace
from trilemma.node import refusal
from trilemma.node.batch import Waiter, complete_all
from trilemma.node.unit import NOT_EXECUTED, Result, Unit, encode_units
from trilemma.replication.port import EntryKind
from trilemma.replication.raft.replica import Raft

UNITS_MAX = 2_048
"""Units in one entry; what is over goes into the next turn's."""


@dataclass(slots=True)
class Proposed:
    """Units in an entry of this replica's making, and who waits for them."""

    term: int
    units: Sequence[Unit]
    waiters: Sequence[Waiter]


@dataclass(slots=True)
class _Committed:
    """Applied units whose replies still want more replicas to be durable."""

    index: int
    waiters: Sequence[Waiter]
    results: Sequence[Result]
    receipts: Sequence[Callable[[], None]]
    """What puts its receipt beside each result that wants one, as things stand when it is answered."""

    def explain(self) -> None:
        """Have the receipts made."""
        for receipt in self.receipts:
            receipt()


class Proposals:
    """One replica's proposals."""

    def __init__(self, raft: Raft) -> None:
        self._raft = raft
        self.waiting: list[Waiter] = []
        """Units that no entry holds yet."""
        self._proposed: dict[int, Proposed] = {}
        """By the index of their entry."""
        self._short: list[_Committed] = []

    def hand_back(self) -> None:
        """Hand back all that no entry holds: this replica leads no more."""
        waiters, self.waiting = self.waiting, []
        complete_all(waiters, NOT_EXECUTED)

    def refuse_above(self, count: int, keyspace: Keyspace) -> None:
        """Refuse the newest of what no entry holds, down to so many units: nothing is taken in for now."""
        for batch, position in self.waiting[count:]:
            batch.complete(position, refusal.down(keyspace, "too many requests wait", batch.units[position]), 0)
        del self.waiting[count:]

    def next_waiters(self) -> list[Waiter]:
        """Take out the units that go into this turn's entry."""
        waiters, self.waiting = self.waiting[:UNITS_MAX], self.waiting[UNITS_MAX:]
        return waiters

    def propose(self, waiters: Sequence[Waiter]) -> None:
        """Make one entry of some units; where this replica does not lead, they may be sent elsewhere."""
        units = [batch.units[position] for batch, position in waiters]
        index = self._raft.propose(EntryKind.COMMANDS, encode_units(units))
        if index is None:
            complete_all(waiters, NOT_EXECUTED)
            return
        self._proposed[index] = Proposed(self._raft.term, units, waiters)

    def take(self, index: int) -> Proposed | None:
        """Take out what was proposed here for an index, None where nothing was."""
        return self._proposed.pop(index, None)

    def committed(
        self, index: int, proposed: Proposed, results: Sequence[Result], receipts: Sequence[Callable[[], None]]
    ) -> None:
        """Take in the results of an entry; they are answered by `release`, which first calls `receipts`."""
        self._short.append(_Committed(index, proposed.waiters, results, receipts))

    def release(self, keyspace: Keyspace) -> None:
        """Answer what enough replicas hold durably."""
        left = []
        for committed in self._short:
            if self._is_held_enough(committed.index, keyspace):
                committed.explain()
                for (batch, position), result in zip(committed.waiters, committed.results, strict=True):
                    batch.complete(position, result, 0)
            elif not self._raft.is_leader:
                self._answer_short(committed, keyspace)
            else:
                left.append(committed)
        self._short = left

    def _is_held_enough(self, index: int, keyspace: Keyspace) -> bool:
        if keyspace.write != "all":
            return True
        return self._raft.is_leader and len(self._raft.durable_on(index)) >= len(keyspace.replicas)

    def _answer_short(self, committed: _Committed, keyspace: Keyspace) -> None:
        """Answer units that were committed, but on fewer replicas than WRITE names, by a leader that was deposed."""
        text = refusal.uncertain(keyspace, "it was committed, but not confirmed by all replicas")
        committed.explain()
        for (batch, position), result in zip(committed.waiters, committed.results, strict=True):
            batch.complete(position, result if batch.units[position].is_read else text, 0)

    def lose_track(self, index: int, keyspace: Keyspace) -> None:
        """Answer what was proposed here at entries that came as rows: whether it is among them nobody can tell.

        Reads among them are not sent elsewhere: entries behind may hold later writes of their sessions.
        """
        reason = "the entry came as part of a snapshot"
        for place in [place for place in self._proposed if place <= index]:
            proposed = self._proposed.pop(place)
            for (batch, position), unit in zip(proposed.waiters, proposed.units, strict=True):
                text = refusal.down(keyspace, reason, unit) if unit.is_read else refusal.uncertain(keyspace, reason)
                batch.complete(position, text, 0)
