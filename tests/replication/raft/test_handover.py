"""Handing leadership over, and coming back by a snapshot (thesis §3.10, paper §7)."""

from raft_group import Group
from trilemma.replication.raft.configuration import Configuration


def test_leadership_goes_to_the_target_and_nothing_is_lost() -> None:
    group = Group()
    group.elect_node(1)
    for number in range(20):
        group.propose(1, b"%d" % number)
    assert group.members[1].raft.transfer_leadership(3)
    group.run_until(lambda: group.leaders() == [3], ms=100)
    group.run(200)
    assert group.bodies(1) == group.bodies(3) == [b"%d" % number for number in range(20)]


def test_no_proposal_is_taken_while_it_runs() -> None:
    group = Group()
    group.elect_node(1)
    assert group.members[1].raft.transfer_leadership(3)
    assert group.propose(1, b"x") is None


def test_a_target_that_is_dead_is_given_up_and_proposals_are_taken_again() -> None:
    group = Group()
    group.elect_node(1)
    group.crash(3)
    assert group.members[1].raft.transfer_leadership(3)
    group.run(group.timing.election_timeout_max_us // 1_000 + 5)
    index = group.propose(1, b"x")
    assert index is not None
    group.run(50)
    assert group.members[1].raft.commit_index == index


def test_there_is_nobody_to_hand_over_to() -> None:
    group = Group()
    group.elect_node(1)
    assert not group.members[1].raft.transfer_leadership(1)
    assert not group.members[1].raft.transfer_leadership(9)
    assert not group.members[2].raft.transfer_leadership(3)


def test_the_log_is_kept_for_who_is_away_within_the_bound() -> None:
    group = Group(retained_bytes=10_000)
    group.elect_node(1)
    group.crash(3)
    for _ in range(50):
        group.propose(1, bytes(100))
    group.run(100)
    for node in (1, 2):
        raft = group.members[node].raft
        raft.compact(raft.commit_index, raft.term)
    group.restart(3)
    group.run(500)
    assert group.members[1].needs_snapshot == set()
    assert group.bodies(3) == group.bodies(1)


def test_beyond_the_bound_who_is_away_comes_back_by_a_snapshot() -> None:
    group = Group(retained_bytes=10_000)
    group.elect_node(1)
    group.crash(3)
    for number in range(200):
        group.propose(1, b"%4d" % number + bytes(100))
    group.run(100)
    rows = {node: list(group.members[node].applied) for node in (1, 2)}
    for node in (1, 2):
        raft = group.members[node].raft
        raft.compact(raft.commit_index, raft.term)
    group.restart(3)
    group.run_until(lambda: group.members[1].needs_snapshot == {3})
    last = rows[1][-1]
    member = group.members[3]
    member.raft.install(last.index, last.term, Configuration((1, 2, 3)))
    member.applied = rows[1]
    group.members[1].raft.snapshot_sent(3, last.index)
    group.propose(1, b"after")
    group.run_until(lambda: group.bodies(3)[-1:] == [b"after"])
    assert group.bodies(3) == group.bodies(1)
    assert group.members[1].needs_snapshot == set()


def test_between_the_record_of_a_snapshot_and_its_rows_no_entry_is_taken_in() -> None:
    group = Group()
    group.elect_node(1)
    raft = group.members[3].raft
    group.run(100)
    last_index, term = raft.last_index, raft.term
    raft.await_install()
    for _ in range(3):
        group.propose(1, b"meanwhile")
    group.run(100)
    assert raft.last_index == last_index
    base = group.members[1].applied[-1]
    raft.install(base.index, base.term, Configuration((1, 2, 3)))
    group.members[3].applied = list(group.members[1].applied)
    group.propose(1, b"after")
    group.run_until(lambda: group.bodies(3)[-1:] == [b"after"])
    assert (raft.last_index, raft.term) == (base.index + 1, term)
    assert group.bodies(3) == group.bodies(1)


def test_a_snapshot_that_failed_is_asked_for_again() -> None:
    group = Group(retained_bytes=1_000)
    group.elect_node(1)
    group.crash(3)
    for _ in range(100):
        group.propose(1, bytes(100))
    group.run(100)
    raft = group.members[1].raft
    raft.compact(raft.commit_index, raft.term)
    group.restart(3)
    group.run_until(lambda: group.members[1].needs_snapshot == {3})
    raft.snapshot_sent(3, 0)
    group.run_until(lambda: group.members[1].needs_snapshot == {3})


def test_a_restart_after_compaction_goes_on_from_the_base() -> None:
    group = Group(retained_bytes=0)
    group.elect_node(1)
    for _ in range(30):
        group.propose(1, b"x")
    group.run(200)
    applied = list(group.members[2].applied)
    raft = group.members[2].raft
    raft.compact(applied[-1].index, applied[-1].term)
    group.run(50)
    group.crash(2)
    group.start(2, group.members[2].log, applied)
    group.propose(group.elect(), b"y")
    group.run_until(lambda: group.bodies(2)[-1:] == [b"y"])
    assert group.bodies(2) == [b"x"] * 30 + [b"y"]
    assert group.members[2].raft.first_needed == applied[-1].index + 1
