"""A change of the catalogue whose coordinator dies is given up by whoever leads `_system`, however often it changes."""

import pytest

from stage import Stage
from trilemma.node.system_shard import PREPARED_MS_MAX, SystemShard


def system(stage: Stage, node: int) -> SystemShard:
    made = stage.cluster.processes[node].node
    assert made is not None
    return made._system


def leave_a_change_behind(stage: Stage) -> None:
    """Have n3 prepare a keyspace and die before it has activated it."""
    stage.begin(3, "KEYSPACE", "CREATE", "zz", "MODE", "cp")
    stage.scheduler.run_until(stage.now_us + 100_000, lambda: system(stage, 1).catalogue.prepared is not None)
    assert system(stage, 1).catalogue.prepared is not None
    stage.crash(3)


def test_a_leader_that_comes_back_gives_up_again_what_it_gave_up_in_an_earlier_term(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    stage.lead(1)
    original = SystemShard._abort_overdue

    def at_n1_only(self: SystemShard) -> None:
        # Whoever else leads meanwhile is gone again before its time has come.
        if self._config.node_id == 1:
            original(self)

    monkeypatch.setattr(SystemShard, "_abort_overdue", at_n1_only)
    leave_a_change_behind(stage)
    stage.run(PREPARED_MS_MAX * 1_000 - 100_000)
    stage.cut_off(1)
    last = system(stage, 1).raft.last_index
    stage.scheduler.run_until(stage.now_us + 300_000, lambda: system(stage, 1).raft.last_index > last)
    assert system(stage, 1).raft.last_index == last + 1, "n1 gives it up, and nobody hears of it"
    stage.cluster.restart(stage.cluster.processes[3])
    stage.run(3_000_000)
    assert any(system(stage, node).raft.is_leader for node in (2, 3))
    stage.heal()
    stage.run(500_000)
    assert system(stage, 1).catalogue.prepared is not None
    stage.lead(1)
    stage.run(500_000)
    assert system(stage, 1).catalogue.prepared is None
    stage.until_ok(2, "KEYSPACE", "CREATE", "other", "MODE", "cp")
