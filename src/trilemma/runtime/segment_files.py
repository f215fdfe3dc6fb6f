"""The files of a log's segments: their names, their descriptors, what makes and ends one durably.

Knows nothing of groups and records. Descriptors are shared by the node's thread, which reads, and the writer's.
"""

import errno
import os
import re
import threading
from pathlib import Path

from trilemma.base.limits import KIB
from trilemma.runtime.durable_files import NEW, new_of, sync_directory, write_durably
from trilemma.runtime.room import NO_ROOM, NoRoomError
from trilemma.runtime.whole_write import write_whole

SUFFIX = ".segment"
NUMBER_DIGITS = 16
SEGMENT_MODE = 0o600
ALLOCATED_BYTES_MIN = 4 * KIB
"""Less than this is not worth allocating ahead."""


class StraySegmentError(Exception):
    """A file is named as if it were a segment, but no segment of this log; the text says which, and what to do."""


class SegmentRefusedError(Exception):
    """The disk refuses what a start does with a segment; the text says which, and what to do. Nothing was lost."""


def remove_left_over(directory: Path) -> None:
    """Remove what a start was writing anew when it was cut off: before anything that needs room, which it may hold all.

    Raises:
        SegmentRefusedError: it cannot be removed.
    """
    for new in directory.glob(f"{'[0-9]' * NUMBER_DIGITS}{SUFFIX}{NEW}"):
        try:
            new.unlink()
        except OSError as problem:
            raise SegmentRefusedError(
                f"{new} cannot be removed ({problem.strerror}), which is left over from a start that was cut off, and "
                "holds nothing that the log lacks; nothing was changed: see to the disk, or remove it, and start again"
            ) from problem


class SegmentFiles:
    """The segments of one directory.

    Args:
        directory: exists, and belongs to this node alone.
        segment_bytes: what is allocated ahead for a segment.
    """

    def __init__(self, directory: Path, segment_bytes: int) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._descriptors: dict[int, int] = {}
        self._removed_below = 0
        self._lock = threading.Lock()

    def numbers(self) -> list[int]:
        """Return the numbers of the segments that are there, ascending.

        Raises:
            StraySegmentError: one is named as none that was made here.
        """
        return sorted(self._number(path) for path in self._directory.glob(f"*{SUFFIX}"))

    def _number(self, path: Path) -> int:
        if re.fullmatch(f"[0-9]{{{NUMBER_DIGITS}}}", path.stem) is None:
            raise StraySegmentError(
                f"{path} is no segment of this log, whose names are {NUMBER_DIGITS} digits and {SUFFIX}; nothing was "
                "changed: move it out of the directory, or give it back the name that it had"
            )
        return int(path.stem)

    def path(self, number: int) -> Path:
        """Return where a segment stands."""
        return self._directory / f"{number:0{NUMBER_DIGITS}d}{SUFFIX}"

    def descriptor(self, number: int) -> int:
        """Return a segment's descriptor, opened where it is not yet."""
        with self._lock:
            return self._descriptor(number)

    def _descriptor(self, number: int) -> int:
        found = self._descriptors.get(number)
        if found is None:
            found = self._descriptors[number] = os.open(self.path(number), os.O_RDWR)
        return found

    def read(self, number: int, size: int, offset: int) -> bytes | None:
        """Return up to `size` bytes of a segment; None where it was removed. It is not removed meanwhile."""
        with self._lock:
            if number < self._removed_below:
                return None
            return os.pread(self._descriptor(number), size, offset)

    def renew(self, number: int, data: bytes) -> None:
        """Put what a start has read of its newest segment into a new file in its place, and make that durable.

        After a sync that failed, what it was for still reads back, but counts as written: no sync of that file brings
        it to the disk any more, and the next loss of power takes it. Older segments were synced before the newest was
        made, by `create` or by an earlier start.

        Raises:
            NoRoomError: the disk has none for the new file; the segment stands as it was.
            SegmentRefusedError: the disk refuses; the segment holds what it held.
        """
        try:
            self._renew(number, data)
        except OSError as problem:
            if problem.errno in NO_ROOM:
                raise NoRoomError(
                    f"{self._directory} has no room for a copy of the newest segment of the log, {len(data)} bytes, "
                    "which a start makes before it uses what it has read; nothing was changed: make room, and start "
                    "again"
                ) from problem
            raise SegmentRefusedError(
                f"{self.path(number)}: the disk refuses a copy of it ({problem.strerror}), which a start makes before "
                "it uses what it has read; nothing that it holds was changed: see to the disk, and start again"
            ) from problem

    def _renew(self, number: int, data: bytes) -> None:
        self._cut(number, len(data))
        try:
            write_durably(self.path(number), data, SEGMENT_MODE)
        except OSError:
            new_of(self.path(number)).unlink(missing_ok=True)
            raise

    def _cut(self, number: int, end: int) -> None:
        """Give back what was allocated ahead: a disk that is nearly full needs it for the new file."""
        descriptor = os.open(self.path(number), os.O_RDWR)
        try:
            os.ftruncate(descriptor, end)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def create(self, number: int, header: bytes) -> None:
        """End the segment before, then make this one; its header is durable before anything else is written to it."""
        if number - 1 in self._descriptors:
            os.fdatasync(self.descriptor(number - 1))
        descriptor = os.open(self.path(number), os.O_RDWR | os.O_CREAT | os.O_EXCL, SEGMENT_MODE)
        with self._lock:
            self._descriptors[number] = descriptor
        self._allocate(descriptor)
        write_whole(descriptor, header, 0)
        os.fsync(descriptor)
        sync_directory(self._directory)

    def _allocate(self, descriptor: int) -> None:
        """Allocate a segment, or what of it a full disk has room for: it grows as it is written then."""
        size = self._segment_bytes
        while size >= ALLOCATED_BYTES_MIN:
            try:
                os.posix_fallocate(descriptor, 0, size)
            except OSError as problem:
                if problem.errno != errno.ENOSPC:
                    raise
                os.ftruncate(descriptor, 0)
                size //= 2
            else:
                return

    def remove(self, number: int) -> None:
        """Remove a segment, the oldest there is, for good: no crash may take a later one and leave this one."""
        with self._lock:
            self._removed_below = number + 1
            descriptor = self._descriptors.pop(number, None)
            if descriptor is not None:
                os.close(descriptor)
            self.path(number).unlink(missing_ok=True)
        sync_directory(self._directory)

    def close(self) -> None:
        """Close all descriptors."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()
