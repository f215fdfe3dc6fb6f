"""When an `ap` shard hands back what it executed, and the receipts of CAP EXPLAIN.

Owns what a reply waits for: the token by which what it shows is durable here, nothing on `everysec`, or as many
replicas as WRITE names (node/spreading.py); and on how many replicas a receipt says that it is. Does not know how
units are executed; what a receipt says else is node/causal_report.py's.
"""

from functools import partial

from trilemma.base.time import Now
from trilemma.keyspace.settings import Keyspace
from trilemma.node import causal_report as report
from trilemma.node import internal
from trilemma.node.causal_execution import Executed
from trilemma.node.causal_rows import CausalRows
from trilemma.node.config import NodeConfig
from trilemma.node.receipt import put_beside
from trilemma.node.spreading import Spreading, until_us
from trilemma.node.unit import Result, Unit
from trilemma.replication.leaderless.replica import Leaderless
from trilemma.resp.reply import Reply


class CausalReplies:
    """One replica's replies. `begin` before a turn's."""

    def __init__(
        self, config: NodeConfig, keyspace: Keyspace, replica: Leaderless, rows: CausalRows, spreading: Spreading
    ) -> None:
        self._config = config
        self._keyspace = keyspace
        self._replica = replica
        self._rows = rows
        self._spreading = spreading
        self.begin(keyspace, Now(0, 0))

    def begin(self, keyspace: Keyspace, now: Now) -> None:
        """Begin a turn: receipts say how things stand in the one that answers, under its settings."""
        self._keyspace, self._now = keyspace, now
        self._is_shared_first = keyspace.write_count > 1
        self._is_durable_first = keyspace.durability != "everysec"

    def give(self, executed: Executed) -> None:
        """Hand back a result, to be shown once what it waits for is so."""
        waiter, result, token, seq = executed
        batch, place = waiter
        unit = batch.units[place]
        if seq and self._is_shared_first:
            receipt = partial(self._explain, unit, result, seq) if unit.explain else None
            deadline_us = until_us(batch.deadline_us(place), self._keyspace, self._now.mono_us)
            self._spreading.add(waiter, result, seq, deadline_us, receipt)
            return
        waits = self._is_durable_first or (unit.argv and unit.argv[0] == internal.POSITION)
        if unit.explain:
            # What a receipt names must not be lost any more, as that which its reply shows.
            token = max(token, self._rows.shown_token())
            self._explain(unit, result, seq, self._held(seq, token if waits else 0))
        batch.complete(place, result, token if waits else 0)

    def _held(self, seq: int, token: int) -> int:
        """Return how many replicas will be known to hold a batch, 0: all that is here, once a token is durable."""
        holdings = self._replica.holdings
        holders = holdings.holders(seq) if seq else holdings.holders_of(self._replica.vector)
        return len({*holders, self._replica.node} if token else holders)

    def _explain(self, unit: Unit, result: Result, seq: int, held: int) -> None:
        """Put its receipt beside a result."""
        if isinstance(result, list):

            def make() -> Reply:
                return report.receipt(self._config, self._keyspace, self._replica, self._now, unit, result, seq, held)

            put_beside(result, unit, self._rows.view.defects, make)
