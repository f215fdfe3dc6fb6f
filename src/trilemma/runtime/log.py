"""The node's log on disk: what is appended can be read at once, and is durable when its token is (PROTOCOLS §6).

`append` numbers and encodes on the caller's thread; a writer (`log_writer`) puts whole groups into files
(`segment_files`), and `on_persisted` says on its thread which token is durable. Owns where everything stands, and which
segments there are. A failed write or sync is final: `on_failed` is told, and nothing is ever called durable again.
"""

import errno
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from secrets import randbits

from trilemma.base.ids import ShardId
from trilemma.runtime.index import Index, Place
from trilemma.runtime.log_writer import LogWriter, PendingGroup
from trilemma.runtime.segment_files import SegmentFiles
from trilemma.storage.port import LogRecord, LogWrite, Recovered
from trilemma.storage.recovery import (
    FoundSegment,
    check_chain,
    check_reach,
    holds_groups,
    reach,
    read_segment,
    records_of,
)
from trilemma.storage.segment import (
    SEGMENT_HEADER_BYTES,
    CorruptLogError,
    SegmentHeader,
    decode_record,
    encode_group,
    encode_header,
    record_offsets,
)

STOPPED = (
    "the node has stopped: what was durable is kept, what was not may be there or not; "
    "see to the disk, make room where it is full, and start the node again"
)
"""What a disk that fails a write or a sync of its log means, and what to do."""
UNREAD = (
    "the node has stopped: what was acknowledged stays on the disk as far as that can be read; "
    "see to the disk, and start the node again"
)
"""The same of a read."""


class LogFailedError(Exception):
    """The disk refused a read, a write or a sync, or does not keep up; the text says what to do."""


class Log:
    """The segments of one directory.

    Args:
        directory: exists, and belongs to this node alone.
        segment_bytes: what is allocated ahead for a segment; one may grow beyond by its last group.
        on_persisted: called on the writer's thread with a token; everything up to it is durable.
        on_failed: called on the writer's thread, once, with what went wrong.
        on_segment: called with the segment that tokens are of before they are called durable, on the writer's thread;
            and with the newest one that a start finds something in, before that is used. It remembers the newest.
        known_segment: what `on_segment` was called with last, in whichever start; 0 for never.

    Raises:
        CorruptLogError: see storage/recovery.py.
        StraySegmentError: a file only looks like a segment.
        NoRoomError, SegmentRefusedError: the newest segment cannot be written anew.
        OSError: of the disk, or of `on_segment`.
    """

    def __init__(
        self,
        directory: Path,
        segment_bytes: int,
        on_persisted: Callable[[int], None],
        on_failed: Callable[[Exception], None],
        on_segment: Callable[[int], None],
        known_segment: int,
    ) -> None:
        self._files = SegmentFiles(directory, segment_bytes)
        self._on_persisted = on_persisted
        self._on_failed = on_failed
        self._on_segment = on_segment
        self._index = Index()
        self._ends: dict[int, int] = {}
        self._ids: dict[int, int] = {}
        self._durable = (0, 0)
        """Up to which offset of which segment all is durable. Set on the writer's thread, always whole."""
        self._released = 0
        """Segments below it are gone, or go now; the caller's thread, which owns the index, forgets them. Set as
        `_durable` is, before the first of them is removed."""
        self._newest = 0
        self.failed: Exception | None = None
        self.recovered = self._recover(known_segment)
        self._ending = threading.Lock()
        """Held while the end of the newest segment moves: by a write, or by a marker of the writer's thread."""
        self._writer = LogWriter(self._files, self._synced, self._mark, self._failed)

    # Start

    def _recover(self, known: int) -> Recovered:
        numbers = self._files.numbers()
        found, newest = self._find(numbers, known)
        check_chain(found)
        check_reach(found, known)
        # Behind all that may refuse the log, so that what is refused stays as it was found.
        if len(found) < len(numbers):
            self._files.path(numbers.pop()).unlink()
        if found:
            # Before anything of it is used. What a crash tore can then never be taken for something later.
            self._files.renew(numbers[-1], newest[: found[-1].end])
        for segment in found:
            self._take_found(segment)
        reached = reach(found)
        if reached:
            self._on_segment(reached)
        self._newest = numbers[-1] if numbers else 0
        return Recovered(records_of(found), self._newest + 1, numbers)

    def _find(self, numbers: Sequence[int], known: int) -> tuple[list[FoundSegment], bytes]:
        """Read all segments; the newest is left out where a crash tore its header. Return also the last one's bytes."""
        found: list[FoundSegment] = []
        newest = b""
        for number in numbers:
            data = self._files.path(number).read_bytes()
            segment = read_segment(data)
            if segment is not None:
                if segment.header.number != number:
                    raise CorruptLogError(f"segment {number} says that it is segment {segment.header.number}")
                found.append(segment)
                newest = data
            elif number != numbers[-1]:
                raise CorruptLogError(f"segment {number} has no readable header, but segments follow it")
            elif holds_groups(data):
                raise CorruptLogError(f"segment {number} is damaged in its header, which was durable")
            elif number <= known:
                raise CorruptLogError(f"segment {number} is blank, but it has held what was durable")
        return found, newest

    def _take_found(self, segment: FoundSegment) -> None:
        number = segment.header.number
        self._ends[number] = segment.end
        self._ids[number] = segment.header.id
        for group in segment.groups:
            self._note(number, group.start, group.records)

    def _note(self, number: int, start: int, records: Sequence[LogRecord]) -> None:
        offsets = record_offsets(start, records)
        for record, offset in zip(records, offsets, strict=True):
            self._index.add(record, number, offset, len(record.body))

    # The node's side

    def append(self, write: LogWrite) -> None:
        """Take a write; it can be read at once, and `on_persisted(write.token)` follows.

        Raises:
            LogFailedError: the disk has failed before, or more waits for it than is bearable.
            Exception: a defect of the writer's thread has ended it.
        """
        if self.failed is not None:
            raise self.failed
        if self._writer.is_too_far_behind:
            raise LogFailedError(f"the disk does not keep up with the log, so {STOPPED}")
        self._index.release(self._released)
        with self._ending:
            self._append(write)

    def _append(self, write: LogWrite) -> None:
        header = self._open_segment(write) if write.opens_segment else None
        number = write.segment
        offset = self._ends[number]
        segment, durable_end = self._durable
        data = encode_group(self._ids[number], durable_end if segment == number else 0, write.records)
        self._note(number, offset, write.records)
        self._ends[number] = offset + len(data)
        self._writer.append(
            PendingGroup(write.token, number, offset, data, header, write.must_sync, write.release_before)
        )

    def _open_segment(self, write: LogWrite) -> bytes:
        number = write.segment
        previous_end = self._ends.get(self._newest, 0)
        self._ids[number] = randbits(64)
        self._ends[number] = SEGMENT_HEADER_BYTES
        self._newest = number
        return encode_header(SegmentHeader(number, self._ids[number], previous_end))

    def read(self, shard: ShardId, stream: int, first: int, last: int, bytes_max: int) -> list[LogRecord]:
        """See LogReader.

        Raises:
            LogFailedError: the disk refuses.
            CorruptLogError: a segment is gone that nobody here has removed.
        """
        self._index.release(self._released)
        found: list[LogRecord] = []
        size = 0
        for index in range(first, last + 1):
            place = self._index.place((shard, stream), index)
            if place is None or (found and size + place[2] > bytes_max):
                break
            record = self._read_one(place)
            if record is None:
                break
            size += place[2]
            found.append(record)
        return found

    def _read_one(self, place: Place) -> LogRecord | None:
        """Return the record at a place; None where the writer's thread has just removed its segment."""
        number, offset, size = place
        unwritten = self._writer.find(number, offset)
        if unwritten is not None:
            return decode_record(*unwritten)
        length = size + 64
        try:
            data = self._files.read(number, length, offset)
        except FileNotFoundError as problem:
            raise CorruptLogError(f"segment {number} is missing") from problem
        except OSError as problem:
            said = problem.strerror or problem
            raise LogFailedError(
                f"the disk refused a read of segment {number} of the log ({said}), so {UNREAD}"
            ) from problem
        return None if data is None else decode_record(data)

    def sizes(self) -> dict[int, int]:
        """See LogReader."""
        return dict(self._ends)

    def close(self) -> None:
        """Write and sync what there is, end the thread, close the files."""
        self._writer.close()
        self._files.close()

    # The writer's thread

    def _failed(self, problem: Exception) -> None:
        if isinstance(problem, OSError):
            said = problem.strerror or problem
            problem = LogFailedError(f"the disk refused a write or a sync of the log ({said}), so {STOPPED}")
        self.failed = problem
        self._on_failed(problem)

    def _synced(self, groups: Sequence[PendingGroup]) -> None:
        last = groups[-1]
        self._on_segment(last.segment)
        self._durable = (last.segment, last.offset + len(last.data))
        self._on_persisted(last.token)
        self._remove(max(group.release_before for group in groups))

    def _mark(self) -> int | None:
        """Write a group without records that names what is durable, behind it; return what is to be synced."""
        with self._ending:
            number, end = self._durable
            # A group that came meanwhile says as much.
            if number != self._newest or end != self._ends[number]:
                return None
            marker = encode_group(self._ids[number], end, ())
            descriptor = self._files.descriptor(number)
            try:
                written = os.pwrite(descriptor, marker, end)
            except OSError as problem:
                if problem.errno != errno.ENOSPC:
                    raise
                return None
            if written < len(marker):  # the next group goes over it
                return None
            self._ends[number] = end + len(marker)
        return descriptor

    def _remove(self, release_before: int) -> None:
        """Remove segments that are needed no more."""
        gone = [number for number in sorted(self._ends) if number < release_before]
        if gone:
            self._released = release_before
        for number in gone:
            self._ends.pop(number)
            self._ids.pop(number, None)
            self._files.remove(number)
