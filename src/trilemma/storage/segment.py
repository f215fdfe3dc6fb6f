"""The bytes of a log segment: a header, then groups of records, then zeros (docs/formats.md).

    segment   magic 8s | version u16 | number u64 | id u64 | end of the segment before u64 | crc u32
    group     magic 4s | length u32 | durable offset u64 | crc u32 | records
    record    kind u8 | shard u32 | stream u32 | index u64 | term u64 | length u32 | body

All big-endian. A group is what one turn wrote: it is there whole or not at all. Its magic is the higher half of the
segment's random id, made odd: a client that wrote what looks like many groups into a value would have whoever looks
for groups behind a bad end read them all, each to its end. Its checksum is seeded with the id, so that what an older
file left behind never passes for one. The durable offset is how far this
segment was known durable when the group was made; a group without records is a marker that only says that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from zlib import crc32

from trilemma.base.ids import ShardId
from trilemma.storage.port import LogRecord

VERSION = 2
SEGMENT_MAGIC = b"TRILOG\x00\x01"
GROUP_BYTES_MAX = 1 << 30

_SEGMENT = Struct(">8sHQQQ")
_GROUP = Struct(">4sIQI")
_RECORD = Struct(">BIIQQI")
_CRC = Struct(">I")
_LENGTH = Struct(">I")
_MAGIC = Struct(">I")
_DURABLE = Struct(">Q")

SEGMENT_HEADER_BYTES = _SEGMENT.size + _CRC.size
GROUP_HEADER_BYTES = _GROUP.size
RECORD_HEADER_BYTES = _RECORD.size


class CorruptLogError(Exception):
    """The log is damaged where it was durable; the text names the place. The node must not start on it."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself. `previous_end`: where the segment before it ended, 0 for the first."""

    number: int
    id: int
    previous_end: int


def encode_header(header: SegmentHeader) -> bytes:
    """Return the first bytes of a segment."""
    packed = _SEGMENT.pack(SEGMENT_MAGIC, VERSION, header.number, header.id, header.previous_end)
    return packed + _CRC.pack(crc32(packed))


def decode_header(data: bytes) -> SegmentHeader | None:
    """Return a segment's header, or None where it was never written whole.

    Raises:
        CorruptLogError: the segment is of another version.
    """
    if len(data) < SEGMENT_HEADER_BYTES:
        return None
    packed = data[: _SEGMENT.size]
    magic, version, number, identity, previous_end = _SEGMENT.unpack(packed)
    if magic != SEGMENT_MAGIC or _CRC.unpack_from(data, _SEGMENT.size)[0] != crc32(packed):
        return None
    if version != VERSION:
        raise CorruptLogError(f"segment {number} has format version {version}, this release reads {VERSION}")
    return SegmentHeader(number, identity, previous_end)


def group_magic(identity: int) -> bytes:
    """Return what every group of the segment with this id begins with; never zeros."""
    return _MAGIC.pack(identity >> 32 | 1)


def _checksum(identity: int, durable: int, body: bytes) -> int:
    seed = (identity ^ (identity >> 32)) & 0xFFFFFFFF
    return crc32(body, crc32(_LENGTH.pack(len(body)) + _DURABLE.pack(durable), seed))


def encode_group(identity: int, durable: int, records: Sequence[LogRecord]) -> bytes:
    """Return the bytes of a group. Cost: one join and one checksum for all its records."""
    parts: list[bytes] = []
    pack = _RECORD.pack
    for kind, shard, stream, index, term, body in records:
        parts.append(pack(kind, shard, stream, index, term, len(body)))
        parts.append(body)
    body = b"".join(parts)
    return _GROUP.pack(group_magic(identity), len(body), durable, _checksum(identity, durable, body)) + body


def record_offsets(start: int, records: Sequence[LogRecord]) -> list[int]:
    """Return where each record of a group that begins at `start` begins."""
    offsets = []
    offset = start + GROUP_HEADER_BYTES
    for record in records:
        offsets.append(offset)
        offset += RECORD_HEADER_BYTES + len(record.body)
    return offsets


def decode_record(data: bytes, offset: int = 0) -> LogRecord:
    """Return the record at an offset."""
    kind, shard, stream, index, term, length = _RECORD.unpack_from(data, offset)
    start = offset + RECORD_HEADER_BYTES
    return LogRecord(kind, ShardId(shard), stream, index, term, data[start : start + length])


@dataclass(frozen=True, slots=True)
class Group:
    """A group as it was found."""

    start: int
    end: int
    durable: int
    records: list[LogRecord]


def read_group(data: bytes, start: int, identity: int) -> Group | None:
    """Return the group at an offset, or None where there is no whole and undamaged one."""
    if start + GROUP_HEADER_BYTES > len(data):
        return None
    magic, length, durable, checksum = _GROUP.unpack_from(data, start)
    end = start + GROUP_HEADER_BYTES + length
    if magic != group_magic(identity) or length > GROUP_BYTES_MAX or end > len(data):
        return None
    body = data[start + GROUP_HEADER_BYTES : end]
    if _checksum(identity, durable, body) != checksum:
        return None
    records = []
    offset = 0
    while offset < length:
        record = decode_record(body, offset)
        records.append(record)
        offset += RECORD_HEADER_BYTES + len(record.body)
    return Group(start, end, durable, records)
