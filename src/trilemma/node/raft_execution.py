"""Committed entries of a `cp` or `ca` shard, carried out: each becomes rows, and replies where its units wait here.

Owns how many of them a turn applies, in which order, and when their rows may enter the engine. Does not know how a unit
is run, which the catalogue's shard does in its own way (node/system_shard.py), nor what makes an entry committed.
"""

from collections.abc import Callable, Sequence
from functools import partial

from trilemma.node.once import is_known, is_once
from trilemma.node.proposals import Proposals, Proposed
from trilemma.node.raft_answers import RaftAnswers
from trilemma.node.raft_rows import RaftRows
from trilemma.node.unit import VALUE_BYTES_PER_TURN, Result, Unit, decode_units
from trilemma.replication.port import Entry, EntryKind
from trilemma.replication.raft.replica import Raft


class RaftExecution:
    """One replica's execution of entries. `run` executes a unit of one against the rows, on every replica alike."""

    def __init__(
        self,
        raft: Raft,
        rows: RaftRows,
        proposals: Proposals,
        answers: RaftAnswers,
        run: Callable[[Entry, Unit], Result],
    ) -> None:
        self._raft = raft
        self._rows = rows
        self._proposals = proposals
        self._answers = answers
        self._run = run

    def apply_all(self, entries: Sequence[Entry], token: int) -> None:
        """Apply committed entries as far as a turn's bound allows; the rest comes again.

        Args:
            token: by which this node's own log holds them, where it does not yet.
        """
        overlay = self._rows.overlay
        handled_max = overlay.handled_bytes + VALUE_BYTES_PER_TURN
        for entry in entries:
            if overlay.handled_bytes > handled_max:
                self._raft.hand_back(entry.index)
                break
            self._rows.must_follow(entry)
            self._apply(entry)
            self._rows.reached(entry)
        # Rows enter the engine only once this node's own log holds their entries (PROTOCOLS §6.5).
        self._rows.seal(0 if self._raft.durable_index >= self._rows.applied.index else token)

    def _apply(self, entry: Entry) -> None:
        proposed = self._proposals.take(entry)
        if entry.kind is EntryKind.COMMANDS:
            self._apply_commands(entry, proposed)
        elif entry.kind is EntryKind.TICK:
            self._rows.tick(entry)

    def _apply_commands(self, entry: Entry, proposed: Proposed | None) -> None:
        """Run an entry's units; those that only read, where somebody waits for them here."""
        view, explain = self._rows.view, self._answers.explain_logged
        self._rows.begin(entry)
        if proposed is None:
            for unit in decode_units(entry.body):
                view.next_unit()
                if not unit.is_read:
                    self._run(entry, unit)
            return
        results: list[Result] = []
        receipts: list[Callable[[], None] | None] = []
        for unit in proposed.units:
            view.next_unit()
            is_again = unit.explain and is_once(unit) and is_known(self._rows.once, unit)
            result = self._run(entry, unit)
            results.append(result)
            told = partial(explain, unit, result, entry, is_again=is_again) if unit.explain else None
            receipts.append(told)
        self._proposals.committed(entry.index, proposed, results, receipts)
