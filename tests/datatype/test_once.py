"""The tokens of CAP ONCE as rows: their bytes, what is forgotten and when, a dumb twin for all of it."""

from random import Random

import pytest

from trilemma.base.ids import ShardId
from trilemma.datatype import once
from trilemma.datatype.once import Kept, OnceTable, command_hash, decode_kept, encode_kept
from trilemma.storage.memory import MemoryEngine
from trilemma.storage.overlay import ShardRows
from trilemma.storage.rowkey import shard_range

SHARD = ShardId(1024)
INCR = command_hash([b"INCR", b"n"])


def written(engine: MemoryEngine, rows: ShardRows) -> dict[bytes, bytes]:
    """Write what is in the overlay, and return all rows."""
    rows.seal(0)
    batch = rows.drain(0)
    if batch is not None:
        engine.write(batch)
    return dict(engine.scan(*shard_range(SHARD, 1), 1_000_000))


def kept(stamp_ms: int, reply: bytes = b":1\r\n") -> Kept:
    return Kept(stamp_ms, INCR, reply, b"")


def test_the_bytes_of_a_token_are_these() -> None:
    engine = MemoryEngine()
    rows = ShardRows(engine, SHARD, 1)
    OnceTable(rows).remember(3, b"tok", Kept(0x0102, bytes(range(16)), b"$-1\r\n", b"_\r\n"))
    head = "00000400" + "00000001"
    assert {key.hex(): value.hex() for key, value in written(engine, rows).items()} == {
        head + "06" + "03" + b"tok".hex(): "0000000000000102"
        + bytes(range(16)).hex() + "00000005" + b"$-1\r\n".hex() + b"_\r\n".hex(),
        head + "07" + "0000000000000102" + "03" + b"tok".hex(): "",
        head + "01" + b"once".hex(): "0000000000000001" + "0000000000000027",
    }  # fmt: skip


@pytest.mark.parametrize("reply", [(b"+OK\r\n", b""), (b"", b""), (b"*-1\r\n", b"_\r\n")])
def test_what_is_kept_can_be_read_again(reply: tuple[bytes, bytes]) -> None:
    assert decode_kept(encode_kept(Kept(7, INCR, *reply))) == Kept(7, INCR, *reply)


def test_a_command_is_told_by_its_name_in_any_case_and_its_exact_arguments() -> None:
    assert command_hash([b"incr", b"n"]) == INCR
    others = ([b"incr", b"N"], [b"incr", b"n", b""], [b"incrn"], [b"incr", b""], [b"decr", b"n"])
    assert len({INCR, *(command_hash(argv) for argv in others)}) == 6
    assert command_hash([b"set", b"a", b"bc"]) != command_hash([b"set", b"ab", b"c"])


def test_a_token_belongs_to_its_db() -> None:
    table = OnceTable(ShardRows(MemoryEngine(), SHARD, 1))
    table.remember(0, b"t", kept(5))
    assert table.find(0, b"t") == kept(5)
    assert table.find(1, b"t") is None


def test_a_reply_beyond_its_bound_is_not_kept_but_the_token_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "ONCE_REPLY_BYTES_MAX", 10)
    table = OnceTable(ShardRows(MemoryEngine(), SHARD, 1))
    table.remember(0, b"long", kept(5, b"$9\r\n123456789\r\n"))
    assert table.find(0, b"long") == Kept(5, INCR, b"", b"")


def test_the_oldest_go_first_and_what_is_young_never_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "ONCE_TOKENS_MAX", 3)
    monkeypatch.setattr(once, "ONCE_KEPT_MS_MIN", 100)
    monkeypatch.setattr(once, "FORGOTTEN_AT_ONCE", 1)
    table = OnceTable(ShardRows(MemoryEngine(), SHARD, 1))
    for stamp_ms in (10, 20, 150):
        assert table.make_room(stamp_ms)
        table.remember(0, b"%d" % stamp_ms, kept(stamp_ms))
    assert not table.make_room(109)
    assert table.make_room(110)
    assert (table.find(0, b"10"), table.find(0, b"20")) == (None, kept(20))
    table.remember(0, b"x", kept(110))
    assert table.make_room(200)
    assert table.find(0, b"20") is None
    assert table.find(0, b"150") == kept(150)


def test_bytes_are_bounded_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "ONCE_BYTES_MAX", 1_000)
    monkeypatch.setattr(once, "ONCE_REPLY_BYTES_MAX", 100)
    table = OnceTable(ShardRows(MemoryEngine(), SHARD, 1))
    for number in range(50):
        assert table.make_room(number * once.ONCE_KEPT_MS_MIN)
        table.remember(0, b"%d" % number, kept(number * once.ONCE_KEPT_MS_MIN, b"x" * 90))
        assert table.bytes <= 1_000
    assert table.find(0, b"0") is None
    assert table.find(0, b"49") is not None


class Twin:
    """A table as a dict, looked through from end to end."""

    def __init__(self) -> None:
        self.kept: dict[tuple[int, bytes], Kept] = {}

    def forget(self, stamp_ms: int, tokens_max: int) -> None:
        old = sorted((kept.stamp_ms, *place) for place, kept in self.kept.items() if kept.stamp_ms <= stamp_ms)
        for _, db, token in old[:tokens_max]:
            del self.kept[db, token]

    @property
    def next_due_ms(self) -> int | None:
        return min((kept.stamp_ms for kept in self.kept.values()), default=None)


@pytest.mark.parametrize("seed", range(20))
def test_the_table_does_what_a_dumb_twin_does_also_after_restarts(seed: int) -> None:
    random = Random(seed)
    engine = MemoryEngine()
    rows = ShardRows(engine, SHARD, 1)
    table, twin = OnceTable(rows), Twin()
    now_ms = once.ONCE_KEPT_MS_MAX
    for _ in range(400):
        now_ms += random.choice((0, 1, 50, once.ONCE_KEPT_MS_MAX // 9))
        place = random.randrange(3), b"%d" % random.randrange(60)
        assert table.find(*place) == twin.kept.get(place)
        draw = random.random()
        if draw < 0.7 and place not in twin.kept:
            twin.kept[place] = kept(now_ms, b"x" * random.randrange(1, 40))
            table.remember(*place, twin.kept[place])
        elif draw < 0.8:
            table.reap(now_ms, 7)
            twin.forget(now_ms - once.ONCE_KEPT_MS_MAX, 7)
        elif draw < 0.9:
            stamp_ms = now_ms - random.randrange(2 * once.ONCE_KEPT_MS_MAX)
            table.forget(stamp_ms, 3)
            twin.forget(stamp_ms, 3)
        else:
            found = written(engine, rows)
            rows = ShardRows(engine, SHARD, 1)
            table = OnceTable(rows)
            assert len(found) <= 2 * len(twin.kept) + 1
        due_ms = twin.next_due_ms
        assert table.next_due_ms() == (None if due_ms is None else due_ms + once.ONCE_KEPT_MS_MAX)
        assert table.count == len(twin.kept)
        assert table.bytes == sum(len(token) + len(encode_kept(one)) for (_, token), one in twin.kept.items())
