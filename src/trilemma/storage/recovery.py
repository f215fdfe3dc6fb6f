"""Reading a log back: where it ends, and whether what is missing was never promised or was lost (PROTOCOLS §6.1).

A bad group behind which a good one names a durable offset beyond it was durable once: that is damage, and the node
must not start. So is a bad header behind which anything stands: it was durable before that was written. Anything else
that is bad at the end is the torn tail of a crash: it is cut. That the newest segment is blank, or gone, does not say
whether anything in it was durable: that is remembered elsewhere, and told here.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from trilemma.storage.port import LogRecord
from trilemma.storage.segment import (
    SEGMENT_HEADER_BYTES,
    CorruptLogError,
    Group,
    SegmentHeader,
    decode_header,
    group_magic,
    read_group,
)


class FoundSegment(NamedTuple):
    """A segment as it was found: its groups up to `end`, after which nothing counts."""

    header: SegmentHeader
    groups: list[Group]
    end: int


def read_segment(data: bytes) -> FoundSegment | None:
    """Return what a segment holds, None where its header cannot be read.

    Raises:
        CorruptLogError: something is damaged that was durable.
    """
    header = decode_header(data)
    if header is None:
        return None
    groups = []
    offset = SEGMENT_HEADER_BYTES
    while (group := read_group(data, offset, header.id)) is not None:
        groups.append(group)
        offset = group.end
    _must_be_torn(data, offset, header, groups)
    return FoundSegment(header, groups, offset)


def holds_groups(data: bytes) -> bool:
    """Say whether anything was written behind a segment's header, which was durable before that."""
    return data.count(0, SEGMENT_HEADER_BYTES) < len(data) - SEGMENT_HEADER_BYTES


def _must_be_torn(data: bytes, end: int, header: SegmentHeader, groups: Sequence[Group]) -> None:
    """Look behind the end for a group that says that the end was durable."""
    magic = group_magic(header.id)
    position = end
    while (position := data.find(magic, position)) >= 0:
        later = read_group(data, position, header.id)
        if later is not None and later.durable > end:
            last = _last_of(groups)
            raise CorruptLogError(
                f"segment {header.number} is damaged at offset {end}, which was durable "
                f"(a later group at {position} says so up to {later.durable}); {last}"
            )
        position += 1


def _last_of(groups: Sequence[Group]) -> str:
    records = [record for group in groups for record in group.records]
    if not records:
        return "no record before it can be read"
    last = records[-1]
    return f"the last good record is shard {last.shard}, stream {last.stream}, index {last.index}"


def check_chain(found: Sequence[FoundSegment]) -> None:
    """Check that segments follow each other without a gap, each as long as the next one says it was.

    Raises:
        CorruptLogError: one is missing or shorter.
    """
    for before, after in pairwise(found):
        if after.header.number != before.header.number + 1:
            raise CorruptLogError(
                f"segment {before.header.number + 1} is missing: {after.header.number} follows {before.header.number}"
            )
        if before.end < after.header.previous_end:
            raise CorruptLogError(
                f"segment {before.header.number} is damaged at offset {before.end}: it was durable up to "
                f"{after.header.previous_end}; {_last_of(before.groups)}"
            )


def reach(found: Sequence[FoundSegment]) -> int:
    """Return the newest segment that holds anything, 0 for none."""
    return max((segment.header.number for segment in found if segment.groups), default=0)


def check_reach(found: Sequence[FoundSegment], known: int) -> None:
    """Check that the log still goes as far as it is known to have gone.

    Args:
        known: a segment that held something durable, and of which no newer one was known to; 0 for none.

    Raises:
        CorruptLogError: that segment is missing, or empty.
    """
    if reach(found) < known:
        is_there = any(segment.header.number == known for segment in found)
        raise CorruptLogError(
            f"segment {known} {'holds nothing' if is_there else 'is missing'}, but it has held what was durable"
        )


def records_of(found: Sequence[FoundSegment]) -> list[LogRecord]:
    """Return all records in write order."""
    return [record for segment in found for group in segment.groups for record in group.records]
