"""What RocksDB's problems mean: data that are damaged, a disk that refuses, a disk that is full.

Its binding raises one class for all, so the text decides.
"""

import errno
import os
import re
from pathlib import Path

from trilemma.runtime.room import NO_ROOM, NoRoomError

_NO_SPACE = os.strerror(errno.ENOSPC)
"""How RocksDB's messages name what it waits for the end of; the others of NO_ROOM it does not."""
_FULL = tuple(map(os.strerror, NO_ROOM))
_GONE = tuple(map(os.strerror, (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)))
"""How they end where a file of the rows is not there, or something else is in its place."""
_CORRUPTION = "Corruption: "
"""How they begin where what it reads is not what it wrote; its binding raises no class of its own."""
_OF_DISK = re.compile(r"\bIO error: |\(os error \d+\)$")
"""What they hold of a call that the system refused, also behind `Corruption: `; the second is its binding's."""


class CorruptRowsError(Exception):
    """RocksDB cannot open the rows, or read them; the text is its own. The node must not start on them, nor go on."""


class RowsFailedError(Exception):
    """The disk refused what RocksDB asked of it; the text says what to do. The log has what the rows lack."""

    def __init__(self, said: str) -> None:
        super().__init__(
            f"the disk refused a read or a write of the rows ({said}), so the node has stopped: what was durable is "
            "kept, as far as the disk gives it back; see to the disk, make room where it is full, and start the node "
            "again"
        )


def is_short_of_room(problem: Exception) -> bool:
    """Say whether RocksDB met a full disk: it goes on by itself when that has room again."""
    return _NO_SPACE in str(problem)


def raise_known(problem: Exception) -> None:
    """Raise what a problem of RocksDB's means; nothing where it is one neither of the data nor of the disk."""
    meaning = _meaning(str(problem))
    if meaning is not None:
        raise meaning from problem


def _meaning(said: str) -> CorruptRowsError | RowsFailedError | None:
    if _is_of_disk(said):
        return RowsFailedError(said)
    if said.startswith(_CORRUPTION) or any(words in said for words in _GONE):
        return CorruptRowsError(said)
    return None


def _is_of_disk(said: str) -> bool:
    return _OF_DISK.search(said) is not None and not any(words in said for words in _GONE)


def unopened(directory: Path, problem: Exception) -> Exception:
    """Return what a problem of opening means. What is not the disk's is the data's: files that make no sense."""
    said = str(problem)
    if _is_of_disk(said) and any(words in said for words in _FULL):
        return NoRoomError(
            f"{directory} has no room for what RocksDB writes as it opens the rows ({said}); nothing was lost: make "
            "room, and start again"
        )
    return _meaning(said) or CorruptRowsError(said)
