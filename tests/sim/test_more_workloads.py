"""Connections, receipts, looks, and all commands on `ap`: clean as the store is, and broken where it is made to be.

They are drawn by a generator of their own, so that all that other schedules draw stays what it was.
"""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import count

import pytest

from trilemma.command import expiry, generic, lcs
from trilemma.command.context import DataContext
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
from trilemma.resp.longdouble import add_long_doubles, format_long_double, parse_long_double
from trilemma.resp.reply import Reply
from trilemma.sim.campaign import judge
from trilemma.sim.options import (
    MODES,
    MORE_SHARE,
    MORE_WORKLOADS,
    OWNED_SHARE,
    OWNED_WORKLOADS,
    WORKLOADS,
    Options,
    draw,
    more_workloads,
    owned_workloads,
)
from trilemma.sim.run import run_schedule

SEEDS = range(4)

EACH = [(mode, name) for mode in MODES for name in (*MORE_WORKLOADS[mode], *OWNED_WORKLOADS[mode])]


def options(seed: int, mode: str, name: str) -> Options:
    return replace(draw(seed, mode), workloads=(name,), pace=0, spell_us=0)


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


def test_some_schedules_have_one_more_and_the_others_are_what_they_were() -> None:
    for mode in MODES:
        gained: Counter[str] = Counter()
        for seed in range(2_000):
            drawn, more = draw(seed, mode), (*owned_workloads(seed, mode), *more_workloads(seed, mode))
            gained.update(more)
            assert set(drawn.workloads[: len(drawn.workloads) - len(more)]) <= set(WORKLOADS[mode])
            assert drawn.workloads[len(drawn.workloads) - len(more) :] == more
        assert set(gained) == {*MORE_WORKLOADS[mode], *OWNED_WORKLOADS[mode]}
        share = MORE_SHARE + (OWNED_SHARE if OWNED_WORKLOADS[mode] else 0)
        assert 0.8 * share < gained.total() / 2_000 < 1.2 * share


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


def rounds_on_the_way(self: CausalView, db: int, key: bytes, amount: bytes) -> bytes:
    held, added = parse_long_double(self.string(db, key) or b"0"), parse_long_double(amount)
    ADD_FLOAT(self, db, key, amount)
    assert held is not None
    assert added is not None
    total = add_long_doubles(held, added)
    assert total is not None
    return format_long_double(total)


def copies_no_deadline(self: CausalView, db: int, key: bytes, to_db: int, to_key: bytes) -> None:
    value = self.string(db, key)
    if value is not None:
        self.set_string(to_db, to_key, value, None)


def renames_onto_nothing_only(ctx: DataContext, source: bytes, target: bytes) -> None:
    if not ctx.view.exists(ctx.db, target):
        ctx.view.copy(ctx.db, source, ctx.db, target)
    ctx.view.delete(ctx.db, source)
    ctx.view.delete(ctx.db, target)


ALLOWED, ADD, ADD_FLOAT = expiry._is_allowed, CausalView._add, CausalView.add_float
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
    "GT is ignored": (
        "ap", "owned", expiry, "_is_allowed", lambda options, *times: ALLOWED(options - {b"GT"}, *times),
    ),
    "RENAME and COPY lose the deadline": ("ap", "owned", CausalView, "copy", copies_no_deadline),
    "sums are rounded on the way in replies": ("ap", "owned", CausalView, "add_float", rounds_on_the_way),
    "what is there may be taken": ("ap", "shared", CausalView, "exists", lambda self, db, key: False),
    "RENAME takes both away": ("ap", "shared", generic, "_move", renames_onto_nothing_only),
    "hundredths are not counted": (
        "ap", "shared", CausalView, "_add", lambda self, db, key, amount: ADD(self, db, key, Fraction(int(amount))),
    ),
    "LCS tells lengths of one": ("ca", "looks", lcs, "_shown", lambda run, with_length: [[run.first_start], []]),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_store_that_says_or_does_otherwise_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mode, workload, owner, attribute, fault = PLANTED[name]
    monkeypatch.setattr(owner, attribute, fault)
    assert broken(mode, workload)
