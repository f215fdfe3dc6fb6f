"""Files that are put in place whole, directories whose names are durable, and what is said of a damaged one."""

import os
import secrets
from pathlib import Path
from typing import TypeVar

import msgspec

from trilemma.runtime.whole_write import write_whole

T = TypeVar("T")

WHOLE = "put the whole directory back as it was: a node that has lost a part of it must not return under its old id"
"""What to do about a data directory of which something is gone."""
NEW = ".new"
"""Behind the name of what is written to stand in a file's place: never the only one of what the file holds."""
NEW_ID_BYTES = 8
"""Drawn for the name of such a file where others may have any name."""
MODE = 0o644


class DirectoryRefused(Exception):  # noqa: N818 - the sentence says what was refused
    """The directory cannot be used; the text says why, and what to do."""


def decode_file(file: Path, kind: type[T]) -> T:
    """Return what a file of JSON holds.

    Raises:
        DirectoryRefused: it does not.
        OSError: it cannot be read.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except msgspec.MsgspecError as problem:
        raise DirectoryRefused(f"{file} is damaged: {problem}; {WHOLE}") from problem


def changed(file: Path) -> DirectoryRefused:
    """Return what to raise of a file whose checksum is not that of what it says."""
    return DirectoryRefused(f"{file} is damaged: its checksum is not that of what it says; {WHOLE}")


def new_of(file: Path) -> Path:
    """Return where `write_durably` writes what is to stand in a file's place; a crash may leave it behind."""
    return file.with_name(f"{file.name}{NEW}")


def write_durably(file: Path, data: bytes, mode: int | None = None) -> None:
    """Put a whole file in place so that a crash leaves either the old one or the new one.

    Args:
        mode: of the file, whatever the umask; without it, that of new files, less the umask.

    Raises:
        OSError: the disk refuses, and it names a file; the old one stands, or, where only the last sync failed, perhaps
            the new one.
    """
    try:
        _write_durably(file, new_of(file), os.O_TRUNC, data, mode)
    except OSError as problem:
        raise _naming(file, problem) from None


def replace_durably(file: Path, data: bytes) -> None:
    """Do the same with a file that may stand among others of whatever names: none of them is touched, its mode is kept.

    Raises:
        OSError: see write_durably; nothing else is left behind.
    """
    new = file.with_name(f"{file.name}.{secrets.token_hex(NEW_ID_BYTES)}{NEW}")
    try:
        _write_durably(file, new, os.O_EXCL, data, file.stat().st_mode & 0o777)
    except OSError as problem:
        new.unlink(missing_ok=True)
        raise _naming(file, problem) from None


def _naming(file: Path, problem: OSError) -> OSError:
    if problem.filename is None:  # as of all calls that take a descriptor
        problem.filename = str(file)
    return problem


def _write_durably(file: Path, new: Path, how: int, data: bytes, mode: int | None) -> None:
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, MODE if mode is None else mode)
    try:
        if mode is not None:
            os.fchmod(descriptor, mode)  # of what was there already too, before it holds what not all may read
        write_whole(descriptor, data, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(new, file)
    sync_directory(file.parent)


def make_durably(path: Path) -> None:
    """Make a directory, and the parents that it lacks, so that no crash takes any of them.

    That a file in a directory is durable does not say that the directory's own name is (fsync(2)). Each one's is before
    the next is made in it: a start that is cut off leaves one at most for which that is not so.

    Raises:
        OSError: one cannot be made, or the disk refuses.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        sync_directory(each.parent)
    path.mkdir(exist_ok=True)  # refuses what is there and is no directory


def sync_directory(path: Path) -> None:
    """Make durable which entries a directory has.

    Raises:
        OSError: the disk refuses.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
