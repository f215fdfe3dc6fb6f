"""Reads beside the log of a `cp` or `ca` shard: those that its leader answers without an entry of their own.

Owns the stations of a read: it waits for the turn's end, then until leadership is confirmed for all of the turn's reads
in one round (ReadIndex, or the leader's lease; thesis §6.4), then until the entry that it must see is applied; one that
finds a key overdue waits for the TICK that removes it (PROTOCOLS §4.2). Does not know how a read is answered.

A read shows what is applied when it is served, so no read of a session may be served before an earlier one: the later
one could show something older. Reads pass the stations in the order in which they came; where one has to wait for a
tick, what is behind it in its line waits with it; and nothing is handed back as long as this replica leads.
"""

from collections.abc import Callable

from trilemma.keyspace.settings import Keyspace
from trilemma.node.batch import Waiter, complete_all
from trilemma.node.raft_rows import RaftRows
from trilemma.node.unit import NOT_EXECUTED, REPLY_BYTES_PER_TURN, VALUE_BYTES_PER_TURN, Result, Unit, result_bytes
from trilemma.replication.port import RaftReady
from trilemma.replication.raft.replica import Raft


class RaftReads:
    """One replica's reads. `answer` executes one against the rows as they are."""

    def __init__(self, raft: Raft, rows: RaftRows, answer: Callable[[Unit], Result]) -> None:
        self._raft = raft
        self._rows = rows
        self._answer = answer
        self.waiting: list[Waiter] = []
        """Reads that nobody was asked about yet."""
        self._asked: dict[int, list[Waiter]] = {}
        """By the number of the round that confirms them."""
        self._next_context = 1
        self._confirmed: list[tuple[int, list[Waiter]]] = []
        """Reads that need only be served once this index is applied."""
        self._overdue: list[Waiter] = []
        """Reads of keys that are overdue, and what is behind them in their lines: they wait for the tick."""
        self._lines: set[object] = set()
        """The lines in which they stand."""
        self._overdue_at = 0
        """What was applied when they were last looked at."""

    def ask(self, keyspace: Keyspace) -> None:
        """Begin to confirm this turn's reads, all in one round, or serve them under a lease."""
        if not self.waiting:
            return
        reads, self.waiting = self.waiting, []
        if keyspace.read in ("lease", "local") and self._raft.lease_read_ok():
            # The lease answers for those as well that are still asked about: they came first.
            asked, self._asked = self._asked, {}
            before = [waiter for waiters in asked.values() for waiter in waiters]
            self._confirmed.append((self._raft.commit_index, before + reads))
            return
        context = self._next_context
        self._next_context += 1
        if self._raft.read_index(context):
            self._asked[context] = reads
        elif self._raft.is_leader:
            self.waiting = reads
        else:
            complete_all(reads, NOT_EXECUTED)

    def take_rounds(self, ready: RaftReady) -> None:
        """Take in which rounds have confirmed their reads, and which never will."""
        for context in ready.failed_reads:
            complete_all(self._asked.pop(context, ()), NOT_EXECUTED)
        for context, index in ready.reads:
            waiters = self._asked.pop(context, None)
            if waiters is not None:
                self._confirmed.append((index, waiters))

    @property
    def can_go_on(self) -> bool:
        """Say whether a confirmed read can be served by what is applied: a turn's bound has cut it off."""
        return bool(self._confirmed) and self._confirmed[0][0] <= self._rows.applied.index

    def serve(self) -> None:
        """Serve confirmed reads of what is applied, up to a turn's bytes of replies, and of rows from the engine."""
        if self._overdue:
            self._look_at_overdue()
        if not self._confirmed:
            return
        rows, answer = self._rows, self._answer
        left: list[tuple[int, list[Waiter]]] = []
        rows.begin_read(self._raft.log_time_ms())
        budget = REPLY_BYTES_PER_TURN
        overlay = rows.overlay
        handled_max = overlay.handled_bytes + VALUE_BYTES_PER_TURN
        for index, waiters in self._confirmed:
            if index > rows.applied.index:
                left.append((index, waiters))
                continue
            for served, (batch, position) in enumerate(waiters):
                if budget <= 0 or overlay.handled_bytes > handled_max:
                    left.append((index, waiters[served:]))
                    break
                unit = batch.units[position]
                if rows.is_overdue(unit) or (self._lines and batch.line(position) in self._lines):
                    self._overdue.append((batch, position))
                    self._lines.add(batch.line(position))
                    self._overdue_at = rows.applied.index
                    continue
                result = answer(unit)
                budget -= result_bytes(result)
                batch.complete(position, result, 0)
        self._confirmed = left

    def _look_at_overdue(self) -> None:
        """Serve what waited for a tick once something was applied; hand it back where this replica leads no more."""
        applied_index = self._rows.applied.index
        if self._raft.is_leader and applied_index == self._overdue_at:
            return
        waiters, self._overdue = self._overdue, []
        self._lines.clear()
        self._confirmed.insert(0, (applied_index, waiters))
        if not self._raft.is_leader:
            # With what is behind them: it must not be served here while they go elsewhere.
            confirmed, self._confirmed = self._confirmed, []
            for _, handed_back in confirmed:
                complete_all(handed_back, NOT_EXECUTED)
