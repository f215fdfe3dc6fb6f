"""How a `cp` or `ca` replica answers reads, and the receipts of CAP EXPLAIN beside what it answers.

Owns what each kind of read must find before it is carried out against the rows, and what a receipt promises of it.
Does not know when a read's turn has come (node/raft_reads.py), nor whether its keyspace allows it here; what a receipt
says of an entry is node/raft_report.py's.
"""

from trilemma.base.time import Now
from trilemma.keyspace.settings import Keyspace
from trilemma.node import raft_report as report
from trilemma.node.applied import Applied
from trilemma.node.config import NodeConfig
from trilemma.node.dirty import DirtyKeys
from trilemma.node.execute import run_unit
from trilemma.node.raft_rows import RaftRows
from trilemma.node.receipt import AGAIN, NEWEST, NOTHING, STALE, UNBOUNDED, is_error, put_beside, receipt
from trilemma.node.unit import NOT_EXECUTED, Result, Unit
from trilemma.replication.port import Entry
from trilemma.replication.raft.replica import Raft
from trilemma.resp.reply import Reply


class RaftAnswers:
    """One replica's answers. `begin` before a turn's."""

    def __init__(self, config: NodeConfig, keyspace: Keyspace, raft: Raft, rows: RaftRows) -> None:
        self._config = config
        self._keyspace = keyspace
        self._raft = raft
        self._rows = rows
        self._dirty = DirtyKeys(raft)
        self._now = Now(0, 0)

    def begin(self, keyspace: Keyspace, now: Now) -> None:
        """Begin a turn: receipts say how things stand in the one that answers, under its settings."""
        self._keyspace, self._now = keyspace, now

    def newest(self, unit: Unit) -> Result:
        """Answer a read that was found to see the newest acknowledged."""
        return self._run(unit, NEWEST)

    def stale(self, unit: Unit) -> Result:
        """Answer a read from what is applied here, current at some time."""
        self._rows.begin_read(self._raft.log_time_ms())
        return self._run(unit, STALE)

    def leased(self, unit: Unit) -> Result:
        """Answer a read of clean keys, under a live lease, with all applied that the lease names; else NOT_EXECUTED."""
        index, rows = self._raft.local_read_index(), self._rows
        if index is None or rows.applied.index < index or not self._dirty.is_clean(unit, rows.applied.index):
            return NOT_EXECUTED
        rows.begin_read(self._raft.log_time_ms())
        if rows.is_overdue(unit):
            return NOT_EXECUTED
        return self._run(unit, NEWEST)

    def _run(self, unit: Unit, promise: str) -> Result:
        result = run_unit(self._rows.view, unit)
        if unit.explain:
            applied = self._rows.applied
            stale_ms_max = report.stale_ms_max(self._raft, applied, self._now) if promise == STALE else 0
            self._explain(unit, result, promise, stale_ms_max, applied)
        return result

    def explain_logged(self, unit: Unit, result: Result, entry: Entry, *, is_again: bool) -> None:
        """Put beside a result the receipt of its own entry, as things stand when it is answered.

        Args:
            is_again: whether it is the first reply of a token that was known, of whatever time.
        """
        durable = f"durable on {self._keyspace.write}"
        if is_again:
            self._explain(unit, result, f"{AGAIN}, {durable}", UNBOUNDED, entry)
        else:
            self._explain(unit, result, NEWEST if unit.is_read else durable, 0, entry)

    def _explain(self, unit: Unit, result: Result, promise: str, stale_ms_max: int, at: Entry | Applied) -> None:
        if not isinstance(result, list):
            return
        if is_error(result):
            promise, stale_ms_max = NOTHING, UNBOUNDED

        def make() -> Reply:
            facts = report.of_entry(self._raft, at.index, at.term)
            return receipt(self._config, self._keyspace, unit, promise, stale_ms_max, facts)

        put_beside(result, unit, self._rows.view.defects, make)
