"""The node's log on disk: one thread writes and syncs, joining what arrives meanwhile (PROTOCOLS §6).

`append` numbers and encodes on the caller's thread, so that what it was handed can be read back at once; the writer
thread puts whole groups into files and tells `on_persisted` which token is durable. A failed write or sync is final:
`on_failed` is told, and nothing is ever called durable again.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import randbits

from trilemma.base.ids import ShardId
from trilemma.base.limits import MIB, limit
from trilemma.runtime.index import Index, Place
from trilemma.storage.port import LogRecord, LogWrite, Recovered
from trilemma.storage.recovery import FoundSegment, check_chain, read_segment, records_of
from trilemma.storage.segment import (
    SEGMENT_HEADER_BYTES,
    CorruptLogError,
    SegmentHeader,
    decode_record,
    encode_group,
    encode_header,
    record_offsets,
)

LAZY_SYNC_S = 0.05
"""How long a write that nobody waits for may stay unsynced, and how long after a sync the idle marker is written."""

UNWRITTEN_BYTES_MAX = limit(
    "log_unwritten_bytes_max",
    256 * MIB,
    "bytes",
    "what the disk is behind by is held in memory",
    "the node stops: its disk does not keep up",
)

SUFFIX = ".segment"


@dataclass(slots=True)
class _Group:
    """Bytes on their way to a file."""

    token: int
    segment: int
    offset: int
    data: bytes
    header: bytes | None
    must_sync: bool
    release_before: int


class LogFailedError(Exception):
    """The disk refused a write or a sync."""


class Log:
    """The segments of one directory.

    Args:
        directory: exists, and belongs to this node alone.
        segment_bytes: what is allocated ahead for a segment; one may grow beyond by its last group.
        on_persisted: called on the writer's thread with a token; everything up to it is durable.
        on_failed: called on the writer's thread, once, with what went wrong.

    Raises:
        CorruptLogError: see storage/recovery.py.
    """

    def __init__(
        self,
        directory: Path,
        segment_bytes: int,
        on_persisted: Callable[[int], None],
        on_failed: Callable[[Exception], None],
    ) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._on_persisted = on_persisted
        self._on_failed = on_failed
        self._index = Index()
        self._files: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._ids: dict[int, int] = {}
        self._durable_end = 0
        self._newest = 0
        self._unwritten: deque[_Group] = deque()
        self._unwritten_bytes = 0
        self._wake = threading.Condition()
        self._queue: list[_Group] = []
        self._is_closing = False
        self.failed: Exception | None = None
        self.recovered = self._recover()
        self._thread = threading.Thread(target=self._run, name="trilemma-log", daemon=True)
        self._thread.start()

    # Start

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:016d}{SUFFIX}"

    def _recover(self) -> Recovered:
        numbers = sorted(int(path.stem) for path in self._directory.glob(f"*{SUFFIX}"))
        found: list[FoundSegment] = []
        for number in numbers:
            segment = read_segment(self._path(number).read_bytes())
            if segment is None:
                if number != numbers[-1]:
                    raise CorruptLogError(f"segment {number} has no readable header, but segments follow it")
                self._path(number).unlink()
                numbers = numbers[:-1]
                break
            found.append(segment)
        check_chain(found)
        for segment in found:
            self._take_found(segment)
        if found:
            self._cut_tail(found[-1])
        self._newest = numbers[-1] if numbers else 0
        return Recovered(records_of(found), self._newest + 1, numbers)

    def _take_found(self, segment: FoundSegment) -> None:
        number = segment.header.number
        self._ends[number] = segment.end
        self._ids[number] = segment.header.id
        for group in segment.groups:
            self._note(number, group.start, group.records)

    def _cut_tail(self, segment: FoundSegment) -> None:
        """Cut what a crash tore, so that it can never be taken for something later."""
        descriptor = os.open(self._path(segment.header.number), os.O_RDWR)
        try:
            os.ftruncate(descriptor, segment.end)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _note(self, number: int, start: int, records: Sequence[LogRecord]) -> None:
        offsets = record_offsets(start, records)
        for record, offset in zip(records, offsets, strict=True):
            self._index.add(record, number, offset, len(record.body))

    # The node's side

    def append(self, write: LogWrite) -> None:
        """Take a write; it can be read at once, and `on_persisted(write.token)` follows.

        Raises:
            LogFailedError: the disk has failed before.
        """
        if self.failed is not None:
            raise LogFailedError(str(self.failed))
        header = self._open_segment(write) if write.opens_segment else None
        number = write.segment
        offset = self._ends[number]
        data = encode_group(self._ids[number], min(self._durable_end, offset), write.records)
        self._note(number, offset, write.records)
        self._ends[number] = offset + len(data)
        group = _Group(write.token, number, offset, data, header, write.must_sync, write.release_before)
        with self._wake:
            self._unwritten.append(group)
            self._unwritten_bytes += len(data)
            self._queue.append(group)
            self._wake.notify()
        if self._unwritten_bytes > UNWRITTEN_BYTES_MAX:
            raise LogFailedError("the disk does not keep up with the log")

    def _open_segment(self, write: LogWrite) -> bytes:
        number = write.segment
        previous_end = self._ends.get(self._newest, 0)
        self._ids[number] = randbits(64)
        self._ends[number] = SEGMENT_HEADER_BYTES
        self._newest = number
        self._durable_end = 0
        return encode_header(SegmentHeader(number, self._ids[number], previous_end))

    def read(self, shard: ShardId, stream: int, first: int, last: int, bytes_max: int) -> list[LogRecord]:
        """See LogReader."""
        found: list[LogRecord] = []
        size = 0
        for index in range(first, last + 1):
            place = self._index.place((shard, stream), index)
            if place is None or (found and size + place[2] > bytes_max):
                break
            size += place[2]
            found.append(self._read_one(place))
        return found

    def _read_one(self, place: Place) -> LogRecord:
        number, offset, size = place
        with self._wake:
            for group in self._unwritten:
                if group.segment == number and group.offset <= offset < group.offset + len(group.data):
                    return decode_record(group.data, offset - group.offset)
        length = size + 64
        return decode_record(os.pread(self._file(number), length, offset))

    def _file(self, number: int) -> int:
        with self._wake:
            descriptor = self._files.get(number)
            if descriptor is None:
                descriptor = self._files[number] = os.open(self._path(number), os.O_RDWR)
            return descriptor

    def sizes(self) -> dict[int, int]:
        """See LogReader."""
        return dict(self._ends)

    def close(self) -> None:
        """Write and sync what there is, end the thread, close the files."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        self._thread.join()
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

    # The writer's thread

    def _run(self) -> None:
        try:
            while self._round():
                pass
        except OSError as problem:
            self.failed = problem
            self._on_failed(problem)

    def _round(self) -> bool:
        """Write what has come, sync it where somebody waits or time is up; return whether to go on."""
        with self._wake:
            while not self._queue and not self._is_closing:
                self._wake.wait()
            groups, self._queue = self._queue, []
            closing = self._is_closing
        if groups:
            self._write(groups)
            if not any(group.must_sync for group in groups) and not closing:
                groups += self._linger()
            self._sync(groups)
        return bool(groups) or not closing

    def _linger(self) -> list[_Group]:
        """Give writes that nobody waits for some company."""
        with self._wake:
            self._wake.wait_for(lambda: bool(self._queue) or self._is_closing, LAZY_SYNC_S)
            groups, self._queue = self._queue, []
        self._write(groups)
        return groups

    def _write(self, groups: Sequence[_Group]) -> None:
        run: list[_Group] = []
        for group in groups:
            if group.header is not None:
                self._write_run(run)
                run = []
                self._start_file(group)
            run.append(group)
        self._write_run(run)

    def _write_run(self, run: Sequence[_Group]) -> None:
        """Write groups that follow each other in one file."""
        if not run:
            return
        data = memoryview(b"".join(group.data for group in run))
        descriptor, offset = self._file(run[0].segment), run[0].offset
        while data:
            written = os.pwrite(descriptor, data, offset)
            offset += written
            data = data[written:]

    def _start_file(self, group: _Group) -> None:
        """End the segment before, then make this one; its header is durable before anything else is written to it."""
        if group.segment - 1 in self._files:
            os.fdatasync(self._file(group.segment - 1))
        descriptor = os.open(self._path(group.segment), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with self._wake:
            self._files[group.segment] = descriptor
        os.posix_fallocate(descriptor, 0, self._segment_bytes)
        os.pwrite(descriptor, group.header or b"", 0)
        os.fsync(descriptor)
        self._sync_directory()

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _sync(self, groups: Sequence[_Group]) -> None:
        last = groups[-1]
        os.fdatasync(self._file(last.segment))
        with self._wake:
            if last.segment == self._newest:
                self._durable_end = last.offset + len(last.data)
            while self._unwritten and self._unwritten[0].token <= last.token:
                self._unwritten_bytes -= len(self._unwritten.popleft().data)
        self._on_persisted(last.token)
        self._remove(max(group.release_before for group in groups))

    def _remove(self, release_before: int) -> None:
        """Remove segments that are needed no more."""
        gone = [number for number in sorted(self._ends) if number < release_before]
        for number in gone:
            with self._wake:
                descriptor = self._files.pop(number, None)
                self._ends.pop(number)
                self._ids.pop(number, None)
            if descriptor is not None:
                os.close(descriptor)
            self._path(number).unlink(missing_ok=True)
        if gone:
            self._index.release(release_before)
            self._sync_directory()
