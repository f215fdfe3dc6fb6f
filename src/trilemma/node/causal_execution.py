"""What an `ap` shard executes: the units of a turn, whose operations are one batch.

Owns which units wait to be executed, how many of them a turn takes, and the batch that is made of them; and by which
token what a result shows is durable. Does not know which units may be executed, nor when a result is handed back
(node/causal_intake.py, node/causal_replies.py).
"""

from collections.abc import Callable, Sequence

import msgspec

from trilemma.base.ids import NodeId
from trilemma.base.prng import SplitMix64
from trilemma.crdt.vector import join
from trilemma.datatype.operations import encode_operations
from trilemma.node import causal_report as report
from trilemma.node import internal
from trilemma.node.allowance import Allowance, why_not_executed
from trilemma.node.batch import Waiter
from trilemma.node.causal_rows import CausalRows
from trilemma.node.config import NodeConfig
from trilemma.node.execute import run_unit
from trilemma.node.unit import VALUE_BYTES_PER_TURN, Path, Result, Unit
from trilemma.replication.leaderless.replica import Leaderless
from trilemma.resp.reply import Reply, encode

REPORTS = frozenset({internal.HELD, internal.POSITION, internal.CONFLICTS})

_encode_vector = msgspec.msgpack.Encoder().encode

Executed = tuple[Waiter, Result, int, int]
"""A unit that was executed: who waits for it; its result; the token by which what that shows, and what the unit wrote,
is durable; and the own batch that holds what it wrote, 0 for none. One is made per command, so it is a bare tuple."""


class CausalExecution:
    """One replica's execution of units."""

    def __init__(self, config: NodeConfig, replica: Leaderless, rows: CausalRows, entropy: int) -> None:
        self._config = config
        self._replica = replica
        self._rows = rows
        self._random = SplitMix64(entropy)
        self.waiting: list[Waiter] = []
        """Units to execute at the end of the turn."""

    def keep(self, keeps: Callable[[Waiter], bool]) -> None:
        """Go on with the units of which this is said; the caller has answered the others."""
        self.waiting = [waiter for waiter in self.waiting if keeps(waiter)]

    def can_go_on(self, *, is_behind: bool) -> bool:
        """Say whether the first unit can be executed now; while the disk is behind, those that come first and only
        read."""
        if not self.waiting:
            return False
        batch, place = self.waiting[0]
        return batch.units[place].path is Path.READ or not is_behind

    def execute(self, expired: Sequence[tuple[int, bytes]], *, is_behind: bool) -> tuple[list[Executed], bool]:
        """Execute the turn's units as one batch, with removals of what has expired.

        Args:
            expired: keys, each with its db.
            is_behind: whether the disk has to catch up before anything more is written.

        Returns:
            What was executed, and whether the batch holds any operation.
        """
        if not (self.can_go_on(is_behind=is_behind) or expired):
            return [], False
        view = self._rows.view
        header = self._replica.next_header()
        view.begin(header, self._replica.expiry.now_ms, self._random.next())
        for db, key in expired:
            view.remove_expired(db, key)
        allowance = Allowance(view, others_wait=self._replica.has_more)
        executed = self._run_within(allowance, header.seq, is_behind=is_behind)
        wrote = bool(view.operations)
        if wrote:
            self._replica.append(header._replace(body=encode_operations(view.operations)))
        return executed, wrote

    def _run_within(self, allowance: Allowance, seq: int, *, is_behind: bool) -> list[Executed]:
        """Execute units as far as a turn's bounds allow; the rest has the next turn."""
        executed: list[Executed] = []
        overlay = self._rows.overlay
        handled_max = overlay.handled_bytes + VALUE_BYTES_PER_TURN
        taken = 0
        for waiter in self.waiting:
            batch, place = waiter
            unit = batch.units[place]
            if overlay.handled_bytes > handled_max or not allowance.has_room_for(unit):
                break
            if is_behind and unit.path is not Path.READ:
                break
            taken += 1
            if batch.is_answered(place):
                continue
            result, shown, has_written = self._run(unit)
            allowance.spend(result, has_written=has_written)
            executed.append((waiter, result, self._rows.last_token, seq) if has_written else (waiter, result, shown, 0))
        del self.waiting[:taken]
        return executed

    def _run(self, unit: Unit) -> tuple[Result, int, bool]:
        """Execute a unit; return its result, the token its replies wait for by what they show, whether it wrote."""
        argv = unit.argv
        if argv and argv[0] in REPORTS:
            return self._report(unit)
        if unit.parts and (refused := why_not_executed(unit)) is not None:
            return refused, 0, False
        view = self._rows.view
        before = len(view.operations)
        view.next_unit()
        result = run_unit(view, unit)
        shown = self._rows.shown_token() if view.looks_at_all else view.touched_token
        return result, shown, len(view.operations) > before

    def _report(self, unit: Unit) -> tuple[Result, int, bool]:
        """Answer what nodes ask about the replica itself."""
        word, *arguments = unit.argv
        if word == internal.HELD:
            return [encode(report.held_by(self._replica, int(arguments[0])), unit.protocol)], 0, False
        # What these name must not be lost any more: the reply waits until all of it is durable.
        told: Reply = _encode_vector(self._position())
        if word == internal.CONFLICTS:
            told = report.conflicts(self._config, self._rows.view, int(arguments[0]))
        return [encode(told, unit.protocol)], self._rows.shown_token(), False

    def _position(self) -> dict[NodeId, int]:
        """Return what is applied up to here, this turn's own batch included."""
        own = self._replica.next_seq if self._rows.view.operations else 0
        return join((self._replica.vector, {self._replica.node: own}))
