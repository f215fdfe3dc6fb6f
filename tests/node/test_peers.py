"""The frames of one turn: as few as their bytes allow, for what one frame cannot hold would be made again for ever.

And what a peer's wall clock shows, by a frame that may have waited for this node to go on, and how old a frame may be.
"""

import pytest

from stage import Stage
from trilemma.base.time import Now
from trilemma.cluster.messages import Forward, Status
from trilemma.node import peers
from trilemma.node.peers import Peers
from trilemma.node.wire import Envelope, Frame, decode_frame, encode_frame

WALL_US = 1_700_000_000_000_000


def test_messages_of_one_turn_that_one_frame_does_not_hold_leave_in_several_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "FRAME_BYTES", 1_000)
    made = Stage().cluster.processes[1].node
    assert made is not None
    mine = Peers(made.config, Now(1_000_000, 1_000_000))
    sizes = [300, 300, 300, 300, 5_000, 300, 300]
    for number, size in enumerate(sizes):
        mine.send(2, 1024, Forward(1, 1, 2, 1024, 7, number, 0, 1, b"x" * size))
    frames = [frame for frame in mine.collect(0) if frame.peer == 2]
    inside = [[each.message for each in decode_frame(frame.frame).envelopes] for frame in frames]
    bodies = [[len(each.body or b"") for each in messages if isinstance(each, Forward)] for messages in inside]
    assert [size for each in bodies for size in each] == sizes
    assert [5_000] in bodies
    assert all(sum(each) <= 1_000 for each in bodies if each != [5_000])
    assert len(bodies) < len(sizes)


def told(mine: Peers, echo: int, beat: int, wall_us: int) -> bytes:
    """Return a frame of n2 with its wall clock, made when it had heard the beat `echo` of this node."""
    status = Status((1,), (), 0, wall_us // 1_000, True)
    return encode_frame(Frame(2, 1, beat, mine.starts, echo, [Envelope(2, 1, 0, status)]))


class Clocked(Peers):
    """The links of n1, whose turns are taken by hand."""

    def __init__(self) -> None:
        made = Stage().cluster.processes[1].node
        assert made is not None
        self.starts = made.config.starts
        self.timeout_us = made.config.timing.link_timeout_us
        super().__init__(made.config, Now(0, WALL_US))

    def beat(self) -> int:
        """Send the due frames; return the number of the beat that n2 hears."""
        self.send(2, 0, Status((), (), 0, 0, True))
        (frame,) = [each for each in self.collect(0) if each.peer == 2]
        return decode_frame(frame.frame).beat


def test_a_wall_clock_is_heard_when_its_frame_comes_not_when_the_turn_before_was() -> None:
    mine = Clocked()
    echo = mine.beat()
    mine.receive(2, told(mine, echo, 1, WALL_US + 300_000))
    mine.advance(Now(300_000, WALL_US + 300_000))
    assert mine.wall_offsets_ms() == {2: 0}


def test_what_came_while_the_node_stood_still_tells_nothing_of_a_wall_clock() -> None:
    """Its own was set ahead meanwhile by about as long: they seemed to agree."""
    mine = Clocked()
    echo = mine.beat()
    mine.receive(2, told(mine, echo, 1, WALL_US + 1_000))
    mine.advance(Now(1_000, WALL_US + 1_000))
    assert mine.wall_offsets_ms() == {2: 0}
    stood_us, ahead_us = 2_000_000, 2_600_000
    mine.receive(2, told(mine, echo, 2, WALL_US + stood_us - mine.timeout_us))
    resumed = Now(stood_us, WALL_US + stood_us + ahead_us)
    mine.advance(resumed)
    echo = mine.beat()
    mine.receive(2, encode_frame(Frame(2, 1, 3, mine.starts, echo, [])))
    mine.advance(Now(resumed.mono_us + 1_000, resumed.wall_us + 1_000))
    assert mine.wall_offsets_ms() == {2: -ahead_us // 1_000}


def test_a_frame_was_made_no_earlier_than_the_beat_was_sent_that_it_echoes() -> None:
    mine = Clocked()
    first = mine.beat()
    mine.advance(Now(50_000, WALL_US))
    second = mine.beat()
    mine.advance(Now(9_000_000, WALL_US))
    of_an_earlier_start = encode_frame(Frame(2, 1, 3, mine.starts - 1, second, []))
    frames = [told(mine, echo, beat, WALL_US) for beat, echo in enumerate((0, first, first, second, first), 1)]
    assert [mine.receive(2, frame)[1] for frame in [*frames, of_an_earlier_start]] == [None, 0, 0, 50_000, None, None]
