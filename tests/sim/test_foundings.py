"""A keyspace is made on `ap` only where no replica holds a key that it would hide (PROTOCOLS §7.2)."""

from dataclasses import replace

import pytest

from stage import Stage
from trilemma.keyspace.catalogue import Catalogue, Prepare, Prepared
from trilemma.node.causal_shard import CausalShard
from trilemma.node.questions import Questions
from trilemma.node.unit import Path, Unit
from trilemma.sim.options import Options, draw
from trilemma.sim.outcome import Outcome
from trilemma.sim.run import run_schedule

FRAME_BYTES = 250
"""Longer frames do not get through: what is written does not, the change of the catalogue does."""

LONG = "v" * 400

SEEDS = range(36, 40)
"""Schedules of foundings; in that of seed 6 two CREATEs meet."""


class ApStage(Stage):
    """A stage on which `default` is `ap`."""

    @staticmethod
    def _options(seed: int, nodes: int) -> Options:
        return replace(Stage._options(seed, nodes), mode="ap")


@pytest.fixture
def stage() -> Stage:
    return ApStage()


def keep_to_itself(stage: Stage, node: int) -> None:
    for other in stage.cluster.processes:
        if other != node:
            stage.cluster.network.holes[node, other] = FRAME_BYTES


def test_a_key_that_only_one_node_knows_of_is_not_hidden(stage: Stage) -> None:
    keep_to_itself(stage, 3)
    assert stage.ask(3, "SET", "cart:7", LONG).reply == b"OK"
    refused = stage.ask(1, "KEYSPACE", "CREATE", "cart", "MODE", "ap")
    assert isinstance(refused.reply, str)
    assert "nothing was" in refused.reply
    stage.cluster.network.holes.clear()
    stage.run(2_000_000)
    assert stage.ask(1, "GET", "cart:7").reply == LONG.encode()
    assert "they would vanish" in stage.ask(1, "KEYSPACE", "CREATE", "cart", "MODE", "ap").reply


def test_where_nobody_holds_a_key_the_keyspace_is_made(stage: Stage) -> None:
    assert stage.ask(3, "SET", "other", LONG).reply == b"OK"
    assert stage.ask(1, "KEYSPACE", "CREATE", "cart", "MODE", "ap").reply == b"OK"


def test_judged_by_one_replica_it_would_be_hidden(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask_nobody(self: Questions, waiters: list[object], wanted: int, *, is_barrier: bool) -> None:
        self._answered.extend(waiters)  # type: ignore[arg-type]

    monkeypatch.setattr(Questions, "_ask", ask_nobody)
    keep_to_itself(stage, 3)
    assert stage.ask(3, "SET", "cart:7", LONG).reply == b"OK"
    assert stage.ask(1, "KEYSPACE", "CREATE", "cart", "MODE", "ap").reply == b"OK"


def test_what_waits_at_a_replica_when_the_fence_comes_is_not_executed_behind_it() -> None:
    stage = ApStage()
    node = stage.cluster.processes[2].node
    assert node is not None
    replica = next(each for each in node.replicas.values() if isinstance(each, CausalShard))
    seen: list[str] = []

    class Waiting:
        def __init__(self) -> None:
            self.units = [Unit(Path.WRITE, 0, 2, [b"SET", name, b"1"]) for name in (b"cart:1", b"other")]

        def complete(self, place: int, result: bytes, token: int) -> None:
            seen.append(f"{place} {result.decode()}")

    batch = Waiting()
    replica._execution.waiting = [(batch, 0), (batch, 1)]  # type: ignore[list-item]
    replica.refuse_fenced(lambda unit: "it is being made" if unit.argv[1].startswith(b"cart:") else None)
    assert [place for _, place in replica._execution.waiting] == [1]
    assert [text.split()[:2] for text in seen] == [["0", "-CLUSTERDOWN"]]


def founded_together(seed: int) -> Outcome:
    drawn = replace(draw(seed, "ap"), workloads=("founding",), faults=("slow", "loss"), nodes=3)
    options = replace(drawn, founded_together=4, passes=False, pace=0, spell_us=0)
    return run_schedule(options, safety_us=2_000_000)


def test_keyspaces_of_one_moment_get_ids_of_their_own() -> None:
    outcomes = [founded_together(seed) for seed in SEEDS]
    assert [outcome.failures + outcome.broken for outcome in outcomes] == [[] for _ in SEEDS]


def test_that_they_share_one_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Catalogue._prepare

    def by_the_guess(self: Catalogue, index: int, stamp_ms: int, change: Prepare) -> bool:
        taken = original(self, index, stamp_ms, change)
        if taken and not change.drops:
            self._state.prepared = Prepared(index, change.keyspace, False, stamp_ms)
        return taken

    monkeypatch.setattr(Catalogue, "_prepare", by_the_guess)
    assert any("both have the id" in failure for seed in SEEDS for failure in founded_together(seed).failures)
