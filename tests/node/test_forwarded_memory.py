"""What an executor holds for nodes that forward to it is bounded, however slow its disk, and let go once it is over."""

from typing import Any

import pytest

from stage import Stage
from trilemma.node import log

VALUE = "x" * 20_000
TIMEOUT_US = 2_000_000
STUCK_US = 60_000_000


@pytest.fixture
def stage() -> Stage:
    """n1 leads, and alone has a replica of `few` (ap)."""
    made = Stage()
    made.lead(1)
    assert made.ask(1, "KEYSPACE", "CREATE", "few", "MODE", "ap", "REPLICAS", "1").reply == b"OK"
    made.run(500_000)
    return made


def disk_takes(stage: Stage, sync_us: int) -> None:
    """Have the disk of n1 take so long for a sync from now on."""
    stage.cluster.processes[1].disk._sync_us = lambda: sync_us  # type: ignore[method-assign]


def streams(stage: Stage) -> list[Any]:
    node = stage.cluster.processes[1].node
    assert node is not None
    return list(node._executors._incoming._streams.values())


def held_bytes(stage: Stage) -> int:
    """What n1 holds for others: replies, whether they were sent or not, and frames that wait for the disk."""
    kept = sum(len(reply.replies) for stream in streams(stage) for reply, _ in stream._kept.values())
    return kept + sum(len(out.frame) for out in stage.cluster.processes[1]._held if out.after)


@pytest.fixture
def waiting(stage: Stage) -> Any:
    """The units that wait at n1 for `few`."""
    node = stage.cluster.processes[1].node
    assert node is not None
    replica: Any = node.replicas[stage._shard("few")]
    return lambda: replica._execution.waiting


def test_a_reply_waits_for_the_disk_once_however_often_it_is_asked_for_and_no_longer_than_somebody_does(
    stage: Stage,
) -> None:
    """Each repeat laid one more copy beside it, also after all clients were answered."""
    disk_takes(stage, STUCK_US)
    stage.begin(2, "SET", "few:big", VALUE)
    stage.run(20_000)
    read = [stage.begin(2, "GET", "few:big") for _ in range(10)]
    stage.run(TIMEOUT_US // 2)
    assert 10 * len(VALUE) < held_bytes(stage) < 12 * len(VALUE)
    stage.run(TIMEOUT_US)
    assert all(asked.answer is not None and asked.answer.is_refusal for asked in read)
    assert held_bytes(stage) < len(VALUE)


def test_what_waits_for_the_disk_of_its_executor_comes_as_soon_as_that_has_caught_up(stage: Stage) -> None:
    disk_takes(stage, 700_000)
    asked = [stage.begin(2, "SET", "few:a", VALUE), stage.begin(2, "GET", "few:a")]
    replies = [stage.wait(each) for each in asked]
    assert replies[0].reply == b"OK"
    assert all(each.took_us < 1_500_000 for each in replies)


@pytest.mark.parametrize("keyspace", ["bank", "few"])
def test_no_reply_is_kept_once_all_have_arrived(stage: Stage, keyspace: str) -> None:
    """What the last batches of a stream were answered was kept for ever."""
    assert stage.ask(1, "SET", f"{keyspace}:big", VALUE).reply == b"OK"
    for _ in range(5):
        assert stage.ask(2, "GET", f"{keyspace}:big").reply == VALUE.encode()
    stage.run(1_000_000)
    assert held_bytes(stage) < len(VALUE)
    node = stage.cluster.processes[2].node
    assert node is not None
    assert all(route.is_at_rest for route in node._executors.routes.values())


def test_what_was_kept_for_a_node_goes_when_that_has_started_anew(stage: Stage) -> None:
    """It was kept for the start before as well, of up to 64 of them."""
    assert stage.ask(1, "SET", "few:big", VALUE).reply == b"OK"
    assert stage.ask(2, "GET", "few:big").reply == VALUE.encode()
    stage.crash(2)
    stage.run(1_000_000)
    assert held_bytes(stage) > len(VALUE)
    stage.heal()
    stage.run(2_000_000)
    assert held_bytes(stage) < len(VALUE)


def test_writes_for_which_nobody_waits_any_more_do_not_wait_at_the_executor_and_never_take_effect(
    stage: Stage, waiting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them stayed in its memory, and were carried out once the disk had caught up."""
    monkeypatch.setattr(log, "UNDURABLE_BYTES_MAX", 3 * len(VALUE))
    disk_takes(stage, 10_000_000)
    for number in range(4):
        stage.begin(2, "SET", f"few:{number}", VALUE)
    stage.run(20_000)
    late = []
    for number in range(20):
        late.append(stage.begin(2, "SET", f"few:late{number}", VALUE))
        stage.run(2_000)
    assert len(waiting()) >= 10
    stage.run(TIMEOUT_US + 500_000)
    assert waiting() == []
    assert all(each.answer is not None and each.answer.is_uncertain for each in late[5:])
    disk_takes(stage, 1_000)
    stage.run(20_000_000)
    assert stage.ask(2, "GET", "few:0").reply == VALUE.encode()
    assert stage.pipeline(2, *[("GET", f"few:late{number}") for number in range(5, 20)]) == [None] * 15
