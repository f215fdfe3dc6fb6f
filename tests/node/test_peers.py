"""The frames of one turn: as few as their bytes allow, for what one frame cannot hold would be made again for ever."""

import pytest

from stage import Stage
from trilemma.base.time import Now
from trilemma.cluster.messages import Forward
from trilemma.node import peers
from trilemma.node.peers import Peers
from trilemma.node.wire import decode_frame


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
