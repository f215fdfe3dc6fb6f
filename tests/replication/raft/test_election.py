"""Elections: one leader a term, none with a stale log, no disturbance by who is cut off (paper §5.2, §5.4.1)."""

from random import Random

import pytest

from raft_group import Group
from trilemma.replication.raft.messages import RequestVote, VoteReply
from trilemma.replication.raft.roles import Role


def test_one_replica_alone_leads_at_once() -> None:
    group = Group(1)
    group.run(3)
    assert group.leaders() == [1]


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_leader_is_elected_soon(size: int) -> None:
    group = Group(size)
    group.run_until(lambda: len(group.leaders()) == 1, ms=1_000)


@pytest.mark.parametrize("seed", range(12))
def test_a_term_has_one_leader_whatever_the_network_does(seed: int) -> None:
    random = Random(seed)
    group = Group(3 + 2 * (seed % 2))
    group.drop = lambda sender, to, message: random.random() < 0.1
    led: dict[int, int] = {}
    for ms in range(8_000):
        if ms % 800 == 0:
            group.isolate_at_random(random)
        if random.random() < 0.0005:
            group.crash(random.choice(group.voters))
        if random.random() < 0.003 and group.stopped:
            group.restart(min(group.stopped))
        group.step()
        for node in group.leaders():
            term = group.members[node].raft.term
            assert led.setdefault(term, node) == node
    assert len(led) > 1


def test_a_stale_log_is_not_elected() -> None:
    group = Group()
    group.elect_node(1)
    group.isolate(3)
    index = group.propose(1, b"acknowledged")
    group.run_until(lambda: bool(group.bodies(2)))
    group.crash(1)
    group.cut.clear()
    assert group.elect() == 2
    assert group.members[2].raft.last_index > (index or 0)


def test_who_was_cut_off_does_not_raise_the_term() -> None:
    group = Group()
    group.elect_node(1)
    term = group.members[1].raft.term
    group.isolate(3)
    group.run(10_000)
    group.cut.clear()
    group.run(2_000)
    assert group.leaders() == [1]
    assert {member.raft.term for member in group.members.values()} == {term}


@pytest.mark.parametrize("pair", [(1, 3), (3, 1), (1, 2), (2, 3), (3, 2)])
def test_terms_do_not_climb_under_a_one_way_cut(pair: tuple[int, int]) -> None:
    group = Group()
    group.elect_node(1)
    term = group.members[1].raft.term
    group.cut.add(pair)
    group.run(30_000)
    terms = [member.raft.term for member in group.members.values()]
    assert max(terms) <= term + 1
    assert len(group.leaders()) == 1


def test_terms_do_not_climb_where_the_loss_is_not_noticed_by_the_links() -> None:
    group = Group()
    group.elect_node(1)
    term = group.members[1].raft.term
    group.drop = lambda sender, to, message: sender == 1 and to == 3
    group.run(30_000)
    # n3 hears no leader and asks for pre-votes, which n1 and n2 refuse.
    assert max(member.raft.term for member in group.members.values()) == term
    assert group.leaders() == [1]


def test_a_leader_without_its_majority_steps_down_at_once_where_the_links_say_so() -> None:
    group = Group()
    group.elect_node(1)
    group.isolate(1)
    group.run(1)
    assert group.leaders() == []


def test_a_leader_whose_voters_are_silent_steps_down_within_the_detection_time() -> None:
    group = Group()
    group.elect_node(1)
    group.drop = lambda sender, to, message: to == 1
    group.run(group.timing.detection_us // 1_000 + 10)
    assert not group.members[1].raft.is_leader


def test_another_leader_follows_a_dead_one_within_a_second() -> None:
    group = Group()
    group.elect_node(1)
    group.crash(1)
    group.run_until(lambda: group.leaders() in ([2], [3]), ms=1_000)


def slow_group(size: int, sync_us: int) -> Group:
    """A group whose leader stands, and whose disks have become slow."""
    group = Group(size)
    group.elect_node(1)
    for member in group.members.values():
        member.sync_us = sync_us
    return group


@pytest.mark.parametrize(("size", "sync_us"), [(3, 500_000), (5, 500_000), (3, 2_000_000)])
def test_another_leader_follows_a_dead_one_though_all_disks_are_slow(size: int, sync_us: int) -> None:
    group = slow_group(size, sync_us)
    group.crash(1)
    term = max(member.raft.term for member in group.members.values())
    # The candidate's vote, the voters' and the leader's first entry are three syncs.
    group.run_until(lambda: any(group._leads(node) for node in group.leaders()), ms=1_000 + 6 * sync_us // 1_000)
    assert max(member.raft.term for member in group.members.values()) <= term + 2


def test_a_vote_counts_though_its_candidate_has_given_up_waiting_as_long_as_its_term_does() -> None:
    group = slow_group(3, 1_000)
    group.crash(1)
    group.run_until(lambda: any(m.raft.role is Role.CANDIDATE for m in group.members.values()))
    candidate = next(node for node, m in group.members.items() if m.raft.role is Role.CANDIDATE)
    group.members[5 - candidate].sync_us = 3_000_000
    group.run(2_900)
    assert group.members[candidate].raft.role is not Role.CANDIDATE
    group.run(200)
    assert group.leaders() == [candidate]


def test_a_candidate_does_not_wait_for_the_votes_of_those_it_does_not_reach() -> None:
    group = slow_group(3, 1_000_000)
    group.crash(1)
    group.run_until(lambda: any(m.raft.role is Role.CANDIDATE for m in group.members.values()), ms=3_000)
    candidate = next(node for node, m in group.members.items() if m.raft.role is Role.CANDIDATE)
    group.run(100)
    assert group.members[candidate].raft.role is Role.CANDIDATE
    group.isolate(candidate)
    group.run(2)
    assert group.members[candidate].raft.role is Role.FOLLOWER


def test_a_term_is_led_once_though_a_vote_of_it_comes_after_its_end() -> None:
    group = Group()
    group.members[3].sync_us = 2_000_000
    group.run_until(lambda: bool(group.leaders()), ms=1_000)
    (leader,) = group.leaders()
    term = group.members[leader].raft.term
    group.isolate(leader)
    group.run(10)
    group.cut.clear()
    group.drop = lambda sender, to, message: not (sender == 3 and isinstance(message, VoteReply))
    group.sent.clear()
    group.run(2_200)
    assert any(isinstance(message, VoteReply) and message.term == term for *_, message in group.sent)
    assert group.leaders() == []
    assert group.members[leader].raft.has_led(term)


def test_a_candidate_with_a_slow_disk_asks_again_what_was_lost() -> None:
    group = slow_group(3, 2_000_000)
    group.crash(1)
    group.sent.clear()
    group.drop = lambda sender, to, message: isinstance(message, RequestVote)
    group.run_until(lambda: any(isinstance(message, RequestVote) for *_, message in group.sent))
    term = max(member.raft.term for member in group.members.values())
    group.drop = lambda sender, to, message: False
    group.run_until(lambda: group.leaders() in ([2], [3]), ms=3_000)
    assert max(member.raft.term for member in group.members.values()) == term


def test_a_leader_stands_where_no_other_disk_is_much_faster_than_its_own() -> None:
    group = slow_group(3, 2_000_000)
    group.members[1].sync_us = 3_000_000
    term = group.members[1].raft.term
    index = group.propose(1, b"x")
    group.run_until(lambda: group.members[1].raft.commit_index == index)
    group.run(1_500)
    assert group.members[1].raft.term == term


def test_a_leader_with_the_slowest_disk_hands_over() -> None:
    group = Group()
    group.elect_node(1)
    group.members[1].sync_us = 3_000_000
    group.propose(1, b"x")
    group.run_until(lambda: group.leaders() in ([2], [3]), ms=1_500)


def test_a_vote_is_durable_before_it_is_said() -> None:
    group = Group()
    group.elect_node(1)
    group.members[2].sync_us = 50_000
    group.members[3].sync_us = 50_000
    group.sent.clear()
    group.crash(1)
    group.run_until(lambda: any(isinstance(message, VoteReply) for *_, message in group.sent))
    asked = next(message for *_, message in group.sent if isinstance(message, RequestVote))
    voter = next(sender for sender, _, message in group.sent if isinstance(message, VoteReply))
    group.crash(voter)
    group.restart(voter)
    assert group.members[voter].raft.term == asked.term


def test_a_restarted_voter_refuses_as_long_as_a_lease_it_supported_may_live() -> None:
    group = Group()
    group.elect_node(1)
    group.crash(2)
    group.restart(2)
    group.sent.clear()
    group.isolate(1)
    refusal_ms = (group.timing.lease_us + group.timing.margin_us) // 1_000
    group.run(refusal_ms - 10)
    granted = [m for sender, _, m in group.sent if sender == 2 and isinstance(m, VoteReply) and m.granted]
    assert granted == []
    group.run_until(lambda: group.leaders() in ([2], [3]))
