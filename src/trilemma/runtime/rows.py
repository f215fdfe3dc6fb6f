"""Rows on disk: RocksDB in raw bytes, one column family, no WAL, because the node's log is the log (PROTOCOLS §6.5).

A flush that finds no room is not tried, and can be tried again. Where the disk runs full within one all the same,
RocksDB keeps the rows in memory, can be read, takes no writes, and goes on by itself some seconds after there is room
for its write buffers again; its binding has no call to hasten that.

Blocks carry checksums, which are looked at as they are read: a damaged one is found long after the start, and rows that
cannot be read must not pass for rows that are not there.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    RdictIter,
    WriteBatch,
    WriteOptions,
)

from trilemma.base.limits import MIB
from trilemma.runtime.room import NoRoomError, free_bytes
from trilemma.runtime.row_problems import RowsFailedError, is_short_of_room, raise_known, unopened
from trilemma.storage.port import RowBatch

BLOCK_CACHE_BYTES = 64 * MIB
WRITE_BUFFER_BYTES = 32 * MIB
WRITE_BUFFERS = 3
OPEN_FILES_MAX = 256
BLOOM_BITS = 10
INFO_LOGS_KEPT = 2
FLUSH_MARGIN_BYTES = 4 * MIB
"""Free beside what is flushed: for the table's index, the manifest, and what others write meanwhile."""


def _options() -> Options:
    table = BlockBasedOptions()
    table.set_block_cache(Cache(BLOCK_CACHE_BYTES))
    table.set_bloom_filter(BLOOM_BITS, False)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(table)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(WRITE_BUFFERS)
    options.set_max_open_files(OPEN_FILES_MAX)
    options.set_max_background_jobs(2)
    options.set_keep_log_file_num(INFO_LOGS_KEPT)
    options.set_compression_type(DBCompressionType.lz4())
    return options


def _is_at_row(rows: RdictIter) -> bool:
    """Say whether an iterator stands at a row. One that met what it cannot read looks like one at its end."""
    if rows.valid():
        return True
    try:
        rows.status()
    except Exception as problem:
        raise_known(problem)
        raise
    return False


def _forward(rows: RdictIter, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
    # Bounds are compared here: those of ReadOptions take keys in the library's own encoding, not as raw bytes.
    rows.seek(start)
    while _is_at_row(rows) and (key := rows.key()) < stop:
        yield key, rows.value()
        rows.next()


def _backward(rows: RdictIter, start: bytes, stop: bytes, limit: int) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    rows.seek_for_prev(stop)
    if _is_at_row(rows) and rows.key() == stop:
        rows.prev()
    while len(found) < limit and _is_at_row(rows) and (key := rows.key()) >= start:
        found.append((key, rows.value()))
        rows.prev()
    return found


def _scan(rows: RdictIter, start: bytes, stop: bytes, limit: int, reverse: bool) -> list[tuple[bytes, bytes]]:
    return _backward(rows, start, stop, limit) if reverse else list(islice(_forward(rows, start, stop), limit))


class RocksView:
    """A pinned state of the rows: an iterator sees the rows as they were when it was made."""

    def __init__(self, rows: RdictIter) -> None:
        self._rows: RdictIter | None = rows

    def get(self, key: bytes) -> bytes | None:
        """See RowReader."""
        rows = self._open()
        rows.seek(key)
        if not _is_at_row(rows) or rows.key() != key:
            return None
        value: bytes = rows.value()
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See RowReader."""
        return [self.get(key) for key in keys]

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """See RowReader."""
        return _scan(self._open(), start, stop, limit, reverse)

    def iterate(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See RowReader."""
        return _forward(self._open(), start, stop)

    def _open(self) -> RdictIter:
        if self._rows is None:
            raise ValueError("the view was closed")
        return self._rows

    def close(self) -> None:
        """See ReadView."""
        self._rows = None


class RocksEngine:
    """See storage.port.Engine. `flush` blocks: call it off the loop.

    Raises:
        CorruptRowsError: the rows are damaged; of every method: they turn out to be.
        RowsFailedError: of every method too: the disk refuses.
        NoRoomError: it has none for what is written as they are opened.
    """

    def __init__(self, directory: Path, free_bytes: Callable[[Path], int] = free_bytes) -> None:
        """Args: free_bytes: how much is free on the disk of a path."""
        self._directory = directory
        self._free_bytes = free_bytes
        self._errors = 0
        """Background errors that are known to be over."""
        try:
            self._rows = Rdict(str(directory), options=_options())
        except Exception as problem:
            raise unopened(directory, problem) from problem
        self._writes = WriteOptions()
        # A property, though the library's stub calls it a method.
        setattr(self._writes, "disable_wal", True)  # noqa: B010

    def get(self, key: bytes) -> bytes | None:
        """See RowReader."""
        value: bytes | None = self._get(key)
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See RowReader."""
        return list(self._get(list(keys))) if keys else []

    def _get(self, wanted: Any) -> Any:
        try:
            return self._rows.get(wanted)
        except Exception as problem:
            raise_known(problem)
            raise

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """See RowReader."""
        return _scan(self._rows.iter(), start, stop, limit, reverse)

    def iterate(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See RowReader."""
        return _forward(self._rows.iter(), start, stop)

    @property
    def takes_writes(self) -> bool:
        """See Engine. Cost: a count is read, and only after an error an empty batch is written."""
        errors = self._property("background-errors")
        if errors != self._errors:
            try:
                self._rows.write(WriteBatch(raw_mode=True), self._writes)
            except Exception as problem:
                if is_short_of_room(problem):
                    return False
                raise_known(problem)
                raise
            self._errors = errors
        return True

    def _property(self, name: str) -> int:
        return self._rows.property_int_value(f"rocksdb.{name}") or 0

    def write(self, batch: RowBatch) -> None:
        """See Engine."""
        written = WriteBatch(raw_mode=True)
        for start, stop in batch.delete_ranges:
            written.delete_range(start, stop)
        for key in batch.deletes:
            written.delete(key)
        for key, value in batch.puts:
            written.put(key, value)
        try:
            self._rows.write(written, self._writes)
        except Exception as problem:
            raise_known(problem)
            raise

    def read_view(self) -> RocksView:
        """See Engine."""
        return RocksView(self._rows.iter())

    def flush(self) -> None:
        """Make everything written so far durable.

        Raises:
            NoRoomError: the disk is too full; to be tried again.
        """
        needed = self._property("size-all-mem-tables") + FLUSH_MARGIN_BYTES
        free = self._free()
        if free < needed:
            raise NoRoomError(f"{free} bytes are free, {needed} are needed")
        try:
            self._rows.flush(True)
        except Exception as problem:
            if is_short_of_room(problem):
                raise NoRoomError(str(problem)) from problem
            raise_known(problem)
            raise

    def _free(self) -> int:
        try:
            return self._free_bytes(self._directory)
        except OSError as problem:
            raise RowsFailedError(problem.strerror or str(problem)) from problem

    def size_bytes(self) -> int:
        """Return the bytes of the row files, near enough."""
        return self._property("total-sst-files-size")

    def close(self) -> None:
        """Close the files. What was not flushed is gone; the log has it."""
        try:
            self._rows.close()
        except Exception as problem:
            # It flushes once more, and is closed all the same.
            if not is_short_of_room(problem):
                raise_known(problem)
                raise
