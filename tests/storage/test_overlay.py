"""The overlay: reads see what is applied, the engine gets only what the log holds durably."""

import random

import pytest

from trilemma.storage import overlay
from trilemma.storage.memory import MemoryEngine
from trilemma.storage.overlay import HOT_ROW_BYTES_MAX, ShardRows

KEYS = [b"%02d" % number for number in range(12)]
LOW, HIGH = b"00", b"99"


def test_a_row_is_seen_at_once_and_enters_the_engine_when_its_token_is_durable() -> None:
    engine = MemoryEngine()
    rows = ShardRows(engine, 1, 0)
    rows.put(b"a", b"1")
    rows.seal(7)
    assert rows.get(b"a") == b"1"
    assert rows.token_of(b"a") == 7
    assert rows.drain(6) is None
    batch = rows.drain(7)
    assert batch is not None
    assert batch.puts == [(b"a", b"1")]
    assert rows.token_of(b"a") == 0


@pytest.mark.parametrize(("size", "kept"), [(HOT_ROW_BYTES_MAX, True), (HOT_ROW_BYTES_MAX + 1, False)])
def test_a_long_row_that_is_in_the_engine_takes_no_place_among_the_hot_ones(size: int, kept: bool) -> None:
    engine = MemoryEngine()
    rows = ShardRows(engine, 1, 0)
    rows.put(b"a", b"x" * size)
    rows.seal(1)
    batch = rows.drain(1)
    assert batch is not None
    engine.write(batch)
    assert rows.get(b"a") == b"x" * size
    assert (b"a" in rows._hot) is kept
    rows.put(b"a", b"short")
    assert rows.get(b"a") == b"short"


class CountingEngine(MemoryEngine):
    """Notes which rows it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        self.asked.append(key)
        return super().get(key)


def stored(sizes: dict[bytes, int]) -> tuple[ShardRows, CountingEngine]:
    """Rows of some sizes that only the engine holds."""
    engine = CountingEngine()
    rows = ShardRows(engine, 1, 0)
    for key, size in sizes.items():
        rows.put(key, key * size)
    rows.seal(1)
    batch = rows.drain(1)
    assert batch is not None
    engine.write(batch)
    return ShardRows(engine, 1, 0), engine


def test_a_large_row_is_copied_out_of_the_engine_once_and_counts_as_handled_once() -> None:
    rows, engine = stored({b"a": HOT_ROW_BYTES_MAX + 1})
    for _ in range(3):
        assert rows.get(b"a") == b"a" * (HOT_ROW_BYTES_MAX + 1)
    assert engine.asked == [b"a"]
    assert rows.handled_bytes == HOT_ROW_BYTES_MAX + 1
    rows.put(b"a", b"new")
    assert rows.get(b"a") == b"new"
    assert rows.handled_bytes == HOT_ROW_BYTES_MAX + 1 + len(b"anew")


def test_a_large_row_is_forgotten_when_it_is_deleted_alone_or_with_its_range() -> None:
    for delete in (lambda rows: rows.delete(b"a"), lambda rows: rows.delete_range(b"a", b"b")):
        rows, _ = stored({b"a": HOT_ROW_BYTES_MAX + 1})
        assert rows.get(b"a") is not None
        delete(rows)
        assert rows.get(b"a") is None


def test_large_rows_take_no_more_memory_than_their_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    size = HOT_ROW_BYTES_MAX + 1
    monkeypatch.setattr(overlay, "LARGE_ROWS_BYTES_MAX", 3 * size)
    rows, engine = stored({**dict.fromkeys(KEYS, size), b"zz": 4 * size})
    rng = random.Random(1)
    for _ in range(200):
        rows.get(rng.choice([*KEYS, b"zz"]))
        if rng.random() < 0.2:
            rows.put(rng.choice(KEYS), b"short")
        held = sum(map(len, rows._large.values()))
        assert held == rows._large_bytes <= 3 * 2 * size
        assert b"zz" not in rows._large
    assert len(engine.asked) > len(KEYS)


@pytest.mark.parametrize("row", [None, b"v" * 100], ids=["rows that are not there", "rows that are"])
def test_hot_rows_take_no_more_memory_than_their_bound_keys_included(
    monkeypatch: pytest.MonkeyPatch, row: bytes | None
) -> None:
    """Reads of twenty thousand missing keys of 60 kB each held 950 MiB."""
    monkeypatch.setattr(overlay, "HOT_ROWS_BYTES_MAX", 10_000)
    rows = ShardRows(MemoryEngine(), 1, 0)
    rng = random.Random(1)
    token = 0
    for number in range(500):
        key = b"%03d" % rng.randrange(200) + b"k" * rng.randrange(300)
        rows.get(key)
        if row is not None:
            token += 1
            rows.put(key, row)
            rows.seal(token)
            rows.drain(token)
        if number % 50 == 49:
            rows.delete_range(b"0", b"1")
        held = sum(len(key) + len(value or b"") for key, value in rows._hot.items())
        assert held == rows._hot_bytes <= 10_000
    assert rows._hot_bytes > 2_000


def test_layers_leave_in_order_so_that_the_engine_holds_a_prefix() -> None:
    engine = MemoryEngine()
    rows = ShardRows(engine, 1, 0)
    rows.put(b"a", b"1")
    rows.seal(1)
    rows.put(b"a", b"2")
    rows.put(b"b", b"2")
    rows.seal(2)
    first = rows.drain(1)
    assert first is not None
    assert first.puts == [(b"a", b"1")]
    assert rows.get(b"a") == b"2"


def test_an_open_layer_never_leaves() -> None:
    rows = ShardRows(MemoryEngine(), 1, 0)
    rows.put(b"a", b"1")
    assert rows.drain(1 << 60) is None


def test_the_overlay_holds_no_bytes_once_it_is_drained() -> None:
    rows = ShardRows(MemoryEngine(), 1, 0)
    for number in range(100):
        rows.put(b"k%d" % (number % 7), b"x" * number)
        rows.seal(number)
    assert rows.bytes > 0
    rows.drain(100)
    assert rows.bytes == 0


@pytest.mark.parametrize("seed", range(60))
def test_reads_equal_a_plain_dictionary_whatever_is_sealed_or_drained(seed: int) -> None:
    draw = random.Random(seed)
    engine = MemoryEngine()
    rows = ShardRows(engine, 1, 0)
    twin: dict[bytes, bytes] = {}
    token = 0
    for step in range(300):
        choice = draw.random()
        key = draw.choice(KEYS)
        if choice < 0.35:
            value = b"%d" % step
            rows.put(key, value)
            twin[key] = value
        elif choice < 0.5:
            rows.delete(key)
            twin.pop(key, None)
        elif choice < 0.56:
            start, stop = sorted(draw.sample(KEYS, 2))
            rows.delete_range(start, stop)
            for gone in [one for one in twin if start <= one < stop]:
                del twin[gone]
        elif choice < 0.75:
            token += 1
            rows.seal(token)
        elif choice < 0.85:
            batch = rows.drain(draw.randint(0, token))
            if batch is not None:
                engine.write(batch)
        assert rows.get(key) == twin.get(key)
        reverse = draw.random() < 0.5
        limit = draw.randint(1, 14)
        expected = sorted(twin.items(), reverse=reverse)[:limit]
        assert rows.scan(LOW, HIGH, limit, reverse) == expected
        start, stop = sorted(draw.sample([LOW, *KEYS, HIGH], 2))
        assert list(rows.iterate(start, stop)) == sorted(row for row in twin.items() if start <= row[0] < stop)
