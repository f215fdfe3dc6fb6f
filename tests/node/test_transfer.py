"""Transfers: the rows of one replica become another's, whole or not at all (PROTOCOLS §6.6)."""

from collections.abc import Callable, Iterator
from random import Random

import pytest

from trilemma.base.time import Now
from trilemma.node.donor import CHUNK_BYTES, CHUNK_ROWS, RESEND_US
from trilemma.node.movable import SILENCE_US
from trilemma.node.transfer import Transfers
from trilemma.replication.transfer import Ask, Chunk, Offer, Took, TransferMessage
from trilemma.storage import rowkey
from trilemma.storage.memory import MemoryEngine, MemoryView
from trilemma.storage.port import Engine, LogRecord, ReadView, RecordKind, RowBatch

SHARD = 2048
STEP_US = 10_000


class FakeReplica:
    """A replica whose label is the number in its rows under b"label"."""

    def __init__(self, engine: MemoryEngine) -> None:
        self.shard = SHARD
        self.engine = engine
        self.generation = 1
        self.stands_still = False
        self.told: list[tuple[int, bytes | None]] = []

    def put(self, rows: dict[bytes, bytes]) -> None:
        head = rowkey.shard_range(SHARD, self.generation)[0]
        self.engine.write(RowBatch([(head + key, value) for key, value in rows.items()], (), ()))

    @property
    def rows(self) -> dict[bytes, bytes]:
        start, stop = rowkey.shard_range(SHARD, self.generation)
        return {key[len(start) :]: value for key, value in self.engine.scan(start, stop, 1 << 30)}

    def label_of(self, view: ReadView) -> bytes:
        return view.get(rowkey.shard_range(SHARD, self.generation)[0] + b"label") or b"0"

    def accepts(self, label: bytes) -> bool:
        return int(label) > int(self.rows.get(b"label", b"0"))

    def prepare_switch(self, generation: int, label: bytes) -> LogRecord:
        self.stands_still = True
        return LogRecord(RecordKind.GENERATION, SHARD, generation, 0, 0, label)

    def switch(self, generation: int, label: bytes, engine: Engine) -> None:
        assert self.stands_still
        self.stands_still = False
        self.generation = generation

    def moved(self, peer: int, label: bytes | None) -> None:
        self.told.append((peer, label))


class End:
    """A node with one replica, its engine and its transfers."""

    def __init__(self, node: int, net: "Net", engine: MemoryEngine, generation: int = 1) -> None:
        self.engine = engine
        self.replica = FakeReplica(engine)
        self.replica.generation = generation
        self.is_dropped = False
        self.transfers = Transfers(
            engine,
            lambda shard: None if self.is_dropped else self.replica,
            lambda peer, _, message: net.send(node, peer, message),
            net.now,
        )
        self.logged: list[LogRecord] = []
        self.token = 0


class Net:
    """Two ends, n1 with the rows and n2 without; `lose` says what does not arrive."""

    def __init__(self, rows: dict[bytes, bytes]) -> None:
        self.us = 1_000_000
        self.lose: Callable[[TransferMessage], bool] = lambda message: False
        self.under_way: list[tuple[int, int, TransferMessage]] = []
        self.ends = {node: End(node, self, MemoryEngine()) for node in (1, 2)}
        self.donor.replica.put({**rows, b"label": b"9"})
        self.receiver.replica.put({b"old": b"row", b"label": b"3"})
        for end in self.ends.values():
            end.engine.flush()

    @property
    def donor(self) -> End:
        return self.ends[1]

    @property
    def receiver(self) -> End:
        return self.ends[2]

    @property
    def now(self) -> Now:
        return Now(self.us, self.us)

    def send(self, sender: int, to: int, message: TransferMessage) -> None:
        if not self.lose(message):
            self.under_way.append((sender, to, message))

    def turn(self) -> None:
        """Bring what is under way, let time pass, flush and log as a node does."""
        self.us += STEP_US
        brought, self.under_way = self.under_way, []
        for sender, to, message in brought:
            if to in self.ends:
                self.ends[to].transfers.receive(sender, SHARD, message)
        for end in self.ends.values():
            end.transfers.advance(self.now)
            self.disk_work(end)

    @staticmethod
    def disk_work(end: End) -> None:
        transfers = end.transfers
        if transfers.wants_flush:
            transfers.flush_begins()
            end.engine.flush()
            transfers.rows_flushed()
        end.token += 1
        end.logged += transfers.take_records(end.token)
        transfers.persisted(end.token)

    def run(self, turns: int = 400) -> None:
        for _ in range(turns):
            self.turn()

    def restart_receiver(self) -> None:
        """Crash n2 and start it from its flushed rows and the last generation that its log names."""
        old = self.receiver
        old.engine.crash()
        generation = old.logged[-1].stream if old.logged else 1
        self.ends[2] = End(2, self, old.engine, generation)
        self.ends[2].logged = old.logged


def some_rows(count: int) -> dict[bytes, bytes]:
    return {b"k%06d" % number: b"v%d" % number for number in range(count)}


def test_the_receiver_has_the_donors_rows_and_none_of_its_old_ones() -> None:
    rows = some_rows(3 * CHUNK_ROWS + 7)
    net = Net(rows)
    net.donor.transfers.begin(SHARD, 2)
    net.run(60)
    assert net.receiver.replica.rows == {**rows, b"label": b"9"}
    assert net.receiver.replica.generation == 2
    start, stop = rowkey.shard_range(SHARD, 1)
    assert net.receiver.engine.scan(start, stop, 10) == []
    assert net.donor.replica.told == [(2, b"9")]


@pytest.mark.parametrize("count", [0, 1, CHUNK_ROWS - 2, CHUNK_ROWS - 1, CHUNK_ROWS])
def test_any_number_of_rows_arrives(count: int) -> None:
    net = Net(some_rows(count))
    net.donor.transfers.begin(SHARD, 2)
    net.run(60)
    assert len(net.receiver.replica.rows) == count + 1
    assert net.donor.replica.told == [(2, b"9")]


def test_no_more_rows_are_read_than_are_sent_but_for_one_a_chunk() -> None:
    """Values of many MiB were read by the thousand, for chunks that held one."""
    net = Net({b"k%06d" % number: bytes(CHUNK_BYTES) for number in range(40)})
    read: list[bytes] = []

    class CountingView(MemoryView):
        def iterate(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
            for row in super().iterate(start, stop):
                read.append(row[0])
                yield row

    engine = net.donor.engine
    engine.read_view = lambda: CountingView(engine._rows.copy())  # type: ignore[method-assign, return-value]
    chunks: list[Chunk] = []
    net.lose = lambda message: bool(isinstance(message, Chunk) and chunks.append(message))
    net.donor.transfers.begin(SHARD, 2)
    net.run(60)
    assert len(net.receiver.replica.rows) == 41
    places = {chunk.place for chunk in chunks}
    assert len(places) > 10
    assert len(read) == 41 + len(places) - 1


def test_the_rows_are_those_of_the_moment_it_began() -> None:
    rows = some_rows(10)
    net = Net(rows)
    net.donor.transfers.begin(SHARD, 2)
    net.donor.replica.put({b"k000003": b"later", b"label": b"10"})
    net.run(60)
    assert net.receiver.replica.rows == {**rows, b"label": b"9"}


@pytest.mark.parametrize("seed", range(20))
def test_lost_repeated_and_reordered_messages_change_nothing(seed: int) -> None:
    random = Random(seed)
    rows = some_rows(5 * CHUNK_ROWS)
    net = Net(rows)
    net.lose = lambda message: random.random() < 0.3
    net.donor.transfers.begin(SHARD, 2)
    for _ in range(3_000):
        if random.random() < 0.3:
            net.under_way += random.choices(net.under_way, k=min(len(net.under_way), 3))
            random.shuffle(net.under_way)
        net.turn()
        if net.donor.replica.told:
            break
    if net.donor.replica.told == [(2, b"9")]:
        assert net.receiver.replica.rows == {**rows, b"label": b"9"}
    else:
        # So much was lost that the ends gave up: the old rows serve on, or the new ones whole.
        assert net.receiver.replica.rows in ({b"old": b"row", b"label": b"3"}, {**rows, b"label": b"9"})


@pytest.mark.parametrize("turns", range(1, 24))
def test_a_crash_at_any_turn_leaves_one_whole_generation(turns: int) -> None:
    rows = some_rows(4 * CHUNK_ROWS)
    net = Net(rows)
    net.donor.transfers.begin(SHARD, 2)
    net.run(turns)
    net.restart_receiver()
    whole = {**rows, b"label": b"9"}
    assert net.receiver.replica.rows in ({b"old": b"row", b"label": b"3"}, whole)
    net.run(SILENCE_US // STEP_US + 10)
    net.donor.transfers.begin(SHARD, 2)
    net.run(60)
    assert net.receiver.replica.rows == whole


def test_rows_are_not_used_before_their_record_is_durable() -> None:
    net = Net(some_rows(5))
    net.disk_work = lambda end: None  # type: ignore[method-assign]
    net.donor.transfers.begin(SHARD, 2)
    net.run(20)
    transfers = net.receiver.transfers
    assert transfers.wants_flush
    transfers.flush_begins()
    assert transfers.take_records(1) == []
    net.receiver.engine.flush()
    transfers.rows_flushed()
    assert len(transfers.take_records(7)) == 1
    transfers.persisted(6)
    assert net.receiver.replica.generation == 1
    transfers.persisted(7)
    assert net.receiver.replica.generation == 2


def test_a_wrong_count_is_not_installed() -> None:
    net = Net(some_rows(2 * CHUNK_ROWS))

    def spoil(message: TransferMessage) -> bool:
        if isinstance(message, Chunk) and message.place == 0 and len(message.rows) > 1:
            del message.rows[0]
        return False

    net.lose = spoil
    net.donor.transfers.begin(SHARD, 2)
    net.run(30)
    assert net.receiver.replica.generation == 1
    assert not net.receiver.transfers.is_expected(SHARD)


@pytest.mark.parametrize("spoils", [True, False])
def test_a_receiver_that_gives_up_tells_the_donor_who_begins_anew_when_asked(spoils: bool) -> None:
    rows = some_rows(2 * CHUNK_ROWS)
    net = Net(rows)

    def spoil(message: TransferMessage) -> bool:
        if isinstance(message, Chunk) and message.place == 0 and len(message.rows) > 1:
            del message.rows[0]
        return False

    if spoils:
        net.lose = spoil
    else:
        net.receiver.replica.accepts = lambda label: int(label) > 9 or not net.receiver.transfers.is_expected(SHARD)  # type: ignore[method-assign]
    net.donor.transfers.begin(SHARD, 2)
    net.run(30)
    assert net.receiver.replica.generation == 1
    assert net.donor.replica.told == [(2, b"9")]
    net.lose = lambda message: False
    net.donor.replica.put({b"label": b"10"})
    net.donor.transfers.receive(2, SHARD, Ask())
    net.run(30)
    assert net.receiver.replica.rows == {**rows, b"label": b"10"}


@pytest.mark.parametrize("turns", [3, 4, 5, 6, 7])
def test_a_receiver_that_comes_back_without_the_transfer_is_not_waited_for(turns: int) -> None:
    net = Net(some_rows(4 * CHUNK_ROWS))
    net.disk_work = lambda end: None  # type: ignore[method-assign]
    net.donor.transfers.begin(SHARD, 2)
    net.run(turns)
    net.restart_receiver()
    net.run(2 * RESEND_US // STEP_US)
    assert [peer for peer, _ in net.donor.replica.told] == [2]
    assert net.donor.transfers.next_deadline_us is None


def test_a_receiver_whose_flush_takes_long_is_waited_for() -> None:
    rows = some_rows(5)
    net = Net(rows)
    net.disk_work = lambda end: None  # type: ignore[method-assign]
    net.donor.transfers.begin(SHARD, 2)
    net.run(2 * SILENCE_US // STEP_US)
    assert net.donor.replica.told == []
    del net.disk_work  # type: ignore[attr-defined]
    net.run(10)
    assert net.receiver.replica.rows == {**rows, b"label": b"9"}
    assert net.donor.replica.told == [(2, b"9")]


def test_who_asks_although_all_chunks_were_acknowledged_is_sent_the_rows_of_now() -> None:
    rows = some_rows(5)
    net = Net(rows)
    net.lose = lambda message: isinstance(message, Took) and message.is_installed
    net.donor.transfers.begin(SHARD, 2)
    net.run(20)
    assert net.receiver.replica.generation == 2
    assert net.donor.replica.told == []
    net.lose = lambda message: False
    net.donor.replica.put({b"label": b"10"})
    net.donor.transfers.receive(2, SHARD, Ask())
    net.run(20)
    assert net.receiver.replica.rows == {**rows, b"label": b"10"}


def test_what_brings_nothing_forward_is_declined_at_once() -> None:
    net = Net({})
    net.receiver.replica.put({b"label": b"12"})
    net.donor.transfers.begin(SHARD, 2)
    net.run(5)
    assert net.donor.replica.told == [(2, b"9")]
    assert net.receiver.replica.generation == 1


def test_a_replica_that_got_on_by_itself_keeps_its_rows() -> None:
    net = Net(some_rows(5))
    net.disk_work = lambda end: None  # type: ignore[method-assign]
    net.donor.transfers.begin(SHARD, 2)
    net.run(20)
    net.receiver.replica.put({b"label": b"12"})
    Net.disk_work(net.receiver)
    assert net.receiver.logged == []
    assert net.receiver.replica.generation == 1
    assert net.receiver.replica.rows[b"label"] == b"12"


def test_who_says_nothing_is_given_up() -> None:
    net = Net(some_rows(5))
    net.lose = lambda message: isinstance(message, Took)
    net.donor.transfers.begin(SHARD, 2)
    net.run(SILENCE_US // STEP_US + 2)
    assert net.donor.replica.told == [(2, None)]
    assert net.donor.transfers.next_deadline_us is None


def test_a_second_donor_waits_while_the_first_one_goes_on() -> None:
    net = Net(some_rows(5))
    net.receiver.transfers.receive(7, SHARD, Offer(1, b"8"))
    assert net.receiver.transfers.is_expected(SHARD)
    net.donor.transfers.begin(SHARD, 2)
    net.run(5)
    assert net.receiver.replica.generation == 1
    net.run(200)
    assert net.receiver.replica.generation == 2


@pytest.mark.parametrize("steps", range(5))
def test_a_shard_that_is_dropped_meanwhile_is_forgotten_at_any_step(steps: int) -> None:
    net = Net(some_rows(5))
    net.disk_work = lambda end: None  # type: ignore[method-assign]
    net.donor.transfers.begin(SHARD, 2)
    transfers = net.receiver.transfers
    net.run(20 if steps else 2)
    for step in (
        transfers.flush_begins,
        transfers.rows_flushed,
        lambda: transfers.take_records(7),
        lambda: transfers.persisted(7),
    )[: max(steps - 1, 0)]:
        step()
    assert transfers.next_deadline_us is not None
    net.receiver.is_dropped = True
    net.ends.pop(1)
    net.run(2)
    assert transfers.next_deadline_us is None


def test_rows_that_come_for_a_shard_that_was_dropped_are_not_loaded() -> None:
    net = Net(some_rows(5))
    net.donor.transfers.begin(SHARD, 2)
    while not any(isinstance(message, Chunk) for _, _, message in net.under_way):
        net.turn()
    net.receiver.is_dropped = True
    net.turn()
    assert net.receiver.engine.scan(*rowkey.shard_range(SHARD, 2), 1 << 30) == []
    net.run(5)
    assert net.donor.transfers.next_deadline_us is None
    assert net.receiver.transfers.next_deadline_us is None


def test_a_transfer_can_be_asked_for() -> None:
    net = Net(some_rows(5))
    net.donor.transfers.receive(2, SHARD, Ask())
    net.run(20)
    assert net.receiver.replica.generation == 2
