"""What a node that leaves has taken is answered before it is gone; what comes later is refused, or served elsewhere."""

from collections import Counter

import pytest

from connection import Connection
from stage import Asked, Stage

STOPPING = "n3 is about to stop"


@pytest.fixture
def stage() -> Stage:
    """n3 leads everything; `pair` is an `ap` keyspace without a replica on n3."""
    stage = Stage()
    assert stage.ask(1, "KEYSPACE", "CREATE", "pair", "MODE", "ap", "REPLICAS", "2").reply == b"OK"
    stage.run(500_000)
    stage.lead(3)
    return stage


def shut_down(stage: Stage, node: int) -> None:
    stage.cluster.processes[node].give(lambda made: made.begin_shutdown())


def is_running(stage: Stage, node: int) -> bool:
    return stage.cluster.processes[node].node is not None


def slow_disk(stage: Stage, node: int, sync_us: int) -> None:
    stage.cluster.processes[node].disk._sync_us = lambda: sync_us  # type: ignore[method-assign]


def slow_link(stage: Stage, one: int, two: int, by_us: int) -> None:
    stage.cluster.network.slow[one, two] = stage.cluster.network.slow[two, one] = by_us


def keep_writing(stage: Stage, node: int, keyspace: str, for_us: int, clients: int = 4) -> Counter[str]:
    """Have clients write one thing after the other for a while; return how often what was answered, in short."""
    found: Counter[str] = Counter()
    asked: list[Asked | None] = [None] * clients
    count, until_us = 0, stage.now_us + for_us
    while stage.now_us < until_us or any(asked):
        for place, each in enumerate(asked):
            if each is not None and each.answer is not None:
                reply = each.answer.reply
                found["OK" if reply == b"OK" else str(reply).partition(" ")[0]] += 1
                assert each.answer.took_us < 400_000, each.answer
                asked[place] = each = None
            if each is None and stage.now_us < until_us:
                count += 1
                asked[place] = stage.begin(node, "SET", f"{keyspace}:k{place}", str(count))
        stage.run(500)
    return found


@pytest.mark.parametrize("keyspace", ["bank", "ledger", "site"])
def test_a_forwarded_write_in_flight_is_answered_by_the_leader_before_it_is_gone(stage: Stage, keyspace: str) -> None:
    # n1 holds it long before anybody else does: it could lead before its entry is known to be committed.
    slow_disk(stage, 3, 40_000)
    stage.cluster.network.slow[3, 2] = 30_000
    node = stage.cluster.processes[3].node
    assert node is not None
    raft = node.replicas[stage._shard(keyspace)].raft  # type: ignore[attr-defined]
    asked = stage.begin(1, "SET", f"{keyspace}:k", "v")
    while raft.last_index == raft.commit_index:
        stage.run(50)
        assert asked.answer is None, "it was not seen under way"
    shut_down(stage, 3)
    answer = stage.wait(asked)
    assert answer.reply == b"OK"
    assert answer.took_us < 200_000
    assert is_running(stage, 3)
    stage.run(1_500_000)
    assert not is_running(stage, 3)
    assert stage.ask(1, "GET", f"{keyspace}:k").reply == b"v"


@pytest.mark.parametrize("after_us", range(0, 3_000, 1_000))
def test_no_write_at_another_node_is_uncertain_whenever_the_leader_begins_to_leave(stage: Stage, after_us: int) -> None:
    # n3 leads nothing else, so that n2 has soon taken over all; batches of n1 are on their way to n3 then.
    stage.lead(2)
    assert stage.ask(1, "KEYSPACE", "LEAD", "bank", "n3").reply == b"OK"
    stage.run(200_000)
    assert stage.leads(3, "bank")
    slow_link(stage, 1, 3, 20_000)
    keep_writing(stage, 1, "bank", 50_000 + after_us)
    shut_down(stage, 3)
    found = keep_writing(stage, 1, "bank", 800_000)
    assert not is_running(stage, 3)
    assert set(found) == {"OK"}


@pytest.mark.parametrize("leaver", [2, 3], ids=["a follower", "the leader"])
@pytest.mark.parametrize("keyspace", ["ledger", "site"])
def test_where_writes_need_all_replicas_those_that_one_will_miss_are_refused_and_the_others_answered(
    stage: Stage, leaver: int, keyspace: str
) -> None:
    keep_writing(stage, 1, keyspace, 20_000)
    shut_down(stage, leaver)
    found = keep_writing(stage, 1, keyspace, 500_000)
    assert not is_running(stage, leaver)
    assert found["CLUSTERDOWN"] > 0
    assert set(found) <= {"OK", "CLUSTERDOWN"}


def test_the_last_majority_is_not_asked_for_writes_once_one_of_it_is_about_to_stop(stage: Stage) -> None:
    stage.crash(2)
    stage.run(1_000_000)
    stage.lead(3)
    keep_writing(stage, 1, "bank", 20_000)
    shut_down(stage, 3)
    found = keep_writing(stage, 1, "bank", 300_000)
    assert set(found) <= {"OK", "CLUSTERDOWN"}


def test_a_node_without_a_replica_sends_its_writes_to_another_one_in_time(stage: Stage) -> None:
    keep_writing(stage, 3, "pair", 20_000)
    shut_down(stage, 1)
    found = keep_writing(stage, 3, "pair", 800_000)
    assert not is_running(stage, 1)
    assert set(found) == {"OK"}


def test_what_the_leaving_nodes_own_clients_have_asked_for_is_answered_and_later_commands_are_refused(
    stage: Stage,
) -> None:
    slow_link(stage, 1, 3, 20_000)
    slow_link(stage, 2, 3, 20_000)
    shut_down(stage, 3)
    asked: list[Asked] = []
    while is_running(stage, 3):
        asked += [stage.begin(3, "SET", f"{name}:k", "v") for name in ("bank", "shop", "pair")]
        stage.run(1_000)
    # What came in with the last turn, or on its way then, finds nobody.
    answers = [each.answer.reply for each in asked if each.answer is not None and each.answer.reply is not None]
    refused = {reply for reply in answers if isinstance(reply, str)}
    assert answers.count(b"OK") > len(answers) // 2
    assert all(STOPPING in reply and "nothing was written" in reply for reply in refused)
    assert len(asked) - len(answers) <= 12


def test_a_reply_that_waits_for_the_disk_leaves_before_the_node_does(stage: Stage) -> None:
    slow_disk(stage, 3, 300_000)
    asked = stage.begin(3, "SET", "shop:k", "v")
    stage.run(500)
    shut_down(stage, 3)
    assert stage.wait(asked).reply == b"OK"


def test_what_a_leader_waits_for_a_follower_to_hold_is_held_and_told_before_the_follower_is_gone(stage: Stage) -> None:
    slow_disk(stage, 2, 300_000)
    asked = stage.begin(1, "SET", "ledger:k", "v")
    stage.run(5_000)
    shut_down(stage, 2)
    assert stage.wait(asked).reply == b"OK"
    stage.run(1_000_000)
    assert not is_running(stage, 2)


def test_a_write_that_needs_another_replica_is_answered_once_that_one_holds_it(stage: Stage) -> None:
    assert stage.ask(1, "KEYSPACE", "CREATE", "two", "MODE", "ap", "WRITE", "2").reply == b"OK"
    stage.run(500_000)
    for node in (1, 2):
        slow_disk(stage, node, 300_000)
    asked = stage.begin(3, "SET", "two:k", "v")
    stage.run(5_000)
    shut_down(stage, 3)
    assert stage.wait(asked).reply == b"OK"


def test_a_write_that_nobody_can_confirm_any_more_is_said_to_be_uncertain_as_the_node_stops(stage: Stage) -> None:
    stage.cut_off(3)
    asked, read = stage.begin(3, "SET", "bank:k", "v"), stage.begin(3, "GET", "bank:k")
    stage.run(1_000)
    shut_down(stage, 3)
    answer = stage.wait(asked)
    assert answer.is_uncertain
    assert "n3 stopped before the write was confirmed" in answer.reply
    assert stage.wait(read).is_refusal
    assert answer.took_us < 1_500_000
    assert not is_running(stage, 3)


def test_who_stays_after_all_is_counted_on_again(stage: Stage) -> None:
    other = Connection(stage, 3)
    stage.cut((3, 1), (3, 2))
    shut_down(stage, 3)
    stage.run(1_000)
    assert other.ask("SHUTDOWN", "ABORT") == b"OK"
    stage.heal()
    stage.run(2_000_000)
    assert is_running(stage, 3)
    for name in ("bank", "ledger", "site", "shop"):
        for node in (1, 2, 3):
            assert stage.ask(node, "SET", f"{name}:k", "v").reply == b"OK"


def test_a_node_that_starts_again_is_counted_on_again(stage: Stage) -> None:
    shut_down(stage, 2)
    stage.run(1_500_000)
    assert not is_running(stage, 2)
    assert stage.ask(1, "SET", "site:k", "v").is_refusal
    stage.heal()
    stage.run(2_000_000)
    assert stage.ask(1, "SET", "site:k", "v").reply == b"OK"


def test_leadership_goes_to_nobody_who_is_about_to_stop(stage: Stage) -> None:
    stage.cut((2, 1))
    shut_down(stage, 2)
    stage.run(5_000)
    answer = stage.ask(3, "KEYSPACE", "LEAD", "bank", "n2")
    assert answer.reply == "ERR n2 cannot take over keyspace 'bank': n2 is about to stop"


def test_all_nodes_that_are_told_to_stop_at_once_do_so_soon(stage: Stage) -> None:
    for node in (1, 2, 3):
        shut_down(stage, node)
    stage.run(1_000_000)
    assert not any(is_running(stage, node) for node in (1, 2, 3))
