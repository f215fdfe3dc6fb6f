"""A kill at any moment: each system call of two starts leaves a directory that the next start takes, with all that was
called durable. So does a loss of power, which blanks what was not synced; and what was durable is missed where it is
gone.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from trilemma.base.ids import ShardId
from trilemma.runtime.directory import DataDirectory, Identity
from trilemma.runtime.durable_files import DirectoryRefused
from trilemma.runtime.founding import Founding
from trilemma.runtime.known_disks import Lineage, Run
from trilemma.runtime.log import Log
from trilemma.storage.port import LogRecord, LogWrite, RecordKind
from trilemma.storage.segment import CorruptLogError

FOUNDING = Founding.of("cp", {1: "n1", 2: "n2"})
CALLS = ("open", "pwrite", "fsync", "fdatasync", "replace", "posix_fallocate", "ftruncate", "mkdir", "unlink")
"""Of a start, of the log's thread, and of what is remembered of peers: all that changes a directory, and some more."""
SEGMENT_BYTES = 1 << 12
DISK = Lineage("of the peer", 1, ((1, "run"),))
WAIT_S = 10.0


class Image(NamedTuple):
    """A directory as a kill leaves it; `durable`: the last entry that was called so, in `segment`; `peer`: whether the
    disk of its peer was taken; `met`: the runs that peers may know of."""

    path: Path
    durable: int
    segment: int
    peer: bool
    met: tuple[Run, ...]


class Disk:
    """A directory of which a copy is taken before each system call."""

    def __init__(self, path: Path, images: Path) -> None:
        self.path = path
        self.images: list[Image] = []
        self._images = images
        self._durable = 0
        self._peer = False
        self._met: list[Run] = []
        self._segments: dict[int, int] = {}
        self._changed = threading.Condition()
        self._is_copying = False

    def spy(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def spied(*arguments: Any, **named: Any) -> Any:
            if not self._is_copying:
                self.take()
            return call(*arguments, **named)

        return spied

    def take(self) -> None:
        """Copy the directory as it is."""
        self._is_copying = True
        copy = self._images / str(len(self.images))
        if self.path.exists():
            shutil.copytree(self.path, copy)
        else:
            copy.mkdir(parents=True)
        segment = self._segments.get(self._durable, 0)
        self.images.append(Image(copy, self._durable, segment, self._peer, tuple(self._met)))
        self._is_copying = False

    @contextmanager
    def started(self) -> Iterator[Log]:
        held, log = opened(self.path, self._persisted)
        held.meets_peers()
        self._met.append(held.identity.runs[-1])
        assert held.check_disk(2, DISK) is None
        self._peer = True
        yield log
        log.close()
        held.close()

    def write(self, log: Log, index: int, segment: int, opens: bool = False, release: int = 0) -> None:
        """Write one entry, whose index is its token; return once it is durable."""
        self._segments[index] = segment
        record = LogRecord(RecordKind.ENTRY, ShardId(1024), 0, index, 1, b"x")
        log.append(LogWrite(index, segment, opens, [record], True, release))
        with self._changed:
            assert self._changed.wait_for(lambda: self._durable >= index, WAIT_S)

    def _persisted(self, token: int) -> None:
        with self._changed:
            self._durable = token
            self._changed.notify_all()


def opened(path: Path, persisted: Callable[[int], None] = lambda _: None) -> tuple[DataDirectory, Log]:
    held = DataDirectory(path, "c", 1, FOUNDING)
    try:
        known = held.identity.log_segment
        return held, Log(path / "log", SEGMENT_BYTES, persisted, lambda _: None, held.log_reaches, known)
    except BaseException:
        held.close()
        raise


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Image]:
    """Two starts: the first one begins a log, the second goes on in a new segment, rolls over and lets old ones go."""
    disk = Disk(tmp_path / "live", tmp_path / "images")
    for name in ("fsync", "fdatasync"):  # a kill needs no disk, and the tests are a thousand syncs
        monkeypatch.setattr(os, name, lambda _: None)
    with monkeypatch.context() as patched:
        for name in CALLS:
            patched.setattr(os, name, disk.spy(getattr(os, name)))
        with disk.started() as log:
            disk.write(log, 1, 1, opens=True)
            disk.write(log, 2, 1)
        with disk.started() as log:
            disk.write(log, 3, 2, opens=True)
            disk.write(log, 4, 3, opens=True, release=3)
        disk.take()
    return disk.images


def found(path: Path) -> list[int]:
    """Return the entries that a start finds."""
    held, log = opened(path)
    log.close()
    held.close()
    return [record.index for record in log.recovered.records]


def is_whole(image: Image, entries: list[int]) -> bool:
    """Say whether the entries are all that were called durable, but for those before 4 once that has let them go."""
    first, last = (entries[0], entries[-1]) if entries else (1, 0)
    return entries == list(range(first, last + 1)) and last >= image.durable and (first == 1 or last == 4)


def newest(image: Image) -> tuple[Path, int]:
    """Return the newest segment and its number, 0 where there is none."""
    path = max((image.path / "log").glob("*.segment"), default=None)
    return (path, int(path.stem)) if path is not None else (image.path, 0)


def named(image: Image) -> int:
    """Return the segment that the directory knows to hold something."""
    file = image.path / "identity.json"
    return msgspec.json.decode(file.read_bytes(), type=Identity).log_segment if file.exists() else 0


def test_a_kill_at_any_moment_costs_nothing_that_was_called_durable(images: list[Image]) -> None:
    assert {image.durable for image in images} == {0, 1, 2, 3, 4}
    for image in images:
        for _ in range(2):
            assert is_whole(image, found(image.path)), image


def test_nor_is_it_forgotten_which_disk_the_peer_had(images: list[Image]) -> None:
    assert {image.peer for image in images} == {False, True}
    for image in images:
        held = DataDirectory(image.path, "c", 1, FOUNDING)
        if image.peer:
            assert "another disk" in str(held.check_disk(2, Lineage("of somebody else", 1, ((1, "run"),)))), image
        assert held.check_disk(2, DISK) is None, image
        held.close()


def test_nor_which_of_its_own_runs_may_have_met_peers(images: list[Image]) -> None:
    assert [len(image.met) for image in images][:: len(images) - 1] == [0, 2]
    for image in images:
        for _ in range(2):
            held = DataDirectory(image.path, "c", 1, FOUNDING)
            assert set(image.met) <= set(held.identity.runs), image
            held.close()


@pytest.mark.parametrize("left", [b"", bytes(SEGMENT_BYTES)])
def test_nor_does_a_newest_segment_that_nothing_was_called_durable_in_and_that_power_was_lost_for(
    images: list[Image], left: bytes
) -> None:
    # Once identity.json names it, no loss of power takes anything from it any more.
    torn = [image for image in images if newest(image)[1] > max(image.segment, named(image))]
    assert {image.segment for image in torn} == {0, 1, 2}
    for image in torn:
        newest(image)[0].write_bytes(left)
        assert is_whole(image, found(image.path)), image


@pytest.mark.parametrize("left", [b"", bytes(SEGMENT_BYTES), None])
def test_a_newest_segment_that_something_was_called_durable_in_is_missed(
    images: list[Image], left: bytes | None
) -> None:
    held = [image for image in images if newest(image)[1] == image.segment > 0]
    assert {image.segment for image in held} == {1, 2, 3}
    for image in held:
        path, _ = newest(image)
        path.unlink()
        if left is not None:
            path.write_bytes(left)
        with pytest.raises((CorruptLogError, DirectoryRefused), match=r"but it has held|all that .* held is gone"):
            opened(image.path)
