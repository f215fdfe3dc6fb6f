"""The reply decoder: gives back what was encoded, in any chunks, and refuses the rest without growing."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trilemma.resp.decode import MalformedReply, ReplyDecoder, ReplyLimits, decode_reply
from trilemma.resp.reply import (
    NIL_ARRAY,
    BigNumber,
    ErrorReply,
    MapReply,
    Push,
    Reply,
    SetReply,
    Simple,
    Verbatim,
    encode,
)

lines = st.binary(max_size=20).map(lambda text: text.replace(b"\r", b"").replace(b"\n", b""))
flat = st.one_of(
    st.binary(max_size=20),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False),
    lines.map(Simple),
    lines.map(lambda text: ErrorReply(text.decode("utf-8", "surrogateescape"))),
    st.binary(max_size=20).map(Verbatim),
    st.integers(-(10**50), 10**50).map(BigNumber),
)
values = st.recursive(
    flat,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple).map(SetReply),
        st.lists(inner, max_size=4).map(tuple).map(Push),
        st.lists(st.tuples(inner, inner), max_size=3).map(tuple).map(MapReply),
    ),
    max_leaves=12,
)


def decode(*chunks: bytes, limits: ReplyLimits | None = None) -> tuple[list[Reply], str | None]:
    decoder = ReplyDecoder(limits)
    found: list[Reply] = []
    for chunk in chunks:
        decoder.feed(chunk)
        found += decoder.replies()
    return found, None if decoder.error is None else str(decoder.error)


@given(st.lists(values, max_size=4), st.lists(st.integers(0, 300), max_size=6))
def test_decoding_what_was_encoded_gives_it_back(replies: list[Reply], points: list[int]) -> None:
    data = b"".join(encode(reply, 3) for reply in replies)
    edges = [0, *sorted(min(point, len(data)) for point in points), len(data)]
    assert decode(*(data[start:end] for start, end in pairwise(edges))) == (replies, None)


@given(
    st.one_of(
        st.binary(max_size=40),
        st.lists(st.one_of(values.map(lambda v: encode(v, 3)), st.binary(max_size=4)), max_size=4).map(b"".join),
    )
)
def test_any_bytes_decode_alike_whole_and_byte_by_byte(data: bytes) -> None:
    assert decode(data) == decode(*(data[i : i + 1] for i in range(len(data))))


def test_nils_of_resp2_are_told_apart() -> None:
    assert decode(b"$-1\r\n*-1\r\n_\r\n") == ([None, NIL_ARRAY, None], None)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"?\r\n",
        b"$-2\r\n",
        b"$abc\r\n",
        b"$16777217\r\n",
        b"*1048577\r\n",
        b"%-1\r\n",
        b":+1\r\n",
        b":01\r\n",
        b"_x\r\n",
        b"#x\r\n",
        b",one\r\n",
        b"(1x\r\n",
        b"(" + b"1" * 5000 + b"\r\n",
        b"=3\r\nabc\r\n",
        b"$1\r\nabc",
        b"+" + b"x" * 70_000,
        b"*1\r\n" * 33,
    ],
)
def test_what_is_no_reply_ends_the_stream_after_the_replies_before_it(data: bytes) -> None:
    replies, error = decode(b":1\r\n" + data, b":2\r\n")
    assert replies == [1]
    assert error is not None


def test_a_line_of_exactly_the_bound_may_be_cut_before_its_lf() -> None:
    text = b"x" * (64 * 1024 - 1)
    assert decode(b"+" + text + b"\r", b"\n") == ([Simple(text)], None)


def test_a_reply_of_many_parts_is_bounded_as_a_whole() -> None:
    limits = ReplyLimits(reply_bytes_max=100)
    assert decode(b"*50\r\n" + b"*0\r\n" * 50, limits=limits)[1] == "a reply is too large"
    assert decode(b"*0\r\n" * 50, limits=limits) == ([[]] * 50, None)


def test_one_reply_is_decoded_at_once() -> None:
    assert decode_reply(b"*2\r\n:1\r\n:2\r\n") == [1, 2]


@pytest.mark.parametrize("data", [b"", b":1\r\n:2\r\n", b":1", b"*2\r\n:1\r\n", b":1\r\n:", b":x\r\n"])
def test_more_or_less_than_one_reply_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedReply):
        decode_reply(data)
