"""RocksDB and the in-memory engine agree on every batch and scan; a full disk costs no rows; damage is no absence."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from trilemma.base.ids import ShardId
from trilemma.runtime.disk import DiskStorage
from trilemma.runtime.room import NoRoomError
from trilemma.runtime.row_problems import CorruptRowsError, RowsFailedError
from trilemma.runtime.rows import FLUSH_MARGIN_BYTES, RocksEngine
from trilemma.storage.memory import MemoryEngine
from trilemma.storage.port import LogRecord, LogWrite, RecordKind, RowBatch

key = st.binary(min_size=1, max_size=3)
span = st.tuples(key, key).filter(lambda pair: pair[0] < pair[1])
batch = st.builds(
    RowBatch,
    st.lists(st.tuples(key, st.binary(max_size=4)), max_size=6),
    st.lists(key, max_size=3),
    st.lists(span, max_size=2),
)


@settings(max_examples=60, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.lists(batch, max_size=8), st.lists(st.tuples(span, st.integers(1, 9), st.booleans()), max_size=6))
def test_both_engines_hold_the_same(tmp_path_factory, batches, scans) -> None:  # type: ignore[no-untyped-def]
    rocks, memory = RocksEngine(tmp_path_factory.mktemp("rows")), MemoryEngine()
    for each in batches:
        rocks.write(each)
        memory.write(each)
    for (start, stop), limit, reverse in scans:
        assert rocks.scan(start, stop, limit, reverse) == memory.scan(start, stop, limit, reverse)
        assert list(rocks.iterate(start, stop)) == list(memory.iterate(start, stop)) == memory.scan(start, stop, 999)
    keys = [each for one in batches for each, _ in one.puts]
    assert rocks.get_many(keys) == memory.get_many(keys)
    rocks.close()


def test_a_view_keeps_what_it_saw(tmp_path: Path) -> None:
    rows = RocksEngine(tmp_path)
    rows.write(RowBatch([(b"a", b"1"), (b"b", b"2")], [], []))
    view = rows.read_view()
    rows.write(RowBatch([(b"a", b"3")], [b"b"], []))
    assert view.scan(b"a", b"z", 9) == [(b"a", b"1"), (b"b", b"2")]
    assert (view.get(b"b"), rows.get(b"b")) == (b"2", None)
    view.close()
    rows.close()


def test_a_view_keeps_a_range_that_is_deleted_under_it_and_flushed(tmp_path: Path) -> None:
    rows = RocksEngine(tmp_path)
    kept = [(b"a%03d" % number, b"v") for number in range(200)]
    rows.write(RowBatch(kept, [], []))
    rows.flush()
    view = rows.read_view()
    first = list(islice(view.iterate(b"a", b"z"), 50))
    rows.write(RowBatch([], [], [(b"a", b"b")]))
    rows.flush()
    assert first + list(view.iterate(b"a050", b"z")) == kept
    assert rows.scan(b"a", b"z", 1) == []
    view.close()
    rows.close()


def test_what_was_flushed_is_there_after_a_restart(tmp_path: Path) -> None:
    rows = RocksEngine(tmp_path)
    rows.write(RowBatch([(b"a", b"1")], [], []))
    rows.flush()
    rows.close()
    again = RocksEngine(tmp_path)
    assert again.get(b"a") == b"1"
    again.close()


def test_a_flush_without_room_is_not_tried_and_succeeds_once_there_is_room(tmp_path: Path) -> None:
    free = FLUSH_MARGIN_BYTES
    rows = RocksEngine(tmp_path, lambda _: free)
    rows.write(RowBatch([(b"a", b"1")], [], []))
    with pytest.raises(NoRoomError, match="bytes are free"):
        rows.flush()
    assert rows.takes_writes
    rows.write(RowBatch([(b"b", b"2")], [], []))
    free += 1 << 20
    rows.flush()
    rows.close()
    again = RocksEngine(tmp_path)
    assert again.get_many([b"a", b"b"]) == [b"1", b"2"]
    again.close()


KEYS = [b"k%03d" % number for number in range(300)]


def damaged(path: Path) -> RocksEngine:
    """Return rows of which those in the middle lie in a block with a flipped bit."""
    rows = RocksEngine(path)
    rows.write(RowBatch([(key, os.urandom(1_000)) for key in KEYS], [], []))
    rows.flush()
    rows.close()
    (file,) = path.glob("*.sst")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    return RocksEngine(path)


@pytest.mark.parametrize(
    "read",
    [
        lambda rows: [rows.get(key) for key in KEYS],
        lambda rows: rows.get_many(KEYS),
        lambda rows: rows.scan(b"k", b"l", 999),
        lambda rows: rows.scan(b"k", b"l", 999, True),
        lambda rows: list(rows.iterate(b"k", b"l")),
        lambda rows: [rows.read_view().get(key) for key in KEYS],
        lambda rows: rows.read_view().get_many(KEYS),
        lambda rows: rows.read_view().scan(b"k", b"l", 999),
        lambda rows: rows.read_view().scan(b"k", b"l", 999, True),
        lambda rows: list(rows.read_view().iterate(b"k", b"l")),
    ],
)
def test_a_row_that_cannot_be_read_is_not_taken_for_one_that_is_not_there(
    tmp_path: Path, read: Callable[[RocksEngine], object]
) -> None:
    """An iterator ends where it meets damage as it does behind the last row: a scan left out what came after."""
    rows = damaged(tmp_path)
    assert rows.get(KEYS[0]) is not None
    assert len(rows.scan(KEYS[0], KEYS[9], 999)) == 9
    assert rows.scan(b"l", b"m", 999) == []
    with pytest.raises(CorruptRowsError, match="Corruption: block checksum mismatch"):
        read(rows)
    rows.close()


def test_damage_that_only_rocksdb_itself_has_met_stops_the_next_write(tmp_path: Path) -> None:
    rows = damaged(tmp_path)
    rows.write(RowBatch([(key, b"new") for key in KEYS], [], []))
    rows.flush()
    rows._rows.compact_range(None, None)
    for use in (
        lambda: rows.takes_writes,
        lambda: rows.write(RowBatch([(b"a", b"1")], [], [])),
        rows.flush,
        rows.close,
    ):
        with pytest.raises(CorruptRowsError, match="Corruption: block checksum mismatch"):
            use()


@pytest.mark.parametrize("left", ["nothing", "a directory"])
@pytest.mark.parametrize("name", ["*.sst", "MANIFEST-*"])
def test_a_file_that_is_gone_is_damage_and_no_refusal_of_the_disk(tmp_path: Path, name: str, left: str) -> None:
    rows = RocksEngine(tmp_path)
    rows.write(RowBatch([(b"a", b"1")], [], []))
    rows.flush()
    rows.close()
    (file,) = tmp_path.glob(name)
    file.unlink()
    if left == "a directory":
        file.mkdir()
    with pytest.raises(CorruptRowsError, match=file.name):
        RocksEngine(tmp_path)


def test_a_disk_that_does_not_say_how_much_is_free_refuses_a_flush(tmp_path: Path) -> None:
    def refuse(_: Path) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    rows = RocksEngine(tmp_path, refuse)
    with pytest.raises(RowsFailedError, match=r"of the rows \(Input/output error\), so the node has stopped"):
        rows.flush()
    rows.close()


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("IO error: While pread offset 0 len 9: rows/7.sst: Input/output error", RowsFailedError),
        ("IO error: While appending to file: rows/7.sst: Disk quota exceeded", RowsFailedError),
        ("Corruption: IO error: While open a file: rows/7.sst: Too many open files  The file", RowsFailedError),
        ("IO error: No such file or directory: While open a file: rows/7.sst: No such", CorruptRowsError),
    ],
)
def test_what_the_disk_refuses_is_no_damage_in_whichever_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, what: type[Exception]
) -> None:
    class Refusing:
        def get(self, _: bytes) -> bytes:
            raise Exception(said)

    rows = RocksEngine(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(rows, "_rows", Refusing())
        with pytest.raises(what, match=re.escape(said)):
            rows.get(b"a")
    rows.close()


FULL = """
import os, sys, time
from pathlib import Path
from trilemma.runtime.room import NoRoomError
from trilemma.runtime.rows import RocksEngine
from trilemma.storage.port import RowBatch

disk = Path(sys.argv[1])
rows = RocksEngine(disk / "rows", lambda _: 1 << 40)
rows.write(RowBatch([(b"a", b"1")], [], []))
found = os.statvfs(disk)
filler = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
os.posix_fallocate(filler, 0, found.f_bavail * found.f_frsize)
try:
    rows.flush()
except NoRoomError:
    pass
else:
    sys.exit("the disk was not full")
assert not rows.takes_writes
assert rows.get(b"a") == b"1"
os.ftruncate(filler, 0)
while not rows.takes_writes:
    time.sleep(0.05)
rows.write(RowBatch([(b"b", b"2")], [], []))
rows.flush()
rows.close()
again = RocksEngine(disk / "rows")
assert again.get_many([b"a", b"b"]) == [b"1", b"2"]
again.close()
found = os.statvfs(disk)
os.posix_fallocate(filler, 0, found.f_bavail * found.f_frsize)
try:
    RocksEngine(disk / "rows")
except NoRoomError as problem:
    assert "has no room for what RocksDB writes as it opens the rows" in str(problem)
else:
    sys.exit("the disk was not full")
os.ftruncate(filler, 0)
again = RocksEngine(disk / "rows")
assert again.get(b"a") == b"1"
again.close()
"""


@pytest.mark.process
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a disk needs root")
def test_a_disk_that_runs_full_within_a_flush_costs_no_rows(tmp_path: Path) -> None:
    mounted = 'mount -t tmpfs -o size=400m tmpfs "$0" && exec "$@"'
    program = [sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted, str(tmp_path), *program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_node_whose_disk_is_full_is_stopped_cleanly_and_its_log_has_what_its_rows_lack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = DiskStorage(tmp_path, 1 << 16, lambda _: None)
    storage.open(lambda _: None, lambda _: None)
    record = LogRecord(RecordKind.ENTRY, ShardId(1024), 0, 1, 1, b"x")
    storage.log.append(LogWrite(1, 1, True, [record], True, 0))
    storage.engine.write(RowBatch([(b"a", b"1")], [], []))
    monkeypatch.setattr(storage.engine, "_free_bytes", lambda _: 0)
    storage.close()
    again = DiskStorage(tmp_path, 1 << 16, lambda _: None)
    assert again.open(lambda _: None, lambda _: None).records == [record]
    again.close()
