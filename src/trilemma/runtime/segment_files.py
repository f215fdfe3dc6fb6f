"""The files of a log's segments: their names, their descriptors, what makes and ends one durably.

Knows nothing of groups and records. Descriptors are shared by the node's thread, which reads, and the writer's.
"""

import errno
import os
import threading
from pathlib import Path

from trilemma.base.limits import KIB
from trilemma.runtime.whole_write import write_whole

SUFFIX = ".segment"
ALLOCATED_BYTES_MIN = 4 * KIB
"""Less than this is not worth allocating ahead."""


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
        """Return the numbers of the segments that are there, ascending."""
        return sorted(int(path.stem) for path in self._directory.glob(f"*{SUFFIX}"))

    def path(self, number: int) -> Path:
        """Return where a segment stands."""
        return self._directory / f"{number:016d}{SUFFIX}"

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

    def cut(self, number: int, end: int) -> None:
        """Cut a segment durably, at a start: nothing else has it open."""
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
        descriptor = os.open(self.path(number), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with self._lock:
            self._descriptors[number] = descriptor
        self._allocate(descriptor)
        write_whole(descriptor, header, 0)
        os.fsync(descriptor)
        self.sync_directory()

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
        """Remove a segment, the oldest there is; it is gone for good after `sync_directory`."""
        with self._lock:
            self._removed_below = number + 1
            descriptor = self._descriptors.pop(number, None)
            if descriptor is not None:
                os.close(descriptor)
            self.path(number).unlink(missing_ok=True)

    def sync_directory(self) -> None:
        """Make durable which segments there are."""
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Close all descriptors."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()
