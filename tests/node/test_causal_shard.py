"""An `ap` shard's rows: what they are said to reflect is what they hold, whatever happens around them."""

import msgspec
import pytest

from trilemma.base.hlc import LOGICAL_BITS
from trilemma.base.time import Now
from trilemma.crdt.entry import FOREVER_MS
from trilemma.datatype import causal, state_rows
from trilemma.datatype.operations import SET
from trilemma.keyspace.settings import Keyspace, Mode
from trilemma.node import allowance, internal
from trilemma.node.batch import Batch as UnitBatch
from trilemma.node.causal_rows import VECTOR, decode_reflected, read_reflected
from trilemma.node.causal_shard import CausalShard
from trilemma.node.config import Member, NodeConfig
from trilemma.node.unit import Part, Path, Result, Unit
from trilemma.replication.leaderless.messages import Batches, Gossip, wire_of
from trilemma.replication.leaderless.replica import Leaderless
from trilemma.replication.port import Batch, Reflected
from trilemma.storage.memory import MemoryEngine, MemoryLog
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import RowBatch
from trilemma.storage.rowkey import meta_key, shard_range

LETTERS = (b"a", b"b", b"c", b"d", b"e", b"f")
Told = list[tuple[Result, int]]
SHARD = 2048
NOW = Now(1_000_000, 1_700_000_000_000_000)
MEMBERS = (Member(1, "n1"), Member(2, "n2"), Member(3, "n3"))
SHOP = Keyspace(2, "shop", Mode.AP, (1, 2, 3), 1, "1", "1", "sync", 2_000)


def wrote(origin: int, seq: int, key: bytes, depends: dict[int, int]) -> Batch:
    body = msgspec.msgpack.encode([[SET, 0, key, b"%d.%d" % (origin, seq), FOREVER_MS, []]])
    return Batch(origin, seq, (1 << 20) + 10 * seq + origin, depends, body)


class Units(UnitBatch):
    """A batch, and what it was told."""

    def __init__(self, units: list[Unit], told: Told) -> None:
        super().__init__(units)
        self._told = told

    def complete(self, position: int, result: Result, token: int) -> None:
        self._told.append((result, token))


class Receiver:
    """The replica of n1, with rows and a log in memory; each turn's writes are durable at once."""

    def __init__(self) -> None:
        self.engine, self.token = MemoryEngine(), 0
        log = MemoryLog()
        replica = Leaderless(SHARD, 1, (1, 2, 3), [], log, NOW, applied=Reflected({}, 0), entropy=1)
        config = NodeConfig("test", 1, "disk", 1, MEMBERS)
        self.shard = CausalShard(config, SHOP, SHARD, replica, ShardRows(self.engine, SHARD, 0), 1)

    def execute(self, *argv: bytes, path: Path = Path.READ) -> tuple[Result, int]:
        """A turn in which a command is executed, and which is not durable yet; return its result and its token."""
        told: Told = []
        self.shard.submit(Units([Unit(path, 0, 2, list(argv))], told))
        self.shard.advance(NOW, frozenset((2, 3)))
        if self.shard.collect(self.token + 1)[0]:
            self.token += 1
        return told[0]

    def turn(self, *batches: Batch) -> None:
        if batches:
            self.shard.receive(2, Batches([wire_of(batch) for batch in batches]))
        self.shard.advance(NOW, frozenset((2, 3)))
        self.token += 1
        self.shard.collect(self.token)
        self.shard.persisted(self.token)

    def turn_of_reads(self) -> None:
        """A turn with nothing for the log: no write has its token."""
        self.shard.receive(2, Gossip({}, 0, 0, 0, 0))
        self.shard.advance(NOW, frozenset((2, 3)))
        assert not self.shard.collect(self.token + 1)[0]

    def drain(self) -> None:
        while (rows := self.shard.rows(self.token)) is not None:
            self.engine.write(rows)

    def load(self, generation: int, vector: dict[int, int], batches: list[Batch]) -> bytes:
        """Put a donor's rows beside those in use, as a transfer does; return their label."""
        donor = Receiver()
        donor.turn(*batches)
        donor.drain()
        start, stop = shard_range(SHARD, 0)
        head = shard_range(SHARD, generation)[0]
        self.engine.write(
            RowBatch([(head + key[len(head) :], row) for key, row in donor.engine.scan(start, stop, 1 << 20)], (), ())
        )
        label = donor.shard.label_of(donor.engine.read_view())
        assert decode_reflected(label).vector == vector
        return label

    def said_and_held(self) -> tuple[dict[int, int], set[bytes]]:
        """Return the vector in the engine, and which batches' values are in the rows beside it."""
        generation = self.shard.generation
        row = self.engine.get(meta_key(SHARD, generation, VECTOR))
        rows = self.engine.scan(*shard_range(SHARD, generation), 1 << 20)
        values = {name for name in (b"2.1", b"3.1", b"2.2", b"1.1") if any(name in value for _, value in rows)}
        assert row is not None
        return decode_reflected(row).vector, values


def test_rows_that_came_in_a_transfer_are_not_said_to_reflect_what_is_delivered_behind_them() -> None:
    first, second, cause = wrote(2, 1, b"a", {}), wrote(2, 2, b"b", {2: 1, 3: 1}), wrote(3, 1, b"c", {})
    receiver = Receiver()
    receiver.turn(second)  # too early: what it depends on has not come
    label = receiver.load(1, {2: 1, 3: 1}, [first, cause])
    receiver.shard.prepare_switch(1, label)
    receiver.shard.switch(1, label, receiver.engine)
    receiver.drain()
    assert receiver.said_and_held() == ({2: 1, 3: 1}, {b"2.1", b"3.1"})
    receiver.turn()
    receiver.drain()
    assert receiver.said_and_held() == ({2: 2, 3: 1}, {b"2.1", b"3.1", b"2.2"})


def test_what_the_rows_of_a_transfer_lack_is_put_on_top_of_them_at_once() -> None:
    first, cause, other = wrote(2, 1, b"a", {}), wrote(3, 1, b"c", {}), wrote(2, 2, b"b", {2: 1})
    receiver = Receiver()
    receiver.turn(first, other)
    label = receiver.load(1, {2: 1, 3: 1}, [first, cause])
    receiver.shard.prepare_switch(1, label)
    receiver.shard.switch(1, label, receiver.engine)
    receiver.drain()
    assert receiver.said_and_held() == ({2: 2, 3: 1}, {b"2.1", b"3.1", b"2.2"})


def test_what_is_put_on_top_of_rows_is_not_in_the_engine_with_them() -> None:
    first, cause, other = wrote(2, 1, b"a", {}), wrote(3, 1, b"c", {}), wrote(2, 2, b"b", {2: 1})
    receiver = Receiver()
    receiver.turn(first, other)
    mark = receiver.shard.rows_mark
    assert not receiver.shard.has_in_engine(mark)
    label = receiver.load(1, {2: 1, 3: 1}, [first, cause])
    receiver.shard.prepare_switch(1, label)
    receiver.shard.switch(1, label, receiver.engine)
    assert not receiver.shard.has_in_engine(mark)
    receiver.drain()
    assert receiver.shard.has_in_engine(mark)


def test_what_is_put_on_top_of_rows_waits_for_no_token_that_no_write_has() -> None:
    first, cause, other = wrote(2, 1, b"a", {}), wrote(3, 1, b"c", {}), wrote(2, 2, b"b", {2: 1})
    receiver = Receiver()
    receiver.turn(first, other)
    label = receiver.load(1, {2: 1, 3: 1}, [first, cause])
    receiver.shard.prepare_switch(1, label)
    receiver.turn_of_reads()
    receiver.shard.switch(1, label, receiver.engine)
    receiver.drain()
    assert receiver.said_and_held() == ({2: 2, 3: 1}, {b"2.1", b"3.1", b"2.2"})


AHEAD = (NOW.wall_us // 1000 + 500) << LOGICAL_BITS
"""A stamp of a wall clock that is half a second ahead of the receiver's."""


def after_a_transfer() -> Receiver:
    """A receiver with rows whose batch it never had: `a`, written where the wall clock is ahead."""
    first, second = wrote(2, 1, b"a", {})._replace(stamp=AHEAD), wrote(2, 2, b"b", {2: 1})
    receiver = Receiver()
    label = receiver.load(1, {2: 2}, [first, second])
    receiver.shard.prepare_switch(1, label)
    receiver.shard.switch(1, label, receiver.engine)
    return receiver


def test_what_replaces_what_the_rows_of_a_transfer_show_has_the_later_stamp() -> None:
    receiver = after_a_transfer()
    receiver.execute(b"SET", b"a", b"1.1", path=Path.WRITE)
    (batch,) = receiver.shard.replica.held_above({2: 2}) or []
    assert batch.stamp > AHEAD


def test_a_start_on_such_rows_goes_on_from_their_stamps() -> None:
    receiver = after_a_transfer()
    receiver.drain()
    applied = read_reflected(ShardRows(receiver.engine, SHARD, 1))
    started = Leaderless(SHARD, 1, (1, 2, 3), [], MemoryLog(), NOW, applied=applied, entropy=2)
    assert started.next_header().stamp > AHEAD


@pytest.mark.parametrize(
    "argv",
    [
        (internal.SIZE,),
        (internal.SCAN, b"0", b"10"),
        (internal.KEYS, b"*"),
        (internal.PAGE, b"0"),
        (internal.RANDOM,),
        (internal.ANY,),
        (b"GET", b"a"),
    ],
)
def test_no_reply_shows_a_key_that_a_crash_could_take_back(argv: tuple[bytes, ...]) -> None:
    receiver = Receiver()
    assert receiver.execute(*argv)[1] == 0
    _, written = receiver.execute(b"SET", b"a", b"1", path=Path.WRITE)
    assert receiver.execute(*argv)[1] == written > 0


def many(*commands: tuple[bytes, ...]) -> Unit:
    return Unit(Path.WRITE, 0, 2, [], [Part(0, list(argv)) for argv in commands])


def put(key: bytes, value: bytes = b"v") -> Unit:
    return Unit(Path.WRITE, 0, 2, [b"SET", key, value])


def turns_of(receiver: Receiver, units: list[Unit]) -> tuple[Told, list[int]]:
    """Execute units, in as many turns as it takes; return what they were told, and the operations of each batch."""
    told: Told = []
    operations = []
    receiver.shard.submit(Units(units, told))
    while len(told) < len(units):
        receiver.shard.advance(NOW, frozenset((2, 3)))
        records = receiver.shard.collect(receiver.token + 1)[0]
        receiver.token += bool(records)
        operations.append(len(receiver.shard._rows.view.operations))
    return told, operations


@pytest.fixture
def few_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight operations in a batch: what takes a million else."""
    for module in (causal, state_rows):
        monkeypatch.setattr(module, "POSITION_BITS", 3)
    monkeypatch.setattr(allowance, "OPERATIONS_MAX", 8, raising=False)


@pytest.mark.usefixtures("few_positions")
def test_no_batch_has_more_operations_than_can_be_numbered() -> None:
    receiver = Receiver()
    turns_of(receiver, [Unit(Path.WRITE, 0, 2, [b"INCR", b"c"])])
    told, operations = turns_of(receiver, [*[put(b"a")] * 8, many((b"INCR", b"c"))])
    assert (operations, told[-1][0]) == ([6, 3], [b":2\r\n"])
    assert turns_of(receiver, [Unit(Path.WRITE, 0, 2, [b"INCR", b"c"])])[0][0][0] == [b":3\r\n"]
    assert receiver.execute(b"GET", b"c")[0] == [b"$1\r\n3\r\n"]


@pytest.mark.usefixtures("few_positions")
def test_a_transaction_that_no_batch_has_room_for_is_refused_whole() -> None:
    receiver = Receiver()
    told, operations = turns_of(receiver, [many((b"MSET", *LETTERS), (b"INCR", b"c"), (b"INCR", b"c"))])
    assert bytes(told[0][0]).startswith(b"-EXECABORT")  # type: ignore[arg-type]
    assert (operations, receiver.execute(b"EXISTS", *LETTERS[:3])[0]) == ([0], [b":0\r\n"])


def test_a_batch_that_has_grown_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "UNIT_BYTES_PER_TURN", 1_000, raising=False)
    big = b"x" * 600
    units = [put(b"a", big), put(b"b", big), *(Unit(Path.WRITE, 0, 2, [b"APPEND", b"a", b"1"]) for _ in range(3))]
    assert turns_of(Receiver(), units)[1] == [2, 2, 1]


def test_a_transaction_that_makes_much_of_little_is_told_which_commands_were_not_executed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(causal, "OPERATION_BYTES_MAX", 1_000, raising=False)
    receiver = Receiver()
    commands = [(b"SET", b"a", b"x" * 600), *[(b"COPY", b"a", b"b%d" % number) for number in range(3)], (b"GET", b"c")]
    result = turns_of(receiver, [many(*commands)])[0][0][0]
    assert isinstance(result, list)
    assert [reply[:4] for reply in result] == [b"+OK\r", b":1\r\n", b"-ERR", b"-ERR", b"$-1\r"]
    assert receiver.execute(b"EXISTS", b"a", b"b0", b"b1", b"b2")[0] == [b":2\r\n"]
