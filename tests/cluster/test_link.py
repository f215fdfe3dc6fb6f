"""Links: up only while one's own echo is young (PROTOCOLS §1.1)."""

from trilemma.cluster.link import BEAT_SPACING_US, Link

TIMEOUT_US = 400_000


def test_a_link_is_down_until_an_own_beat_comes_back() -> None:
    link = Link(2, TIMEOUT_US)
    link.next_beat(0)
    assert not link.is_up(1_000)
    link.heard(1, 1, 0)
    assert not link.is_up(1_000)
    link.heard(1, 2, 1)
    assert link.is_up(1_000)


def test_an_echo_is_as_old_as_the_sending_of_the_beat_not_its_arrival() -> None:
    link = Link(2, TIMEOUT_US)
    beat = link.next_beat(0)
    link.heard(1, 1, beat)
    assert link.is_up(TIMEOUT_US - 1)
    assert not link.is_up(TIMEOUT_US)


def test_a_late_echo_of_an_old_beat_does_not_make_the_link_younger() -> None:
    link = Link(2, TIMEOUT_US)
    old = link.next_beat(0)
    new = link.next_beat(100_000)
    link.heard(1, 2, new)
    link.heard(1, 3, old)
    assert link.confirmed_us() == 100_000


def test_hearing_without_being_heard_leaves_the_link_down_at_both_ends() -> None:
    here, there = Link(2, TIMEOUT_US), Link(1, TIMEOUT_US)
    for now in range(0, 2_000_000, 80_000):
        here.next_beat(now)  # these are lost
        here.heard(1, there.next_beat(now), there.peer_beat)
    assert not here.is_up(2_000_000)
    assert not there.is_up(2_000_000)


def test_a_restarted_peer_is_noticed_once_and_frames_of_its_earlier_start_are_stale() -> None:
    link = Link(2, TIMEOUT_US)
    assert link.heard(1, 50, 0)
    assert link.heard(2, 1, 0)
    assert not link.heard(2, 2, 0)
    link.heard(1, 60, 0)
    assert link.peer_beat == 2


def test_frames_in_quick_succession_share_a_beat() -> None:
    link = Link(2, TIMEOUT_US)
    first = link.next_beat(0)
    assert link.next_beat(BEAT_SPACING_US - 1) == first
    assert link.next_beat(BEAT_SPACING_US) == first + 1


def test_a_frame_is_no_older_than_the_beat_that_it_echoes_unless_a_later_one_overtook_it() -> None:
    link = Link(2, TIMEOUT_US)
    old = link.next_beat(0)
    new = link.next_beat(100_000)
    assert link.echoed_us(0) is None
    link.heard(1, 1, old)
    assert link.echoed_us(old) == 0
    link.heard(1, 3, new)
    assert link.echoed_us(new) == 100_000
    assert link.echoed_us(old) is None
