"""Reads: by a confirmed round, by the leader's lease, by a lent one (thesis §6.4; Moraru et al. 2014; PROTOCOLS §3)."""

import pytest

from raft_group import Group
from trilemma.replication.port import EntryKind
from trilemma.replication.raft.messages import AppendAccepted, AppendEntries
from trilemma.replication.raft.settings import Settings, encode_settings


def test_a_read_is_confirmed_by_a_majority_and_names_the_commit_index() -> None:
    group = Group()
    group.elect_node(1)
    index = group.propose(1, b"x")
    group.run(20)
    assert group.members[1].raft.read_index(7)
    group.run(10)
    assert group.members[1].reads == {7: index}


def test_a_read_is_not_confirmed_by_answers_to_what_left_before_it() -> None:
    group = Group()
    group.elect_node(1)
    group.run(200)
    group.drop = lambda sender, to, message: sender == 1
    # Answers to earlier rounds still come in; no new round reaches anyone.
    assert group.members[1].raft.read_index(7)
    group.run(300)
    assert 7 not in group.members[1].reads


def test_reads_fail_when_the_leader_steps_down() -> None:
    group = Group()
    group.elect_node(1)
    group.isolate(1)
    assert group.members[1].raft.read_index(7)
    group.run(5)
    assert group.members[1].failed_reads == [7]
    assert 7 not in group.members[1].reads
    assert not group.members[1].raft.read_index(8)


def test_a_new_leader_confirms_no_read_before_an_entry_of_its_own_term_is_committed() -> None:
    group = Group()
    group.elect_node(1)
    group.propose(1, b"x")
    group.run(50)
    # The others' disks stop, so that n2's first entry stays uncommitted.
    assert group.members[1].raft.transfer_leadership(2)
    group.drop = lambda sender, to, message: isinstance(message, AppendEntries) and bool(message.entries)
    group.run_until(lambda: group.leaders() == [2])
    assert group.members[2].raft.read_index(7)
    assert not group.members[2].raft.lease_read_ok()
    group.run(100)
    assert 7 not in group.members[2].reads
    group.drop = lambda sender, to, message: False
    group.run(600)
    assert 7 in group.members[2].reads


@pytest.mark.parametrize("seed", range(6))
def test_no_other_leader_is_elected_while_a_lease_lives(seed: int) -> None:
    group = Group()
    group.starts = 100 * seed
    for node in group.voters:
        group.crash(node)
        group.restart(node)
    old = group.elect()
    # Nothing reaches the old leader, whose links do not notice: it believes in its lease as long as it may.
    group.drop = lambda sender, to, message: old in (sender, to)
    others = [node for node in group.voters if node != old]
    ended = 0
    for ms in range(3_000):
        group.step()
        elected = any(group.members[node].raft.is_leader for node in others)
        if group.members[old].raft.lease_read_ok():
            ended = ms
            assert not elected
        if elected:
            break
    assert 0 < ended < ms


def test_a_handover_ends_the_lease_for_the_rest_of_the_term() -> None:
    group = Group()
    group.elect_node(1)
    raft = group.members[1].raft
    group.drop = lambda sender, to, message: to == 2 and not isinstance(message, AppendEntries)
    assert raft.lease_read_ok()
    assert raft.transfer_leadership(2)
    group.run(50)
    # TimeoutNow left and was lost; but it might have arrived.
    assert raft.is_leader
    group.run(2_000)
    assert raft.is_leader
    assert not raft.lease_read_ok()
    assert raft.read_index(3)
    group.run(10)
    assert 3 in group.members[1].reads


def leased() -> Group:
    """Return a group whose followers hold leases from n1."""
    group = Group(leases=True)
    group.elect_node(1)
    group.run_until(lambda: all(group.members[node].raft.local_read_index() is not None for node in (2, 3)))
    return group


def test_a_holder_knows_of_every_commit() -> None:
    group = leased()
    for number in range(50):
        index = group.propose(1, b"%d" % number)
        group.run_until(lambda: group.members[1].raft.commit_index == index)  # noqa: B023
        for node in (2, 3):
            assert group.members[node].raft.local_read_index() is not None
            assert group.members[node].raft.last_index >= (index or 0)


def test_a_commit_waits_until_the_lease_of_an_unreachable_holder_has_ended() -> None:
    group = leased()
    group.isolate(3)
    index = group.propose(1, b"x")
    for _ in range(2_000):
        group.step()
        committed = group.members[1].raft.commit_index == index
        if committed:
            break
        assert group.members[1].raft.commit_index < (index or 0)
    assert committed
    assert group.members[3].raft.local_read_index() is None
    assert group.now_us > 1_000_000 + group.timing.margin_us


def test_a_holder_that_hears_nothing_reads_no_more_when_the_write_is_committed() -> None:
    group = leased()
    group.drop = lambda sender, to, message: to == 3
    index = group.propose(1, b"x")
    for _ in range(2_000):
        group.step()
        if group.members[1].raft.commit_index == index:
            break
        # Until then a read at n3 that does not see x is in order.
    assert group.members[1].raft.commit_index == index
    assert group.members[3].raft.local_read_index() is None


def test_a_new_leader_waits_for_leases_that_the_old_one_may_have_lent() -> None:
    group = leased()
    group.drop = lambda sender, to, message: 3 in (sender, to)
    held_until = 0
    group.crash(1)
    group.restart(1)
    new = group.elect()
    index = group.propose(new, b"x")
    for _ in range(3_000):
        if group.members[3].raft.local_read_index() is not None:
            held_until = group.now_us
        if index is not None and group.members[new].raft.commit_index >= index:
            break
        group.step()
    assert held_until < group.now_us


def test_leases_can_be_switched_off_and_a_holder_gives_its_up() -> None:
    group = leased()
    group.run(100)
    assert all(group.members[node].raft.grants_leases for node in (1, 2, 3))

    raft = group.members[1].raft
    assert raft.propose(EntryKind.SETTINGS, encode_settings(Settings(leases=False))) is not None
    group.run(2_000)
    assert not raft.grants_leases
    assert [group.members[node].raft.local_read_index() for node in (2, 3)] == [None, None]


def test_a_grant_from_before_a_restart_is_no_answer_to_a_request_after_it() -> None:
    group = leased()
    requests = {message.lease_request for sender, _, message in group.sent
                if sender == 3 and isinstance(message, AppendAccepted)}  # fmt: skip
    group.crash(3)
    group.restart(3)
    raft = group.members[3].raft
    group.sent.clear()
    group.run(500)
    again = {message.lease_request for sender, _, message in group.sent
             if sender == 3 and isinstance(message, AppendAccepted)}  # fmt: skip
    assert raft.local_read_index() is not None
    assert not (requests & again) - {0}
