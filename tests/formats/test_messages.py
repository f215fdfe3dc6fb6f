"""What nodes say to each other: every message in its frame, the lab, a session token. Golden bytes, and back."""

from typing import get_args

import msgspec
import pytest

from trilemma.base.ids import ShardId
from trilemma.cluster.messages import Forward, ForwardReply, Leadership, Status
from trilemma.lab.desk import Following, Rules, Version
from trilemma.lab.faults import Fault
from trilemma.node.token import decode_token, encode_token
from trilemma.node.wire import AnyMessage, Envelope, Frame, decode_frame, encode_frame
from trilemma.replication.leaderless.messages import Batches, Dropped, Gossip, Pull
from trilemma.replication.raft.messages import (
    AppendAccepted,
    AppendEntries,
    AppendRejected,
    PreVote,
    PreVoteReply,
    RequestVote,
    TimeoutNow,
    VoteReply,
)
from trilemma.replication.transfer import Ask, Chunk, Offer, Took

MESSAGES = {
    "PreVote": (
        PreVote(7, 300, 6),
        "940107cd012c06",
    ),
    "PreVoteReply": (
        PreVoteReply(7, 8, True),
        "94020708c3",
    ),
    "RequestVote": (
        RequestVote(8, 300, 6, False),
        "950308cd012c06c2",
    ),
    "VoteReply": (
        VoteReply(8, True, 1_700_000_000_000),
        "940408c3cf0000018bcfe56800",
    ),
    "AppendEntries": (
        AppendEntries(8, 11, 300, 6, 299, 1_700_000_000_000, 298, 297, 4, 400_000, [(8, b"payload"), (8, b"")]),
        "9c05080bcd012c06cd012bcf0000018bcfe56800cd012acd012904ce00061a80929208c4077061796c6f61649208c400",
    ),
    "AppendEntries, a heartbeat": (
        AppendEntries(8, 11, 300, 6, 299, 1_700_000_000_000, 298, 297, 0, 0, []),
        "9c05080bcd012c06cd012bcf0000018bcfe56800cd012acd0129000090",
    ),
    "AppendAccepted": (
        AppendAccepted(8, 11, 301, 302, 5),
        "9606080bcd012dcd012e05",
    ),
    "AppendRejected": (
        AppendRejected(8, 11, 300, 250, 5),
        "9607080bcd012cccfa05",
    ),
    "TimeoutNow": (
        TimeoutNow(8),
        "920808",
    ),
    "Batches": (
        Batches([(1, 2, 65_536, {1: 1, 2: 9}, b"operations")]),
        "922891950102ce000100008201010209c40a6f7065726174696f6e73",
    ),
    "Gossip": (
        Gossip({1: 2, 2: 9}, 3, 1_700_000_000_000, 17, 0),
        "9629820102020903cf0000018bcfe568001100",
    ),
    "Pull": (
        Pull({1: 2}),
        "922a810102",
    ),
    "Dropped": (
        Dropped({1: 2}),
        "922b810102",
    ),
    "Ask": (
        Ask(),
        "9146",
    ),
    "Offer": (
        Offer(70_000, b"label"),
        "9347ce00011170c4056c6162656c",
    ),
    "Chunk": (
        Chunk(70_000, 2, [(b"\x02k", b"value")], None),
        "9548ce00011170029192c402026bc40576616c7565c0",
    ),
    "Chunk, the last": (
        Chunk(70_000, 3, [], 1),
        "9548ce00011170039001",
    ),
    "Took": (
        Took(70_000, 3, False),
        "9449ce0001117003c2",
    ),
    "Status": (
        Status((1, 3), (Leadership(1024, 8, 1),), 42, 1_700_000_000_000, True),
        "96509201039193cd040008012acf0000018bcfe56800c3",
    ),
    "Forward": (
        Forward(1, 5, 2, 1024, 8, 3, 2, 42, b"units"),
        "9a51010502cd04000803022ac405756e697473",
    ),
    "Forward, a void": (
        Forward(1, 5, 2, 1024, 8, 3, 2, 42, None),
        "9a51010502cd04000803022ac0",
    ),
    "ForwardReply": (
        ForwardReply(1, 5, 1024, 8, 3, "refused", b"", "n2 leads no more"),
        "99520105cd04000803a772656675736564c400b06e32206c65616473206e6f206d6f7265",
    ),
}
CONTROL = {
    "rules": (
        Rules(Version(3, 1), [((1, 2), Fault(True, 0, 0.0)), ((2, 1), Fault(False, 80, 12.5))]),
        "9301920301929292010293c300cb00000000000000009292020193c250cb4029000000000000",
    ),
    "following": (
        Following(Version(3, 1)),
        "9202920301",
    ),
}
BEFORE = "96010203040591940102cd0400"
"""A frame of node 1 with sender, start, beat, echoed start and echo 1 to 5; one envelope from 1 to 2 for shard 1024."""


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_has_these_bytes_in_its_frame_and_comes_back(name: str) -> None:
    message, golden = MESSAGES[name]
    frame = Frame(1, 2, 3, 4, 5, [Envelope(1, 2, ShardId(1024), message)])
    assert encode_frame(frame).hex() == BEFORE + golden
    assert decode_frame(bytes.fromhex(BEFORE + golden)) == frame


def test_every_message_of_the_wire_is_among_them() -> None:
    assert {type(message) for message, _ in MESSAGES.values()} == set(get_args(AnyMessage))


@pytest.mark.parametrize("name", CONTROL)
def test_what_the_lab_tells_has_these_bytes_and_comes_back(name: str) -> None:
    message, golden = CONTROL[name]
    assert msgspec.msgpack.encode(message).hex() == golden
    assert msgspec.msgpack.decode(bytes.fromhex(golden), type=Rules | Following) == message


def test_a_session_token_is_this_word_and_comes_back() -> None:
    seen = {ShardId(2048): {1: 7, 3: 300}}
    assert encode_token(seen) == b"t1.gc0IAIIBBwPNASw="
    assert decode_token(b"t1.gc0IAIIBBwPNASw=") == seen
