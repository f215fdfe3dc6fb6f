"""A disk that fails a sync and loses its power: what the files of a directory hold in memory, and what is on the disk.

After a sync that failed its pages count as written, as Linux marks them: they read back, no later sync writes them, and
a loss of power takes them (Rebello and others, USENIX ATC 2020).
"""

import os
import stat
from dataclasses import dataclass, field
from errno import EIO
from pathlib import Path
from typing import Any

import pytest

PAGE_BYTES = 4_096


@dataclass
class File:
    """What of a file is on the disk, and which of its pages a sync would write there."""

    kept: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=set)

    def touch(self, first: int, end: int) -> None:
        """Note that bytes have changed in memory."""
        self.dirty.update(range(first // PAGE_BYTES, -(-end // PAGE_BYTES)))

    def sync(self, data: bytes) -> None:
        """Put the changed pages of what the file holds in memory on the disk, and its length."""
        self.kept = self.kept[: len(data)].ljust(len(data), b"\0")
        for page in self.dirty:
            part = slice(page * PAGE_BYTES, min((page + 1) * PAGE_BYTES, len(data)))
            self.kept[part] = data[part]
        self.dirty.clear()


class PowerlessDisk:
    """The disk of one directory without subdirectories, as long as the patches of `monkeypatch` stand.

    Only what is written by `os.pwrite` and given its length by `os.ftruncate` or `os.posix_fallocate` is followed.
    """

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.fails_next_sync = False
        """Whether the next `fdatasync` of a file fails."""
        self.removed: list[list[str]] = []
        """The names removed before each sync of the directory that followed some removal."""
        self._removed: list[str] = []
        self._files: dict[int, File] = {}
        self._names: dict[str, File] = {}
        """Those that a loss of power leaves."""
        self._take_stock()
        self._real = {name: getattr(os, name) for name in ("pwrite", "ftruncate", "fsync", "unlink", "replace")}
        for name, patched in (
            ("pwrite", self._pwrite),
            ("ftruncate", self._ftruncate),
            ("fsync", self._fsync),
            ("fdatasync", self._fdatasync),
            ("unlink", self._unlink),
            ("replace", self._replace),
        ):
            monkeypatch.setattr(os, name, patched)

    def kept(self, name: str) -> bytes:
        """Return what a loss of power would leave of a file."""
        return bytes(self._names[name].kept)

    def lose_power(self) -> None:
        """Leave only what is on the disk. Nothing may have a file open."""
        for path in self.path.iterdir():
            self._real["unlink"](path)
        for name, file in self._names.items():
            (self.path / name).write_bytes(file.kept)
        self._take_stock()

    def _take_stock(self) -> None:
        """Take all that is there for durable."""
        self._files = {path.stat().st_ino: File(bytearray(path.read_bytes())) for path in self.path.iterdir()}
        self._sync_names()

    def _sync_names(self) -> None:
        self._names = {path.name: self._file(path.stat()) for path in self.path.iterdir()}

    def _file(self, status: os.stat_result) -> File:
        return self._files.setdefault(status.st_ino, File())

    def _pwrite(self, descriptor: int, data: Any, offset: int) -> int:
        written: int = self._real["pwrite"](descriptor, data, offset)
        self._file(os.fstat(descriptor)).touch(offset, offset + written)
        return written

    def _ftruncate(self, descriptor: int, end: int) -> None:
        self._real["ftruncate"](descriptor, end)
        # The kernel clears the rest of the last page.
        self._file(os.fstat(descriptor)).touch(end - end % PAGE_BYTES, end)

    def _fsync(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            self._sync_names()
            if self._removed:
                self.removed.append(self._removed)
                self._removed = []
        else:
            # The descriptor may be one that only writes.
            self._file(status).sync(Path(f"/proc/self/fd/{descriptor}").read_bytes())

    def _fdatasync(self, descriptor: int) -> None:
        if self.fails_next_sync:
            self.fails_next_sync = False
            self._file(os.fstat(descriptor)).dirty.clear()
            raise OSError(EIO, os.strerror(EIO))
        self._fsync(descriptor)

    def _unlink(self, path: Path) -> None:
        self._forget(path)
        self._removed.append(path.name)
        self._real["unlink"](path)

    def _replace(self, new: Path, path: Path) -> None:
        self._forget(path)
        self._real["replace"](new, path)

    def _forget(self, path: Path) -> None:
        """A file goes: its number may be given to another one."""
        self._files.pop(path.stat().st_ino)
