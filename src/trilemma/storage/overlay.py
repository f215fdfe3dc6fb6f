"""The overlay of one shard: rows that are applied but not yet in the engine, seen by every read (ARCHITECTURE §1).

Rows are put into an open layer; `seal(token)` closes it; `drain(durable)` hands the layers whose token is durable to
the engine, oldest first, as one batch. So the engine never runs ahead of the log, and after a crash holds a prefix.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

from trilemma.base.ids import ShardId
from trilemma.base.limits import MIB, limit
from trilemma.storage.port import Engine, LogRecord, RowBatch

HOT_ROWS_MAX = limit(
    "hot_rows_max", 16_384, "rows per shard", "rows kept in memory in front of the engine", "slower reads"
)

HOT_ROWS_BYTES_MAX = limit(
    "hot_rows_bytes_max",
    32 * MIB,
    "bytes per shard",
    "keys and values of these rows; of a row that is not there the key alone, of up to 64 KiB, is kept",
    "slower reads",
)

HOT_ROW_BYTES_MAX = 16 << 10
"""A longer row is a large one, and has a bound of its own: so many rows of any length would be no bound on memory."""

LARGE_ROWS_BYTES_MAX = limit(
    "large_rows_bytes_max",
    32 * MIB,
    "bytes per shard",
    "the engine copies a row at every read: of one of 16 MiB that takes milliseconds",
    "slower reads",
)

Range = tuple[bytes, bytes]


def _present(row: tuple[bytes, bytes | None]) -> Iterator[tuple[bytes, bytes]]:
    key, value = row
    if value is not None:
        yield key, value


class _Layer:
    __slots__ = ("ranges", "rows", "token")

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes | None] = {}
        self.ranges: list[Range] = []
        self.token = 0

    @property
    def is_empty(self) -> bool:
        return not self.rows and not self.ranges


class ShardRows:
    """Reads and writes of one shard generation: the overlay's layers over the engine."""

    def __init__(self, engine: Engine, shard: ShardId, generation: int, named_by: LogRecord | None = None) -> None:
        self.shard = shard
        self.generation = generation
        self.named_by = named_by
        """The record that made this the generation in use, None for the first: every log segment must restate it."""
        self.bytes = 0
        """Bytes in the overlay, for back-pressure."""
        self.handled_bytes = 0
        """Bytes of rows that were written, or read from the engine, so far: by them a turn's work is bounded."""
        self._engine = engine
        self._open = _Layer()
        self.sealed: deque[_Layer] = deque()
        """Closed layers that the engine has not been given, oldest first."""
        self._newest: dict[bytes, tuple[bytes | None, _Layer]] = {}
        self._hot: dict[bytes, bytes | None] = {}
        self._hot_bytes = 0
        self._large: dict[bytes, bytes] = {}
        self._large_bytes = 0

    def get(self, key: bytes) -> bytes | None:
        """Return the row as of now, or None."""
        found = self._newest.get(key)
        if found is not None:
            return found[0]
        try:
            return self._hot[key]
        except KeyError:
            return self._miss(key)

    def _miss(self, key: bytes) -> bytes | None:
        large = self._large.get(key)
        if large is not None:
            return large
        value = None if self._is_deleted(key) else self._engine.get(key)
        if value is not None:
            self.handled_bytes += len(value)
        self._remember(key, value)
        return value

    def _remember(self, key: bytes, value: bytes | None) -> None:
        if value is not None and len(value) > HOT_ROW_BYTES_MAX:
            self._remember_large(key, value)
            return
        size = len(key) if value is None else len(key) + len(value)
        while self._hot and (len(self._hot) >= HOT_ROWS_MAX or self._hot_bytes + size > HOT_ROWS_BYTES_MAX):
            # The oldest half goes: cheaper than keeping an order of use, and what is hot comes back at once.
            for old in list(self._hot)[: max(len(self._hot) // 2, 1)]:
                self._forget_hot(old)
        self._hot[key] = value
        self._hot_bytes += size

    def _forget_hot(self, key: bytes) -> None:
        value = self._hot.pop(key)
        self._hot_bytes -= len(key) if value is None else len(key) + len(value)

    def _remember_large(self, key: bytes, value: bytes) -> None:
        if len(value) > LARGE_ROWS_BYTES_MAX:
            return
        while self._large and self._large_bytes + len(value) > LARGE_ROWS_BYTES_MAX:
            self._forget_large(next(iter(self._large)))
        self._large[key] = value
        self._large_bytes += len(value)

    def _forget_large(self, key: bytes) -> None:
        self._large_bytes -= len(self._large.pop(key, b""))

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return rows in the order asked."""
        return [self.get(key) for key in keys]

    def put(self, key: bytes, value: bytes) -> None:
        """Write a row into the open layer."""
        size = len(key) + len(value)
        self.bytes += size
        self.handled_bytes += size
        self._set(key, value)

    def delete(self, key: bytes) -> None:
        """Delete a row in the open layer."""
        self.bytes += len(key)
        self._set(key, None)

    def _set(self, key: bytes, value: bytes | None) -> None:
        layer = self._open
        layer.rows[key] = value
        self._newest[key] = (value, layer)
        if key in self._hot:
            self._forget_hot(key)
        if self._large:
            self._forget_large(key)

    def delete_range(self, start: bytes, stop: bytes) -> None:
        """Delete all rows with start <= key < stop in the open layer. Cost: the rows that are in memory."""
        layer = self._open
        for key in [key for key in self._newest if start <= key < stop]:
            layer.rows.pop(key, None)
            self._newest[key] = (None, layer)
            layer.rows[key] = None
        for key in [key for key in self._hot if start <= key < stop]:
            self._forget_hot(key)
        for key in [key for key in self._large if start <= key < stop]:
            self._forget_large(key)
        layer.ranges.append((start, stop))

    def _is_deleted(self, key: bytes) -> bool:
        layers = (*self.sealed, self._open)
        return any(start <= key < stop for layer in layers if layer.ranges for start, stop in layer.ranges)

    def expect(self, token: int) -> None:
        """Say with which token the open layer will be sealed, so that `token_of` knows it for rows in it."""
        self._open.token = token

    def token_of(self, key: bytes) -> int:
        """Return the token that a reply which shows this row must wait for; 0 for none."""
        found = self._newest.get(key)
        return 0 if found is None else found[1].token

    def scan(self, start: bytes, stop: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Return up to `limit` rows of the range in order, the overlay merged in."""
        return self._backward(start, stop, limit) if reverse else list(islice(self.iterate(start, stop), limit))

    def _changed(self, start: bytes, stop: bytes) -> dict[bytes, bytes | None]:
        return {key: value for key, (value, _) in self._newest.items() if start <= key < stop}

    def _ranges(self) -> list[Range]:
        return [one for layer in (*self.sealed, self._open) for one in layer.ranges]

    def _backward(self, start: bytes, stop: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        changed, ranges = self._changed(start, stop), self._ranges()
        merged: dict[bytes, bytes] = {key: value for key, value in changed.items() if value is not None}
        edge = stop
        while True:
            rows = self._engine.scan(start, edge, limit, True)
            merged.update(
                (key, value)
                for key, value in rows
                if key not in changed and not any(low <= key < high for low, high in ranges)
            )
            ordered = sorted(merged, reverse=True)[:limit]
            if len(rows) < limit or (len(ordered) == limit and rows[-1][0] <= ordered[-1]):
                return [(key, merged[key]) for key in ordered]
            edge = rows[-1][0]

    def iterate(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the rows of the range in order, the overlay merged in as it is when the first is asked for."""
        changed, ranges = self._changed(start, stop), self._ranges()
        ordered = sorted(changed.items())
        place = 0
        for key, value in self._engine.iterate(start, stop):
            while place < len(ordered) and ordered[place][0] <= key:
                yield from _present(ordered[place])
                place += 1
            if key not in changed and not any(low <= key < high for low, high in ranges):
                yield key, value
        for row in ordered[place:]:
            yield from _present(row)

    def seal(self, token: int) -> None:
        """Close the open layer; it may enter the engine once `token` is durable (0: at once)."""
        layer = self._open
        if not layer.is_empty:
            layer.token = token
            self.sealed.append(layer)
            self._open = _Layer()

    def drain(self, durable_token: int) -> RowBatch | None:
        """Take out the sealed layers whose token is durable, oldest first, as one batch; None where there is none."""
        if not self.sealed or self.sealed[0].token > durable_token:
            return None
        puts: dict[bytes, bytes | None] = {}
        ranges: list[Range] = []
        while self.sealed and self.sealed[0].token <= durable_token:
            layer = self.sealed.popleft()
            for start, stop in layer.ranges:
                for key in [key for key in puts if start <= key < stop]:
                    del puts[key]
                ranges.append((start, stop))
            puts.update(layer.rows)
            self._forget(layer)
        deletes = [key for key, value in puts.items() if value is None]
        return RowBatch([(key, value) for key, value in puts.items() if value is not None], deletes, ranges)

    def _forget(self, layer: _Layer) -> None:
        for key, value in layer.rows.items():
            self.bytes -= len(key) + (0 if value is None else len(value))
            if self._newest[key][1] is layer:
                del self._newest[key]
                self._remember(key, value)
        self.bytes = max(self.bytes, 0)
        if not self._newest:
            self.bytes = 0
