"""Rows on disk: RocksDB in raw bytes, one column family, no WAL, because the node's log is the log (PROTOCOLS §6.5)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    RdictIter,
    ReadOptions,
    Snapshot,
    WriteBatch,
    WriteOptions,
)

from trilemma.base.limits import MIB
from trilemma.storage.port import RowBatch

BLOCK_CACHE_BYTES = 64 * MIB
WRITE_BUFFER_BYTES = 32 * MIB
WRITE_BUFFERS = 3
OPEN_FILES_MAX = 256
BLOOM_BITS = 10
INFO_LOGS_KEPT = 2


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


class _Source(Protocol):
    """What a database and a snapshot of it share."""

    def iter(self, read_opt: ReadOptions | None = None) -> RdictIter:
        """Return an iterator."""
        ...


def _scan(source: _Source, start: bytes, stop: bytes, limit: int, reverse: bool) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    bounds = ReadOptions()
    bounds.set_iterate_lower_bound(start)
    bounds.set_iterate_upper_bound(stop)
    rows = source.iter(bounds)
    if reverse:
        rows.seek_to_last()
    else:
        rows.seek(start)
    while len(found) < limit and rows.valid():
        found.append((rows.key(), rows.value()))
        if reverse:
            rows.prev()
        else:
            rows.next()
    return found


class RocksView:
    """A pinned state of the rows."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot: Snapshot | None = snapshot

    def get(self, key: bytes) -> bytes | None:
        """See RowReader."""
        try:
            value: bytes = self._open()[key]
        except KeyError:
            return None
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See RowReader."""
        return [self.get(key) for key in keys]

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """See RowReader."""
        return _scan(self._open(), start, stop, limit, reverse)

    def _open(self) -> Snapshot:
        if self._snapshot is None:
            raise ValueError("the view was closed")
        return self._snapshot

    def close(self) -> None:
        """See ReadView."""
        self._snapshot = None


class RocksEngine:
    """See storage.port.Engine. `flush` blocks: call it off the loop."""

    def __init__(self, directory: Path) -> None:
        self._rows = Rdict(str(directory), options=_options())
        self._writes = WriteOptions()
        self._writes.disable_wal(True)

    def get(self, key: bytes) -> bytes | None:
        """See RowReader."""
        value: bytes | None = self._rows.get(key)
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See RowReader."""
        found: Any = self._rows.get(list(keys)) if keys else ()
        return list(found)

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """See RowReader."""
        return _scan(self._rows, start, stop, limit, reverse)

    def write(self, batch: RowBatch) -> None:
        """See Engine."""
        written = WriteBatch(raw_mode=True)
        for start, stop in batch.delete_ranges:
            written.delete_range(start, stop)
        for key in batch.deletes:
            written.delete(key)
        for key, value in batch.puts:
            written.put(key, value)
        self._rows.write(written, self._writes)

    def read_view(self) -> RocksView:
        """See Engine."""
        return RocksView(self._rows.snapshot())

    def flush(self) -> None:
        """Make everything written so far durable."""
        self._rows.flush(True)

    def size_bytes(self) -> int:
        """Return the bytes of the row files, near enough."""
        return self._rows.property_int_value("rocksdb.total-sst-files-size") or 0

    def close(self) -> None:
        """Close the files. What was not flushed is gone; the log has it."""
        self._rows.close()
