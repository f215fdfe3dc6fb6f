"""Frames out of a stream of bytes, however it is cut; lengths are hostile until proven."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trilemma.runtime.framing import FrameReader, FramingError, Kind, frame


def all_frames(reader: FrameReader) -> list[tuple[int, bytes]]:
    found = []
    while (one := reader.next()) is not None:
        found.append(one)
    return found


@given(st.lists(st.tuples(st.sampled_from(list(Kind)), st.binary(max_size=40)), max_size=8), st.integers(1, 50))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    frames: list[tuple[Kind, bytes]], piece: int
) -> None:
    stream = b"".join(frame(kind, body) for kind, body in frames)
    reader = FrameReader(40)
    found = []
    for start in range(0, len(stream), piece):
        reader.feed(stream[start : start + piece])
        found += all_frames(reader)
    assert found == frames


def test_the_bytes_of_a_frame_are_length_kind_body() -> None:
    assert frame(Kind.NODE, b"abc") == bytes.fromhex("00000004 02 616263")


@pytest.mark.parametrize("length", ["00000000", "0000002a", "ffffffff"])
def test_a_length_out_of_bounds_ends_the_stream_before_its_body_came(length: str) -> None:
    reader = FrameReader(40)
    reader.feed(bytes.fromhex(length) + b"\x02")
    with pytest.raises(FramingError):
        reader.next()


def test_the_bound_can_be_raised_between_two_frames() -> None:
    reader = FrameReader(4)
    reader.feed(frame(Kind.HANDSHAKE, b"1234") + frame(Kind.NODE, b"12345678"))
    assert reader.next() == (Kind.HANDSHAKE, b"1234")
    reader.bytes_max = 8
    assert reader.next() == (Kind.NODE, b"12345678")
