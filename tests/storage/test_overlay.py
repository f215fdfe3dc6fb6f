"""The overlay: reads see what is applied, the engine gets only what the log holds durably."""

import random

import pytest

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
def test_a_long_row_that_is_in_the_engine_takes_no_memory_here(size: int, kept: bool) -> None:
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
