"""Replication and commit: logs agree, what is committed stays, old terms' entries do not count (paper §5.3, §5.4)."""

from random import Random

import pytest

from raft_group import SHARD, Group
from trilemma.base.invariant import DiskRollback
from trilemma.replication.port import EntryKind
from trilemma.replication.raft.bounds import Bounds
from trilemma.replication.raft.commit import CommitRule
from trilemma.replication.raft.configuration import Configuration
from trilemma.replication.raft.log import Log
from trilemma.replication.raft.messages import AppendEntries, VoteReply
from trilemma.storage.memory import MemoryLog


def test_an_entry_is_applied_everywhere_in_the_same_order() -> None:
    group = Group()
    group.elect_node(1)
    bodies = [b"%d" % number for number in range(300)]
    for body in bodies:
        assert group.propose(1, body) is not None
        group.step()
    group.run(200)
    assert [group.bodies(node) for node in (1, 2, 3)] == [bodies] * 3


def test_an_append_holds_no_more_bytes_than_its_bound_and_one_entry_at_least() -> None:
    group = Group(bounds=Bounds(append_bytes=1_000))
    group.elect_node(1)
    bodies = [b"%d" % number * 100 for number in range(40)] + [b"x" * 5_000] + [b"y"] * 3
    for body in bodies:
        assert group.propose(1, body) is not None
    group.sent.clear()
    group.run(300)
    appends = [each.entries for _, _, each in group.sent if isinstance(each, AppendEntries) and each.entries]
    assert len(appends) > len(bodies) // 5
    assert all(len(entries) == 1 or sum(len(each) for _, each in entries) <= 1_000 for entries in appends)
    assert any(sum(len(each) for _, each in entries) > 5_000 for entries in appends)
    assert [group.bodies(node) for node in (1, 2, 3)] == [bodies] * 3


def test_a_turn_hands_out_no_more_committed_bytes_than_its_bound_and_the_next_turn_comes_at_once() -> None:
    group = Group(1, bounds=Bounds(apply_bytes=1_000))
    group.elect_node(1)
    raft = group.members[1].raft
    for _ in range(20):
        assert raft.propose(EntryKind.COMMANDS, b"z" * 400) is not None
    raft.ready(900)
    raft.persisted(900)
    handed = []
    while True:
        raft.advance(group.now, frozenset())
        committed = raft.ready(901).committed
        handed.append(len(committed))
        if raft.next_deadline_us > group.now_us:
            break
    assert sum(handed) == 20
    assert max(handed) <= 3


def test_only_the_leader_takes_proposals() -> None:
    group = Group()
    group.elect_node(1)
    assert group.propose(2, b"x") is None


@pytest.mark.parametrize("seed", range(8))
def test_what_is_applied_anywhere_survives_everything(seed: int) -> None:
    random = Random(seed)
    group = Group(3 + 2 * (seed % 2))
    applied: list[bytes] = []
    proposed = 0
    for _ in range(12_000):
        draw = random.random()
        if draw < 0.002:
            group.isolate_at_random(random)
            lost = random.choice((0.0, 0.2))
            group.drop = lambda sender, to, message, lost=lost: random.random() < lost  # type: ignore[misc]
            group.delay_us = random.choice((500, 1_000, 30_000))
        elif draw < 0.0025:
            group.crash(random.choice(group.voters))
        elif draw < 0.0045:
            if group.stopped:
                group.restart(min(group.stopped))
        elif draw < 0.006:
            group.members[random.choice(group.voters)].sync_us = random.choice((0, 5_000, 300_000))
        elif draw < 0.05:
            for node in group.leaders():
                proposed += 1
                group.propose(node, b"%d" % proposed)
        group.step()
        for node in group.voters:
            found = group.bodies(node)
            common = min(len(found), len(applied))
            assert found[:common] == applied[:common]
            applied += found[common:]
    group.cut.clear()
    group.drop = lambda sender, to, message: False
    for node in list(group.stopped):
        group.restart(node)
    for member in group.members.values():
        member.sync_us = 0
    group.propose(group.elect(), b"last")
    group.run_until(lambda: all(group.bodies(node)[-1:] == [b"last"] for node in group.voters))
    assert all(group.bodies(node) == group.bodies(1) for node in group.voters)
    assert group.bodies(1)[: len(applied)] == applied
    assert len(applied) > 20


def test_entries_of_a_deposed_leader_are_replaced() -> None:
    group = Group()
    group.elect_node(1)
    group.isolate(1)
    # In the turn of the cut n1 still leads, and takes what will never be committed.
    group.propose(1, b"lost")
    group.run(1)
    new = group.elect()
    group.propose(new, b"kept")
    group.run_until(lambda: group.bodies(new) == [b"kept"])
    group.cut.clear()
    group.run_until(lambda: group.bodies(1) == [b"kept"])
    assert group.members[1].raft.truncations == 1
    group.crash(1)
    group.restart(1)
    group.run_until(lambda: group.bodies(1) == [b"kept"])


def test_an_entry_of_an_earlier_term_is_not_committed_by_counting() -> None:
    # Figure 8 of the paper: the entry of term 2 is on a majority, and may still be replaced by one of term 3.
    log = Log(SHARD, MemoryLog())
    log.append(1, b"first")
    log.append(2, b"second")
    rule = CommitRule(log, 4)
    voters = Configuration((1, 2, 3, 4, 5))
    assert rule.committed({1: 2, 2: 2, 3: 2, 4: 1, 5: 1}, voters, []) is None
    log.append(4, b"own")
    assert rule.committed({1: 3, 2: 3, 3: 2, 4: 1, 5: 1}, voters, []) is None
    assert rule.committed({1: 3, 2: 3, 3: 3, 4: 1, 5: 1}, voters, []) == 3


def test_a_commit_waits_for_each_holder_of_a_lease() -> None:
    log = Log(SHARD, MemoryLog())
    log.append(1, b"a")
    log.append(1, b"b")
    rule = CommitRule(log, 1)
    voters = Configuration((1, 2, 3))
    assert rule.committed({1: 2, 2: 2, 3: 0}, voters, [3]) is None
    assert rule.committed({1: 2, 2: 2, 3: 1}, voters, [3]) == 1
    assert rule.committed({1: 2, 2: 2, 3: 1}, voters, []) == 2


def test_an_answer_counts_only_what_is_durable() -> None:
    group = Group()
    group.elect_node(1)
    group.run(100)
    for node in (2, 3):
        group.members[node].sync_us = 200_000
    index = group.propose(1, b"x")
    group.run(150)
    assert group.members[1].raft.commit_index < (index or 0)
    group.run(100)
    assert group.members[1].raft.commit_index == index


def test_a_slow_disk_at_the_leader_holds_up_no_commit_and_costs_it_the_leadership() -> None:
    group = Group()
    group.elect_node(1)
    group.run(100)
    group.members[1].sync_us = 60_000_000
    index = group.propose(1, b"x")
    group.run(20)
    assert group.members[1].raft.commit_index == index
    group.run_until(lambda: group.leaders() in ([2], [3]), ms=3_000)


def test_a_disk_that_lost_what_it_acknowledged_stops_the_node() -> None:
    group = Group()
    group.elect_node(1)
    group.propose(1, b"x")
    group.run(200)
    old = group.members[3].log
    group.crash(3)
    group.start(3, MemoryLog())
    assert old is not group.members[3].log
    with pytest.raises(DiskRollback, match=r"of shard \d+ were acknowledged from it, and it holds those up to 0"):
        group.run(500)


def test_a_leader_that_came_later_is_not_answered_with_old_entries() -> None:
    group = Group()
    group.elect_node(1)
    group.propose(1, b"x")
    group.run(100)
    member = group.members[2]
    before = member.raft.last_index
    stale = AppendEntries(member.raft.term - 1, 1, before, 1, before, 0, 0, 0, 0, 0, [(1, b"\x00old")])
    member.raft.receive(1, stale)
    group.run(10)
    assert member.raft.last_index == before


def test_a_follower_far_behind_is_caught_up_by_the_log() -> None:
    group = Group()
    group.elect_node(1)
    group.crash(3)
    for number in range(2_000):
        group.propose(1, b"%d" % number)
        if number % 100 == 0:
            group.step()
    group.run(100)
    group.restart(3)
    group.run_until(lambda: group.bodies(3) == group.bodies(1))
    assert len(group.bodies(3)) == 2_000


def test_a_message_with_a_higher_term_makes_a_leader_follow() -> None:
    group = Group()
    group.elect_node(1)
    term = group.members[1].raft.term
    group.members[1].raft.receive(2, VoteReply(term + 5, False))
    group.run(1)
    assert not group.members[1].raft.is_leader
    assert group.members[1].raft.term == term + 5
