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
from trilemma.node.unit import (
    NOT_EXECUTED,
    UNIT_BYTES_PER_TURN,
    VALUE_BYTES_PER_TURN,
    Result,
    Unit,
    argument_bytes,
    encode_first,
)
from trilemma.node.weight import StoredBytes, Weights
from trilemma.replication.port import Entry, EntryKind
from trilemma.replication.raft.replica import Raft

UNITS_MAX = 512
"""Units in one entry, which every replica applies in one turn: no heartbeat leaves meanwhile. What is over goes into
the next turn's. So does what is over VALUE_BYTES_PER_TURN."""


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
    receipts: Sequence[Callable[[], None] | None]
    """Per result that wants one, what puts its receipt beside it, as things stand when it is answered."""

    def answer(self, text: Result | None = None) -> None:
        """Hand back the results, or one text in place of all."""
        for (batch, position), result, receipt in zip(self.waiters, self.results, self.receipts, strict=True):
            if receipt is not None:
                receipt()
            batch.complete(position, result if text is None else text, 0)

    def part(self, *, is_read: bool) -> "_Committed":
        """Return of its units those that only read, or the others."""
        chosen = [
            each
            for each in zip(self.waiters, self.results, self.receipts, strict=True)
            if each[0][0].units[each[0][1]].is_read is is_read
        ]
        return _Committed(self.index, *zip(*chosen, strict=True)) if chosen else _Committed(self.index, (), (), ())


class Proposals:
    """One replica's proposals."""

    def __init__(self, raft: Raft, stored_bytes: StoredBytes) -> None:
        self._raft = raft
        self._weights = Weights(stored_bytes)
        self.waiting: list[Waiter] = []
        """Units that no entry holds yet."""
        self._proposed: dict[int, list[Proposed]] = {}
        """By the index of their entry. What another leader's entries have replaced here may still be committed, by a
        leader that has kept it (Raft paper §5.4.2). So it waits, also where this replica leads again and proposes
        something else for that index."""
        self._fresh: list[_Committed] = []
        """What `release` has not seen."""
        self._short: list[_Committed] = []
        """Writes that more replicas have to hold."""

    @property
    def has_unanswered(self) -> bool:
        """Say whether some entry holds units that are not answered."""
        return bool(self._proposed or self._fresh or self._short)

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
        """Take out the units that go into this turn's entry: as many as can be run in one turn."""
        if not self._proposed:
            self._weights.all_is_stored()
        budget, count, transaction_bytes = VALUE_BYTES_PER_TURN, 0, 0
        for batch, position in self.waiting[:UNITS_MAX]:
            if budget <= 0 or transaction_bytes >= UNIT_BYTES_PER_TURN:
                break
            if not batch.is_answered(position):
                unit = batch.units[position]
                budget -= self._weights.of(unit)
                if unit.parts:
                    # The largest there are: to encode several, and then leave most of them, would hold up the links.
                    transaction_bytes += argument_bytes(unit)
            count += 1
        waiters, self.waiting = self.waiting[:count], self.waiting[count:]
        return [waiter for waiter in waiters if not waiter[0].is_answered(waiter[1])]

    def propose(self, waiters: Sequence[Waiter]) -> None:
        """Make one entry of the first of some units; where this replica does not lead, they may be sent elsewhere."""
        units = [batch.units[position] for batch, position in waiters]
        count, body = encode_first(units, UNIT_BYTES_PER_TURN)
        self.waiting[:0] = waiters[count:]
        units, waiters = units[:count], waiters[:count]
        index = self._raft.propose(EntryKind.COMMANDS, body)
        if index is None:
            complete_all(waiters, NOT_EXECUTED)
            return
        self._proposed.setdefault(index, []).append(Proposed(self._raft.term, units, waiters))

    def take(self, entry: Entry) -> Proposed | None:
        """Take out what was proposed here as an entry that is committed, None where it was not; what was proposed as
        another one at its index never happens."""
        found = None
        for proposed in self._proposed.pop(entry.index, ()):
            if proposed.term == entry.term:
                found = proposed
            else:
                complete_all(proposed.waiters, NOT_EXECUTED)
        return found

    def committed(
        self,
        index: int,
        proposed: Proposed,
        results: Sequence[Result],
        receipts: Sequence[Callable[[], None] | None],
    ) -> None:
        """Take in the results of an entry; they are answered by `release`, which first calls `receipts`."""
        self._fresh.append(_Committed(index, proposed.waiters, results, receipts))

    def release(self, keyspace: Keyspace) -> None:
        """Answer what enough replicas hold durably, and at once what only reads: that is for writes to wait for."""
        if self._short:
            self._short = [writes for writes in self._short if not self._is_settled(writes, keyspace)]
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, []
        for committed in fresh:
            if self._is_held_enough(committed.index, keyspace):
                committed.answer()
                continue
            committed.part(is_read=True).answer()
            writes = committed.part(is_read=False)
            if not self._is_settled(writes, keyspace):
                self._short.append(writes)

    def _is_settled(self, writes: _Committed, keyspace: Keyspace) -> bool:
        """Answer writes that enough replicas hold, or that nobody will confirm any more; say whether that was so."""
        if self._is_held_enough(writes.index, keyspace):
            writes.answer()
        elif not self._raft.is_leader:
            # They were committed, but on fewer replicas than WRITE names.
            writes.answer(refusal.uncertain(keyspace, "it was committed, but not confirmed by all replicas"))
        else:
            return not writes.waiters
        return True

    def _is_held_enough(self, index: int, keyspace: Keyspace) -> bool:
        if keyspace.write != "all":
            return True
        return self._raft.is_leader and len(self._raft.durable_on(index)) >= len(keyspace.replicas)

    def lose_track(self, index: int, keyspace: Keyspace) -> None:
        """Answer what was proposed here at entries that came as rows: whether it is among them nobody can tell.

        Reads among them are not sent elsewhere: entries behind may hold later writes of their sessions.
        """
        reason = "the entry came as part of a snapshot"
        for place in [place for place in self._proposed if place <= index]:
            for proposed in self._proposed.pop(place):
                for (batch, position), unit in zip(proposed.waiters, proposed.units, strict=True):
                    text = refusal.down(keyspace, reason, unit) if unit.is_read else refusal.uncertain(keyspace, reason)
                    batch.complete(position, text, 0)
