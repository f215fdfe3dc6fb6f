"""Connections, receipts and looks under faults: clean as the store is, and broken where the store is made to be.

They are drawn by a generator of their own, so that all that other schedules draw stays what it was.
"""

from collections import Counter
from dataclasses import replace
from itertools import count

import pytest

from trilemma.command import lcs
from trilemma.command.spec import keys_of
from trilemma.datatype import plain
from trilemma.datatype.causal import CausalView
from trilemma.node import causal_report, raft_report
from trilemma.node.config import NodeConfig
from trilemma.node.digest import Digest
from trilemma.node.dispatch import ok
from trilemma.node.request import Request
from trilemma.node.session import Session
from trilemma.node.token_wait import TokenWait
from trilemma.node.transactions import Transactions
from trilemma.node.unit import Path, Result, Unit
from trilemma.resp.reply import Reply
from trilemma.sim.campaign import judge
from trilemma.sim.options import MODES, MORE_SHARE, MORE_WORKLOADS, WORKLOADS, Options, draw, more_workloads
from trilemma.sim.run import run_schedule

SEEDS = range(4)

EACH = [(mode, name) for mode in MODES for name in MORE_WORKLOADS[mode]]


def options(seed: int, mode: str, name: str) -> Options:
    return replace(draw(seed, mode), workloads=(name,))


def broken(mode: str, name: str) -> list[str]:
    """Return what is found first, of a few seeds."""
    for seed in SEEDS:
        outcome = run_schedule(options(seed, mode, name))
        if outcome.broken:
            return outcome.broken
    return []


@pytest.mark.parametrize(("mode", "name"), EACH)
def test_what_they_see_of_the_store_is_as_it_must_be(mode: str, name: str) -> None:
    outcomes = [run_schedule(options(seed, mode, name)) for seed in SEEDS]
    assert [text for outcome in outcomes for text in outcome.broken + outcome.failures] == []
    assert any(judge(outcome) == "clean" for outcome in outcomes)


def test_one_schedule_in_ten_has_one_more_and_the_others_are_what_they_were() -> None:
    for mode in MODES:
        gained: Counter[str] = Counter()
        for seed in range(2_000):
            drawn, more = draw(seed, mode), more_workloads(seed, mode)
            gained.update(more)
            assert set(drawn.workloads[: len(drawn.workloads) - len(more)]) <= set(WORKLOADS[mode])
            assert drawn.workloads[len(drawn.workloads) - len(more) :] == more
        assert set(gained) == set(MORE_WORKLOADS[mode])
        assert 0.8 * MORE_SHARE < gained.total() / 2_000 < 1.2 * MORE_SHARE


class Nowhere:
    """Takes a result that nobody is told of."""

    def result(self, request: Request, result: Result, token: int) -> None:
        """See Sink."""


def executes_what_it_discards(self: Transactions, session: Session, _argv: list[bytes]) -> None:
    assert session.multi is not None
    queue, session.multi = session.multi.queue, None
    session.watches.clear()
    for queued in queue:
        shard = self._server.router.shard_of_all(keys_of(queued.spec, queued.argv))
        self._dispatcher.send(session, shard, Unit(Path.WRITE, session.db, 2, queued.argv), Nowhere())
    session.reply(ok(session))


def keeps_the_database(self: Session) -> None:
    db = self.db
    RESET(self)
    self.db = db


def hides_what_it_shows(config: NodeConfig, view: CausalView, keys_max: int) -> Reply:
    return [[*row[:2], row[2], [row[2]]] for row in CONFLICTS(config, view, keys_max)]  # type: ignore[index, union-attr]


RESET, CONFLICTS, HOLDERS = Session.reset, causal_report.conflicts, raft_report.holders
COUNTER = count()

PLANTED: dict[str, tuple[str, str, object, str, object]] = {
    "DISCARD executes": ("cp", "connections", Transactions, "_discard", executes_what_it_discards),
    "DISCARD executes, on ap": ("ap", "connections", Transactions, "_discard", executes_what_it_discards),
    "UNWATCH forgets nothing": (
        "cp", "connections", Transactions, "_unwatch", lambda self, session, argv: session.reply(ok(session)),
    ),
    "RESET keeps the database": ("cp", "connections", Session, "reset", keeps_the_database),
    "a replica too many": ("ca", "receipts", raft_report, "holders", lambda *facts: HOLDERS(*facts) + 1),
    "a replica too few": ("cp", "receipts", raft_report, "holders", lambda *_: 1),
    "cp is never stale": ("cp", "receipts", raft_report, "stale_ms_max", lambda *_: 0),
    "ap is never stale": ("ap", "receipts", causal_report, "stale_ms_max", lambda *_: 0),
    "tokens are always reached": ("ap", "receipts", TokenWait, "poll", lambda self, is_late: ok(self._session)),
    "no two digests are equal": ("cp", "receipts", Digest, "text", property(lambda self: f"{next(COUNTER):x}")),
    "what is shown is hidden": ("ap", "receipts", causal_report, "conflicts", hides_what_it_shows),
    "nothing is raw": ("cp", "looks", plain, "string_encoding", lambda value: "embstr"),
    "LCS tells lengths of one": ("ca", "looks", lcs, "_shown", lambda run, with_length: [[run.first_start], []]),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_store_that_says_or_does_otherwise_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mode, workload, owner, attribute, fault = PLANTED[name]
    monkeypatch.setattr(owner, attribute, fault)
    assert broken(mode, workload)
