"""A write that is whole: the system may take less than it is given, and says so only by its result."""

import os


def write_whole(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of `data` at an offset in bytes.

    Raises:
        OSError: the disk refuses; a part of it may be there.
    """
    left = memoryview(data)
    while left:
        written = os.pwrite(descriptor, left, offset)
        offset += written
        left = left[written:]
