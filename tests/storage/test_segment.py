"""Segments: golden bytes, torn tails of every length, damage told from tearing."""

from struct import Struct

import pytest

from trilemma.base.ids import ShardId
from trilemma.storage import recovery
from trilemma.storage.port import LogRecord, RecordKind
from trilemma.storage.recovery import check_chain, read_segment
from trilemma.storage.segment import (
    SEGMENT_HEADER_BYTES,
    CorruptLogError,
    Group,
    SegmentHeader,
    encode_group,
    encode_header,
    group_magic,
)

ID = 0x0123456789ABCDEF
HEADER = encode_header(SegmentHeader(3, ID, 77))


def record(index: int, body: bytes = b"body") -> LogRecord:
    return LogRecord(RecordKind.ENTRY, ShardId(1024), 0, index, 7, body)


def test_the_bytes_of_header_and_group_are_these() -> None:
    assert (
        HEADER.hex()
        == "5452494c4f47000100020000000000000003" + "0123456789abcdef" + "000000000000004d" + HEADER[-4:].hex()
    )
    group = encode_group(ID, 5, [record(9)])
    assert group[:16].hex() == "01234567" + "00000021" + "0000000000000005"
    assert (
        group[20:].hex()
        == "03" + "00000400" + "00000000" + "0000000000000009" + "0000000000000007" + "00000004" + b"body".hex()
    )


def test_the_bytes_of_an_idle_marker_are_these() -> None:
    marker = encode_group(ID, 0x1234, [])
    assert marker[:16].hex() == "01234567" + "00000000" + "0000000000001234"
    assert len(marker) == 20
    found = read_segment(HEADER + marker)
    assert found is not None
    assert [(group.durable, group.records) for group in found.groups] == [(0x1234, [])]


def test_the_last_record_is_not_cut_off_where_a_marker_says_that_it_was_durable() -> None:
    data, ends = groups(2)
    data += encode_group(ID, ends[1], [])
    position = ends[1] - 1
    with pytest.raises(CorruptLogError, match=f"damaged at offset {ends[0]}, which was durable"):
        read_segment(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])


def groups(count: int, durable: bool = False) -> tuple[bytes, list[int]]:
    data, ends = HEADER, []
    for index in range(1, count + 1):
        data += encode_group(ID, len(data) if durable else 0, [record(index), record(index + 100, b"")])
        ends.append(len(data))
    return data, ends


def test_a_tail_cut_at_any_byte_leaves_the_groups_before_it() -> None:
    data, ends = groups(3)
    for cut in range(SEGMENT_HEADER_BYTES, len(data)):
        torn = data[:cut] + bytes(50)
        found = read_segment(torn)
        assert found is not None
        # What was cut may itself have been zeros: then nothing is missing.
        assert found.end == max([SEGMENT_HEADER_BYTES, *(end for end in ends if torn[:end] == data[:end])])


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_in_the_last_group_cuts_it_off(bit: int) -> None:
    data, ends = groups(2)
    for position in range(ends[0], ends[1]):
        flipped = data[:position] + bytes([data[position] ^ 1 << bit]) + data[position + 1 :]
        found = read_segment(flipped)
        assert found is not None
        assert found.end == ends[0]


def test_damage_before_what_a_later_group_calls_durable_is_refused() -> None:
    data, ends = groups(3, durable=True)
    position = ends[0] + 25
    damaged = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
    with pytest.raises(CorruptLogError, match=r"segment 3 is damaged at offset .* shard 1024, stream 0, index 101"):
        read_segment(damaged)


def test_the_same_damage_where_nothing_was_called_durable_is_a_torn_tail() -> None:
    data, ends = groups(3)
    position = ends[0] + 25
    found = read_segment(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
    assert found is not None
    assert found.end == ends[0]


def test_a_group_of_an_older_file_at_the_same_place_is_not_taken_for_one_of_this() -> None:
    data, _ = groups(1)
    found = read_segment(data + encode_group(ID + 1, 0, [record(2)]))
    assert found is not None
    assert [each.index for group in found.groups for each in group.records] == [1, 101]


def test_a_value_full_of_what_looks_like_groups_is_not_read_group_by_group_behind_a_torn_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, ends = groups(1)
    forged = Struct(">4sIQI").pack(b"\xc7GR\x1e", 1000, 1 << 40, 0) * 500
    data += encode_group(ID, 0, [record(2, forged)])[:-1]
    looked_at: list[int] = []

    def read_group(data: bytes, start: int, identity: int) -> Group | None:
        looked_at.append(start)
        return read_one(data, start, identity)

    read_one = recovery.read_group
    monkeypatch.setattr(recovery, "read_group", read_group)
    found = read_segment(data)
    assert found is not None
    assert found.end == ends[0]
    assert looked_at == [SEGMENT_HEADER_BYTES, ends[0], ends[0]]


def test_the_magic_of_groups_is_of_the_segment_and_never_zeros() -> None:
    assert group_magic(ID) != group_magic(ID ^ 1 << 40)
    assert group_magic(0) != bytes(4)


def test_a_segment_shorter_than_the_next_one_remembers_is_refused() -> None:
    data, ends = groups(2)
    short = read_segment(data[: ends[0]])
    after = read_segment(encode_header(SegmentHeader(4, 1, ends[1])))
    assert short is not None
    assert after is not None
    with pytest.raises(CorruptLogError, match="it was durable up to"):
        check_chain([short, after])


def test_a_missing_segment_is_refused() -> None:
    first = read_segment(encode_header(SegmentHeader(1, 1, 0)))
    third = read_segment(encode_header(SegmentHeader(3, 1, 0)))
    assert first is not None
    assert third is not None
    with pytest.raises(CorruptLogError, match="segment 2 is missing"):
        check_chain([first, third])


def test_a_header_that_was_never_written_whole_is_no_segment() -> None:
    assert read_segment(HEADER[:-1]) is None
    assert read_segment(bytes(100)) is None


def test_another_version_is_refused_in_words() -> None:
    packed = bytearray(HEADER)
    packed[9] = 1
    from zlib import crc32

    packed[-4:] = crc32(bytes(packed[:-4])).to_bytes(4, "big")
    with pytest.raises(CorruptLogError, match="format version 1, this release reads 2"):
        read_segment(bytes(packed))
