"""The log on a real disk: what was called durable is there after kill -9, segments roll and go, damage is refused."""

import os
import subprocess
import sys
import threading
import time
from errno import EIO, ENOSPC
from pathlib import Path
from typing import Any

import pytest

from powerless import PAGE_BYTES, PowerlessDisk
from shell import ended
from trilemma.base.ids import ShardId
from trilemma.runtime import log_writer
from trilemma.runtime.index import Index
from trilemma.runtime.log import Log, LogFailedError
from trilemma.runtime.room import NoRoomError
from trilemma.runtime.segment_files import SegmentRefusedError, StraySegmentError
from trilemma.storage.port import LogRecord, LogWrite, RecordKind
from trilemma.storage.recovery import read_segment
from trilemma.storage.segment import (
    GROUP_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    CorruptLogError,
    SegmentHeader,
    encode_header,
)

SHARD = ShardId(1024)
WAIT_S = 10.0
PAGES = b"x" * (3 * PAGE_BYTES)


class Waiter:
    """Waits for tokens to become durable."""

    def __init__(self) -> None:
        self.token = 0
        self.failed: list[Exception] = []
        self._changed = threading.Condition()

    def persisted(self, token: int) -> None:
        with self._changed:
            self.token = token
            self._changed.notify_all()

    def wait(self, token: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.token >= token, WAIT_S)


def entry(index: int, body: bytes = b"x") -> LogRecord:
    return LogRecord(RecordKind.ENTRY, SHARD, 0, index, 1, body)


def open_log(path: Path, waiter: Waiter, known_segment: int = 0) -> Log:
    return Log(path, 1 << 16, waiter.persisted, waiter.failed.append, lambda _: None, known_segment)


def write(token: int, records: list[LogRecord], segment: int = 1, opens: bool = False, release: int = 0) -> LogWrite:
    return LogWrite(token, segment, opens, records, True, release)


def test_what_was_persisted_is_read_back_by_the_next_start(tmp_path: Path) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    assert log.recovered.records == []
    for token in range(1, 40):
        log.append(write(token, [entry(token, b"%d" % token)], opens=token == 1))
    assert [record.body for record in log.read(SHARD, 0, 38, 50, 1 << 20)] == [b"38", b"39"]
    waiter.wait(39)
    assert log.read(SHARD, 0, 2, 3, 1 << 20) == [entry(2, b"2"), entry(3, b"3")]
    log.close()
    again = open_log(tmp_path, Waiter())
    assert again.recovered.records == [entry(token, b"%d" % token) for token in range(1, 40)]
    assert again.recovered.next_segment == 2
    assert again.read(SHARD, 0, 39, 39, 1) == [entry(39, b"39")]
    again.close()


def test_a_log_is_whole_although_each_write_takes_a_part_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite_some = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: pwrite_some(file, data[:3], offset))
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    log.append(write(1, [entry(1, b"ten bytes.")], opens=True))
    waiter.wait(1)
    log.close()
    again = open_log(tmp_path, Waiter())
    assert again.recovered.records == [entry(1, b"ten bytes.")]
    again.close()


def test_a_later_entry_supersedes_those_at_and_above_its_index(tmp_path: Path) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    log.append(write(1, [entry(1), entry(2), entry(3)], opens=True))
    log.append(write(2, [entry(2, b"new")]))
    assert log.read(SHARD, 0, 1, 9, 1 << 20) == [entry(1), entry(2, b"new")]
    log.close()


def test_segments_roll_and_old_ones_go_once_released(tmp_path: Path) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    log.append(write(1, [entry(1)], 1, opens=True))
    log.append(write(2, [entry(2)], 2, opens=True))
    log.append(write(3, [entry(3)], 3, opens=True, release=3))
    waiter.wait(3)
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0000000000000003.segment"]
    assert log.read(SHARD, 0, 1, 3, 1 << 20) == []
    again = open_log(tmp_path, Waiter())
    assert again.recovered.records == [entry(3)]
    again.close()


@pytest.mark.parametrize("first", [1, 2])
def test_a_read_while_segments_go_returns_what_is_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    for token in (1, 2, 3):
        log.append(write(token, [entry(token)], token, opens=True))
    waiter.wait(3)
    removed, seen = threading.Event(), threading.Event()
    remove = log._files.remove

    def remove_and_wait(number: int) -> None:
        remove(number)
        removed.set()
        assert seen.wait(WAIT_S)

    monkeypatch.setattr(log._files, "remove", remove_and_wait)
    log.append(write(4, [entry(4)], 3, release=3))
    assert removed.wait(WAIT_S)
    assert log.read(SHARD, 0, first, 4, 1 << 20) == []
    assert log.read(SHARD, 0, 3, 4, 1 << 20) == [entry(3), entry(4)]
    seen.set()
    log.close()
    assert waiter.failed == []


def test_a_read_whose_segment_goes_between_its_place_and_its_bytes_ends_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    for token in (1, 2):
        log.append(write(token, [entry(token)], token, opens=True))
    waiter.wait(2)
    find = log._writer.find

    def find_and_remove(segment: int, offset: int) -> tuple[bytes, int] | None:
        found = find(segment, offset)
        log._remove(2)
        return found

    monkeypatch.setattr(log._writer, "find", find_and_remove)
    assert log.read(SHARD, 0, 1, 2, 1 << 20) == []
    assert log.read(SHARD, 0, 2, 2, 1 << 20) == [entry(2)]
    log.close()


def test_a_segment_that_somebody_else_removed_is_no_end_of_the_log_but_an_error(tmp_path: Path) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    log.append(write(1, [entry(1)], 1, opens=True))
    waiter.wait(1)
    log.close()
    again = open_log(tmp_path, Waiter())
    (tmp_path / "0000000000000001.segment").unlink()
    with pytest.raises(CorruptLogError, match="segment 1 is missing"):
        again.read(SHARD, 0, 1, 1, 1 << 20)
    again.close()


def test_a_torn_tail_is_cut_and_the_log_goes_on_behind_it(tmp_path: Path) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    log.append(write(1, [entry(1)], opens=True))
    log.append(write(2, [entry(2)]))
    waiter.wait(2)
    end = end_of_records(tmp_path)
    log.close()
    path = tmp_path / "0000000000000001.segment"
    with path.open("r+b") as file:
        file.seek(end - 1)
        file.write(b"\xff" + bytes(GROUP_HEADER_BYTES))  # nor did the marker come to the disk
    again = open_log(tmp_path, Waiter())
    assert again.recovered.records == [entry(1)]
    again.close()
    assert path.stat().st_size < end


def end_of_records(path: Path) -> int:
    """Return where the last group with records ends in the first segment."""
    found = read_segment((path / "0000000000000001.segment").read_bytes())
    assert found is not None
    return max(group.end for group in found.groups if group.records)


def is_marked(path: Path) -> bool:
    found = read_segment((path / "0000000000000001.segment").read_bytes())
    return found is not None and found.groups[-1].durable == end_of_records(path) and not found.groups[-1].records


@pytest.mark.parametrize("is_closed", [False, True])
def test_damage_at_the_very_end_of_an_idle_log_stops_the_start(tmp_path: Path, is_closed: bool) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    log.append(write(1, [entry(1)], opens=True))
    log.append(write(2, [entry(2)]))
    waiter.wait(2)
    if is_closed:
        log.close()
    end_s = time.monotonic() + WAIT_S
    while not is_marked(tmp_path):
        assert time.monotonic() < end_s
    data = bytearray((tmp_path / "0000000000000001.segment").read_bytes())
    data[end_of_records(tmp_path) - 1] ^= 1
    log.close()
    (tmp_path / "0000000000000001.segment").write_bytes(bytes(data))
    with pytest.raises(CorruptLogError, match="segment 1 is damaged"):
        open_log(tmp_path, Waiter())


def test_what_follows_an_idle_marker_is_read_back_and_marked_anew(tmp_path: Path) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    for token in range(1, 4):
        log.append(write(token, [entry(token)], opens=token == 1))
        waiter.wait(token)
        end_s = time.monotonic() + WAIT_S
        while not is_marked(tmp_path):
            assert time.monotonic() < end_s
        assert log.read(SHARD, 0, 1, 9, 1 << 20) == [entry(index) for index in range(1, token + 1)]
    size = log.sizes()[1]
    log.close()
    again = open_log(tmp_path, Waiter())
    assert again.recovered.records == [entry(1), entry(2), entry(3)]
    assert again.sizes() == {1: size}
    again.close()


def test_a_marker_that_a_full_disk_has_no_room_for_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    write_at, tried = os.pwrite, threading.Event()

    def full(descriptor: int, data: bytes, offset: int) -> int:
        if len(data) == GROUP_HEADER_BYTES:
            tried.set()
            raise OSError(ENOSPC, "No space left on device")
        return write_at(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", full)
    log.append(write(1, [entry(1)], opens=True))
    assert tried.wait(WAIT_S)
    log.append(write(2, [entry(2)]))
    waiter.wait(2)
    log.close()
    assert waiter.failed == []
    again = open_log(tmp_path, Waiter())
    assert again.recovered.records == [entry(1), entry(2)]
    again.close()


def test_damage_in_what_was_durable_stops_the_start_with_its_place(tmp_path: Path) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    log.append(write(1, [entry(1)], opens=True))
    for token in (2, 3, 4):
        waiter.wait(token - 1)
        log.append(write(token, [entry(token)]))
    waiter.wait(4)
    log.close()
    path = tmp_path / "0000000000000001.segment"
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptLogError, match="segment 1 is damaged"):
        open_log(tmp_path, Waiter())


@pytest.mark.parametrize("byte", range(SEGMENT_HEADER_BYTES))
def test_damage_in_the_newest_header_stops_the_start_and_removes_nothing(tmp_path: Path, byte: int) -> None:
    """Once taken for a file that a crash had left before its header was written: the log of all that was
    acknowledged was removed, and the node served without it."""
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    log.append(write(1, [entry(1)], opens=True))
    waiter.wait(1)
    log.close()
    path = next(tmp_path.glob("*.segment"))
    damaged = bytearray(path.read_bytes())
    damaged[byte] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CorruptLogError, match="segment 1 is damaged in its header"):
        open_log(tmp_path, Waiter())
    assert path.read_bytes() == damaged


def second_of_two(directory: Path) -> Path:
    """Write an entry into each of two segments; return the newest one's file."""
    waiter = Waiter()
    log = open_log(directory, waiter)
    log.append(write(1, [entry(1)], opens=True))
    log.append(write(2, [entry(2)], segment=2, opens=True))
    waiter.wait(2)
    log.close()
    return directory / f"{2:016d}.segment"


@pytest.mark.parametrize("written", [0, 20, SEGMENT_HEADER_BYTES - 1])
def test_a_segment_whose_header_a_crash_tore_is_made_anew(tmp_path: Path, written: int) -> None:
    path = second_of_two(tmp_path)
    path.write_bytes(path.read_bytes()[:written] + bytes(5_000))
    log = open_log(tmp_path, Waiter())
    assert [record.index for record in log.recovered.records] == [1]
    log.close()


@pytest.mark.parametrize(
    ("left", "sentence"),
    [
        (b"", "segment 2 is blank"),
        (bytes(5_000), "segment 2 is blank"),
        (None, "segment 2 is missing"),
        (encode_header(SegmentHeader(2, 7, 0)) + bytes(5_000), "segment 2 holds nothing"),
    ],
)
def test_a_newest_segment_that_held_what_was_durable_stops_the_start_where_that_is_gone(
    tmp_path: Path, left: bytes | None, sentence: str
) -> None:
    """Blank, it was taken for one that a crash had cut off and was removed; gone, it was not missed."""
    path = second_of_two(tmp_path)
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    with pytest.raises(CorruptLogError, match=f"{sentence}, but it has held what was durable"):
        open_log(tmp_path, Waiter(), known_segment=2)
    assert (path.read_bytes() if path.exists() else None) == left
    log = open_log(tmp_path, Waiter(), known_segment=1)
    assert [record.index for record in log.recovered.records] == [1]
    log.close()


def test_a_torn_segment_stays_where_the_log_before_it_is_refused(tmp_path: Path) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    for token in (1, 2, 3):
        log.append(write(token, [entry(token)], segment=token, opens=True))
    waiter.wait(3)
    log.close()
    torn = tmp_path / f"{4:016d}.segment"
    torn.write_bytes(bytes(5_000))
    (tmp_path / f"{2:016d}.segment").unlink()
    with pytest.raises(CorruptLogError, match="segment 2 is missing"):
        open_log(tmp_path, Waiter())
    assert torn.exists()


def test_a_failed_sync_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    failed = threading.Event()
    log._on_failed = lambda problem: (waiter.failed.append(problem), failed.set())[0]  # type: ignore[func-returns-value]

    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    log.append(write(1, [entry(1)], opens=True))
    assert failed.wait(WAIT_S)
    monkeypatch.undo()
    assert waiter.token == 0
    (problem,) = waiter.failed
    assert isinstance(problem, LogFailedError)
    assert str(problem).startswith("the disk refused a write or a sync of the log (Input/output error), so the node")
    with pytest.raises(LogFailedError) as refused:
        log.append(write(2, [entry(2)]))
    assert refused.value is problem
    log.close()


def test_a_read_that_the_disk_refuses_is_told_as_one_and_the_log_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was acknowledged was synced: a start after it loses nothing that can be read."""
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    log.append(write(1, [entry(1)], opens=True))
    waiter.wait(1)

    def refuse(*_: int) -> bytes:
        raise OSError(EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", refuse)
        with pytest.raises(LogFailedError) as refused:
            log.read(SHARD, 0, 1, 1, 1)
    assert str(refused.value) == (
        "the disk refused a read of segment 1 of the log (Input/output error), so the node has stopped: what was "
        "acknowledged stays on the disk as far as that can be read; see to the disk, and start the node again"
    )
    assert (log.failed, waiter.failed) == (None, [])
    assert log.read(SHARD, 0, 1, 1, 1) == [entry(1)]
    log.close()


def failed_log(disk: PowerlessDisk) -> None:
    """Write an entry of some pages into segment 1, whose sync fails: the pages count as written, and are not."""
    waiter = Waiter()
    log = open_log(disk.path, waiter)
    disk.fails_next_sync = True
    log.append(write(1, [entry(1, PAGES)], opens=True))
    log.close()
    assert (waiter.token, len(waiter.failed)) == (0, 1)


def test_what_a_start_reads_after_a_failed_sync_is_on_the_disk_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taken for durable from then on, but was in memory alone: a loss of power took what was acknowledged."""
    disk = PowerlessDisk(tmp_path, monkeypatch)
    failed_log(disk)
    used: list[bool] = []
    log = Log(tmp_path, 1 << 16, print, print, lambda _: used.append(PAGES in disk.kept(f"{1:016d}.segment")), 0)
    assert log.recovered.records == [entry(1, PAGES)]
    assert used == [True]
    log.close()
    disk.lose_power()
    again = open_log(tmp_path, Waiter(), known_segment=1)
    assert again.recovered.records == [entry(1, PAGES)]
    again.close()


def test_nor_does_a_loss_of_power_leave_a_hole_in_front_of_what_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next segment was synced, the one before it could not be any more: no start took the two."""
    disk = PowerlessDisk(tmp_path, monkeypatch)
    failed_log(disk)
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    log.append(write(1, [entry(2)], segment=2, opens=True))
    waiter.wait(1)
    log.close()
    disk.lose_power()
    again = open_log(tmp_path, Waiter(), known_segment=2)
    assert again.recovered.records == [entry(1, PAGES), entry(2)]
    again.close()


def test_a_disk_without_room_for_the_newest_segments_copy_refuses_the_start_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = second_of_two(tmp_path)
    with path.open("ab") as file:
        file.write(bytes(5_000))
    before = path.read_bytes()
    sizes: list[int] = []

    def full(*_: Any) -> int:
        sizes.append(path.stat().st_size)
        raise OSError(ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(NoRoomError, match=f"{tmp_path} has no room for a copy of the newest segment") as refused:
            open_log(tmp_path, Waiter())
    end = path.stat().st_size
    assert sizes == [end]  # what was allocated ahead had been given back
    assert f" {end} bytes, " in str(refused.value)
    assert path.read_bytes() == before[:end]
    assert [each.name for each in sorted(tmp_path.iterdir())] == [f"{1:016d}.segment", path.name]
    log = open_log(tmp_path, Waiter(), known_segment=2)
    assert log.recovered.records == [entry(1), entry(2)]
    log.close()


def test_a_disk_that_refuses_the_newest_segments_copy_is_told_with_the_segment_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = second_of_two(tmp_path)
    before = path.read_bytes()

    def refuse(_: int) -> None:
        raise OSError(EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(SegmentRefusedError) as refused:
            open_log(tmp_path, Waiter())
    assert str(refused.value) == (
        f"{path}: the disk refuses a copy of it (Input/output error), which a start makes before it uses what it has "
        "read; nothing that it holds was changed: see to the disk, and start again"
    )
    assert before.startswith(path.read_bytes())
    log = open_log(tmp_path, Waiter(), known_segment=2)
    assert log.recovered.records == [entry(1), entry(2)]
    log.close()


def test_so_is_what_stands_in_the_copys_place(tmp_path: Path) -> None:
    path = second_of_two(tmp_path)
    path.with_name(f"{path.name}.new").mkdir()
    with pytest.raises(SegmentRefusedError, match=f"{path}: the disk refuses a copy of it \\(Is a directory\\)"):
        open_log(tmp_path, Waiter())


@pytest.mark.parametrize("name", ["abc.segment", "00000000000099.segment", "000000000000000٣.segment", ".segment"])
def test_a_file_that_only_looks_like_a_segment_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    second_of_two(tmp_path)
    (tmp_path / name).touch()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(StraySegmentError, match=f"{tmp_path / name} is no segment of this log"):
        open_log(tmp_path, Waiter())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_segment_under_the_name_of_another_one_is_refused(tmp_path: Path) -> None:
    path = second_of_two(tmp_path)
    path.rename(tmp_path / f"{3:016d}.segment")
    with pytest.raises(CorruptLogError, match="segment 3 says that it is segment 2"):
        open_log(tmp_path, Waiter())
    assert not path.exists()


def test_segments_go_one_by_one_so_that_a_crash_leaves_no_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    for token in (1, 2, 3):
        log.append(write(token, [entry(token)], token, opens=True))
    waiter.wait(3)
    disk = PowerlessDisk(tmp_path, monkeypatch)
    log.append(write(4, [entry(4)], 3, release=3))
    log.close()
    assert disk.removed == [[f"{1:016d}.segment"], [f"{2:016d}.segment"]]


def test_a_write_of_any_size_is_no_fault_of_a_disk_that_was_not_asked_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "UNWRITTEN_BYTES_MAX", 1_000)
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    for token in range(1, 5):
        log.append(write(token, [entry(token, b"x" * 5_000)], opens=token == 1))
        waiter.wait(token)
    log.close()
    assert waiter.failed == []


def test_the_log_refuses_when_too_much_has_come_while_the_disk_was_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "UNWRITTEN_BYTES_MAX", 1_000)
    busy, go_on = threading.Event(), threading.Event()

    def sync(_descriptor: int) -> None:
        busy.set()
        assert go_on.wait(WAIT_S)

    monkeypatch.setattr(os, "fdatasync", sync)
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    log.append(write(1, [entry(1, b"x" * 5_000)], opens=True))
    assert busy.wait(WAIT_S)
    for token in (2, 3):
        log.append(write(token, [entry(token, b"x" * 600)]))
    with pytest.raises(LogFailedError, match="does not keep up"):
        log.append(write(4, [entry(4)]))
    go_on.set()
    waiter.wait(3)
    log.append(write(4, [entry(4)]))
    waiter.wait(4)
    log.close()


def test_a_writer_that_breaks_in_any_way_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    failed = threading.Event()
    log._on_failed = lambda problem: (waiter.failed.append(problem), failed.set())[0]  # type: ignore[func-returns-value]

    def fail(_number: int) -> int:
        raise RuntimeError("a defect")

    monkeypatch.setattr(log._files, "descriptor", fail)
    log.append(write(1, [entry(1)], opens=True))
    assert failed.wait(WAIT_S)
    assert [str(problem) for problem in waiter.failed] == ["a defect"]
    monkeypatch.undo()
    log.close()


def test_a_segment_that_the_disk_has_no_room_for_is_made_shorter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allocate, tries = os.posix_fallocate, []

    def nearly_full(descriptor: int, offset: int, size: int) -> None:
        tries.append(size)
        if size > 1 << 14:
            raise OSError(ENOSPC, "No space left on device")
        allocate(descriptor, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", nearly_full)
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    log.append(write(1, [entry(1, b"x" * (1 << 15))], opens=True))
    waiter.wait(1)
    log.close()
    assert tries == [1 << 16, 1 << 15, 1 << 14]
    again = open_log(tmp_path, Waiter())
    assert again.recovered.records == [entry(1, b"x" * (1 << 15))]
    again.close()


def test_the_index_is_used_by_the_callers_thread_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = set()
    for name in ("add", "place", "release"):
        original = getattr(Index, name)

        def used(*args: Any, original: Any = original) -> Any:
            users.add(threading.get_ident())
            return original(*args)

        monkeypatch.setattr(Index, name, used)
    waiter = Waiter()
    log = open_log(tmp_path, waiter)
    for token in range(1, 4):
        log.append(write(token, [entry(token)], token, opens=True, release=token))
        waiter.wait(token)
    log.append(write(4, [entry(4)], 3))
    assert [record.index for record in log.read(SHARD, 0, 3, 4, 1 << 20)] == [3, 4]
    assert log.read(SHARD, 0, 1, 2, 1 << 20) == []
    log.close()
    assert users == {threading.get_ident()}


CHILD = """
import sys
import threading
import time
from errno import EIO, ENOSPC
from pathlib import Path
from trilemma.base.ids import ShardId
from trilemma.runtime.log import Log
from trilemma.storage.port import LogRecord, LogWrite, RecordKind

durable = 0
moved = threading.Condition()

def persisted(token):
    global durable
    print(token, flush=True)
    with moved:
        durable = token
        moved.notify()

log = Log(Path(sys.argv[1]), 1 << 16, persisted, print, lambda _: None, 0)
token, segment = 0, log.recovered.next_segment
first = max([record.index for record in log.recovered.records], default=0)
filled = 1 << 20
while True:
    token += 1
    opens = filled > 1 << 14
    if opens and token > 1:
        segment += 1
    filled = 0 if opens else filled + 100
    record = LogRecord(RecordKind.ENTRY, ShardId(1024), 0, first + token, 1, b"%d" % (first + token) * 5)
    log.append(LogWrite(token, segment, opens, [record], True, 0))
    with moved:
        moved.wait_for(lambda: token - durable < 40)
"""


@pytest.mark.process
def test_after_kill_9_everything_reported_durable_is_there(tmp_path: Path) -> None:
    first = 0
    for _ in range(4):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        with ended(child):
            assert child.stdout is not None
            reported = 0
            for line in child.stdout:
                reported = int(line)
                if reported > 200:
                    break
        log = open_log(tmp_path, Waiter())
        indexes = [record.index for record in log.recovered.records]
        assert indexes == list(range(1, len(indexes) + 1))
        assert len(indexes) >= first + reported
        assert log.recovered.records[-1].body == b"%d" % indexes[-1] * 5
        log.close()
        first = len(indexes)
