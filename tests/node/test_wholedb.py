"""Commands about all keys while keyspaces come and go: FLUSHALL names what it flushed, SCAN shows all that stays."""

import pytest

from stage import Stage


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.lead(1)
    return stage


def create(stage: Stage, *names: str) -> None:
    for name in names:
        assert stage.ask(1, "KEYSPACE", "CREATE", name, "MODE", "cp").reply == b"OK"
        stage.until_ok(1, "SET", f"{name}:k", "v")


def test_a_flush_in_part_names_also_a_keyspace_that_was_dropped_meanwhile(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(stage, "short")
    made = stage.cluster.processes[1].node
    assert made is not None
    monkeypatch.setattr(made.replicas[stage._shard("shop")], "submit", lambda batch: None)
    flush = stage.begin(1, "FLUSHALL")
    stage.run(100_000)
    assert stage.ask(1, "KEYSPACE", "DROP", "short").reply == b"OK"
    answer = stage.wait(flush)
    assert answer.is_uncertain
    done = answer.reply.partition("flushed were: ")[2].partition(";")[0].split(", ")
    assert set(done) == {"default", "bank", "ledger", "site", "short"}
