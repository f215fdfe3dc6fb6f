"""States of `ap` keys: replicas that saw the same batches, in whatever causal order, hold the same bytes."""

from collections.abc import Callable
from contextlib import suppress
from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from trilemma.base.errors import ReplyError
from trilemma.base.ids import NodeId, ShardId
from trilemma.crdt.vector import covers
from trilemma.datatype.causal import CausalView
from trilemma.datatype.keyscan import rowkey_stop
from trilemma.datatype.operations import encode_operations
from trilemma.replication.port import Batch
from trilemma.storage import rowkey
from trilemma.storage.memory import MemoryEngine
from trilemma.storage.overlay import ShardRows

SHARD = ShardId(2048)
KEYS = (b"a", b"b")


class Replica:
    """A view, what it has seen, and a clock that others' stamps move."""

    def __init__(self, node: int) -> None:
        self.node = NodeId(node)
        self.rows = ShardRows(MemoryEngine(), SHARD, 0)
        self.view = CausalView(self.rows, self.node, 1)
        self.vector: dict[NodeId, int] = {}
        self.batches: list[Batch] = []
        self.stamp = 0
        self.now_ms = 1_000

    def do(self, *commands: Callable[[CausalView], object]) -> None:
        """Execute commands as one batch."""
        self.stamp += 1
        header = Batch(self.node, self.vector.get(self.node, 0) + 1, self.stamp, dict(self.vector), b"")
        self.view.begin(header, self.now_ms, 0)
        for command in commands:
            command(self.view)
        if self.view.operations:
            self.batches.append(header._replace(body=encode_operations(self.view.operations)))
            self.vector[self.node] = header.seq

    def take(self, other: "Replica", order: int = 0) -> None:
        """Take what another replica holds and this one lacks, in one of the orders that causality allows."""
        missing = [batch for batch in other.batches if batch.seq > self.vector.get(batch.origin, 0)]
        while missing:
            due = [
                batch
                for batch in missing
                if batch.seq == self.vector.get(batch.origin, 0) + 1 and covers(self.vector, batch.depends)
            ]
            batch = due[order % len(due)]
            order //= 2
            missing.remove(batch)
            self.view.apply(batch)
            self.batches.append(batch)
            self.vector[batch.origin] = batch.seq
            self.stamp = max(self.stamp, batch.stamp)

    def get(self, key: bytes) -> bytes | None:
        self.do()
        return self.view.string(0, key)

    def ttl(self, key: bytes) -> int | None:
        self.do()
        return self.view.deadline_ms(0, key)


def put(key: bytes, value: bytes, at_ms: int | None = None) -> Callable[[CausalView], object]:
    return lambda view: view.set_string(0, key, value, at_ms)


def add(key: bytes, amount: int) -> Callable[[CausalView], object]:
    return lambda view: view.add_integer(0, key, amount)


def remove(key: bytes) -> Callable[[CausalView], object]:
    return lambda view: view.delete(0, key)


def expire(key: bytes, at_ms: int | None) -> Callable[[CausalView], object]:
    return lambda view: view.set_deadline(0, key, at_ms)


def append(key: bytes, value: bytes) -> Callable[[CausalView], object]:
    return lambda view: view.edit_string(0, key, (view.string(0, key) or b"") + value)


def rename(key: bytes, to: bytes) -> Callable[[CausalView], object]:
    def run(view: CausalView) -> None:
        view.copy(0, key, 0, to)
        view.delete(0, key)

    return run


def empty(view: CausalView) -> None:
    view.flush(0)


def rows_of(replica: Replica) -> int:
    """Count the rows of keys, and those by which what is to go is found."""
    heads = [rowkey.head(SHARD, 0, kind) for kind in (rowkey.KEY, rowkey.EXPIRY, rowkey.CLEARED, rowkey.HIDDEN)]
    return sum(len(replica.rows.scan(head, rowkey_stop(head), 100)) for head in heads)


def pair() -> tuple[Replica, Replica]:
    return Replica(1), Replica(2)


def meet(one: Replica, other: Replica) -> None:
    """Let two replicas tell each other all, and see that they agree."""
    one.take(other)
    other.take(one)
    assert one.view.digest() == other.view.digest()
    assert [one.view.size(0), other.view.size(0)] == [len(shown(one)), len(shown(other))]


def shown(replica: Replica) -> list[bytes]:
    return [key for key in KEYS if replica.get(key) is not None]


# PROMISES §4, what becomes of concurrent commands


def test_of_concurrent_sets_the_later_stamp_is_shown() -> None:
    one, other = pair()
    one.do(put(b"a", b"first"))
    other.do(put(b"a", b"zero"))
    other.do(put(b"a", b"second"))
    meet(one, other)
    assert one.get(b"a") == b"second"


def test_a_tie_of_stamps_goes_to_the_higher_node_on_both_sides() -> None:
    one, other = pair()
    one.do(put(b"a", b"of one"))
    other.do(put(b"a", b"of two"))
    meet(one, other)
    assert one.get(b"a") == b"of two"


def test_a_set_that_a_delete_has_not_seen_survives_it() -> None:
    one, other = pair()
    one.do(put(b"a", b"old"))
    other.take(one)
    one.do(remove(b"a"))
    other.do(put(b"a", b"new"))
    meet(one, other)
    assert one.get(b"a") == b"new"


def test_a_delete_takes_hidden_sets_along() -> None:
    one, other = pair()
    one.do(put(b"a", b"1"))
    other.do(put(b"a", b"2"))
    meet(one, other)
    one.do(remove(b"a"))
    meet(one, other)
    assert other.get(b"a") is None


def test_the_loser_comes_to_light_where_only_the_winner_was_deleted() -> None:
    one, other = pair()
    third = Replica(3)
    one.do(put(b"a", b"loser"))
    other.do(put(b"a", b"zero"))
    other.do(put(b"a", b"winner"))
    third.take(one)
    third.take(other)
    other.do(remove(b"a"))
    third.take(other)
    meet(one, other)
    meet(one, third)
    assert third.get(b"a") == b"loser"


def test_increments_of_both_sides_add_up() -> None:
    one, other = pair()
    one.do(add(b"a", 5))
    other.take(one)
    one.do(add(b"a", 2))
    other.do(add(b"a", -10), add(b"a", 1))
    meet(one, other)
    assert one.get(b"a") == b"-2"


def test_an_increment_that_a_set_has_not_seen_is_added_to_it() -> None:
    one, other = pair()
    one.do(add(b"a", 5))
    other.take(one)
    one.do(put(b"a", b"100"))
    other.do(add(b"a", 7))
    meet(one, other)
    assert one.get(b"a") == b"107"


def test_an_increment_that_a_delete_has_not_seen_survives_it_and_nothing_else() -> None:
    one, other = pair()
    one.do(add(b"a", 5))
    other.take(one)
    one.do(remove(b"a"))
    other.do(add(b"a", 7))
    meet(one, other)
    assert other.get(b"a") == b"7"


def test_a_flush_spares_what_it_has_not_seen() -> None:
    one, other = pair()
    one.do(put(b"a", b"old"), add(b"b", 3))
    other.take(one)
    one.do(empty)
    other.do(add(b"b", 4))
    meet(one, other)
    assert (one.get(b"a"), one.get(b"b")) == (None, b"4")


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [(20_000, 60_000, 60_000), (None, 60_000, None), (60_000, None, None)],
)
def test_of_concurrent_deadlines_the_longest_counts_and_for_ever_beats_all(
    left: int | None, right: int | None, wanted: int | None
) -> None:
    one, other = pair()
    one.do(put(b"a", b"v", 30_000))
    other.take(one)
    one.do(expire(b"a", left))
    other.do(expire(b"a", right))
    meet(one, other)
    assert one.ttl(b"a") == wanted


def test_an_append_keeps_the_deadline_that_it_has_not_seen_change() -> None:
    one, other = pair()
    one.do(put(b"a", b"v", 30_000))
    other.take(one)
    one.do(expire(b"a", 90_000))
    other.do(append(b"a", b"w"))
    meet(one, other)
    assert (one.get(b"a"), one.ttl(b"a")) == (b"vw", 90_000)


@pytest.mark.parametrize("removal", [remove(b"a"), empty, rename(b"a", b"b")], ids=["DEL", "FLUSHDB", "RENAME"])
@pytest.mark.parametrize("at_ms", [2_000, 90_000, None])
def test_a_counter_that_begins_under_a_deadline_of_a_key_that_is_gone_lives_for_ever(
    removal: Callable[[CausalView], object], at_ms: int | None
) -> None:
    one, other = pair()
    one.do(put(b"a", b"5", 50_000))
    other.take(one)
    one.do(removal)
    other.do(expire(b"a", at_ms))
    meet(one, other)
    one.now_ms = other.now_ms = 3_000
    one.do(add(b"a", 7))
    meet(one, other)
    assert [(each.get(b"a"), each.ttl(b"a")) for each in (one, other)] == [(b"7", None)] * 2


@pytest.mark.parametrize(("at_ms", "due_ms"), [(2_000, 2_000), (None, 0)])
def test_deadlines_that_outlived_their_key_go_as_a_key_would(at_ms: int | None, due_ms: int) -> None:
    one, other = pair()
    one.do(put(b"a", b"5", 50_000))
    other.take(one)
    one.do(remove(b"a"))
    other.do(expire(b"a", at_ms))
    meet(one, other)
    assert one.view.expired(due_ms, 10) == [(0, b"a")]
    assert due_ms == 0 or one.view.expired(due_ms - 1, 10) == []
    one.do(lambda view: view.remove_expired(0, b"a"))
    meet(one, other)
    assert [rows_of(each) for each in (one, other)] == [0, 0]


# Cleared counters


def swept(replica: Replica) -> dict[bytes, dict[NodeId, tuple[int, int]]]:
    return replica.view.cleared(100)


def drop(replica: Replica, marked: dict[bytes, dict[NodeId, tuple[int, int]]]) -> None:
    for row_key, cleared in marked.items():
        replica.view.drop_cleared(row_key, cleared)


def test_a_cleared_counter_that_one_replica_has_dropped_counts_on_rightly() -> None:
    one, other = pair()
    one.do(add(b"a", 5))
    other.take(one)
    other.do(remove(b"a"))
    meet(one, other)
    assert swept(other)
    drop(other, swept(other))
    assert not swept(other)
    assert one.view.digest() == other.view.digest()
    one.do(add(b"a", 2))
    meet(one, other)
    assert other.get(b"a") == b"2"
    other.do(remove(b"a"))
    meet(one, other)
    assert one.get(b"a") is None


def test_a_counter_that_its_own_node_has_dropped_begins_a_new_run() -> None:
    one, other = pair()
    one.do(add(b"a", 5))
    one.do(remove(b"a"))
    other.take(one)
    drop(one, swept(one))
    one.do(add(b"a", 3))
    meet(one, other)
    assert (one.get(b"a"), other.get(b"a")) == (b"3", b"3")
    assert not swept(other), "the new run has replaced the old one"


def test_what_is_live_again_is_not_dropped() -> None:
    one = Replica(1)
    one.do(add(b"a", 5))
    one.do(remove(b"a"))
    marked = swept(one)
    one.do(add(b"a", 1))
    drop(one, marked)
    assert one.get(b"a") == b"1"


# Any history

COMMANDS = st.one_of(
    st.builds(put, st.sampled_from(KEYS), st.sampled_from((b"1", b"20", b"x")), st.sampled_from((None, 50_000))),
    st.builds(add, st.sampled_from(KEYS), st.integers(-5, 5)),
    st.builds(remove, st.sampled_from(KEYS)),
    st.builds(expire, st.sampled_from(KEYS), st.sampled_from((None, 40_000, 70_000))),
    st.builds(append, st.sampled_from(KEYS), st.just(b"7")),
    st.just(empty),
)
STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.one_of(st.lists(COMMANDS, min_size=1, max_size=3), st.integers(0, 2))), max_size=30
)


def tolerant(command: Callable[[CausalView], object]) -> Callable[[CausalView], object]:
    """Return a command whose error (an increment of a text) is nothing."""

    def run(view: CausalView) -> None:
        with suppress(ReplyError):
            command(view)

    return run


@settings(max_examples=150, deadline=None, phases=[Phase.generate, Phase.shrink])
@given(STEPS, st.lists(st.integers(0, 1 << 20), min_size=6, max_size=6))
def test_replicas_that_saw_the_same_batches_hold_the_same(
    steps: list[tuple[int, list[Callable[[CausalView], object]] | int]], orders: list[int]
) -> None:
    replicas = [Replica(number) for number in (1, 2, 3)]
    for place, step in steps:
        if isinstance(step, int):
            replicas[place].take(replicas[step], orders[place])
        else:
            replicas[place].do(*(tolerant(command) for command in step))
    for order, (place, source) in zip(orders, ((0, 1), (0, 2), (1, 0), (2, 0), (1, 2), (2, 1)), strict=True):
        replicas[place].take(replicas[source], order)
    assert len({replica.view.digest() for replica in replicas}) == 1
    for key in KEYS:
        assert len({replica.get(key) for replica in replicas}) == 1
        assert len({replica.ttl(key) for replica in replicas}) == 1
    assert len({replica.view.size(0) for replica in replicas}) == 1


def lives_and_deaths(random: Random) -> list[Replica]:
    """Three replicas, and a history of one key: what gives it a value or a deadline, or takes it away."""
    replicas = [Replica(number) for number in (1, 2, 3)]
    for _ in range(random.randint(4, 16)):
        replica = random.choice(replicas)
        if random.random() < 0.3:
            replica.take(random.choice(replicas))
            continue
        commands = [
            put(b"a", b"1", random.choice((None, 50_000))),
            add(b"a", 1),
            expire(b"a", random.choice((None, 40_000, 70_000))),
            random.choice((remove(b"a"), rename(b"a", b"b"), empty)),
        ]
        replica.do(*random.choices(commands, k=random.randint(1, 2)))
    return replicas


@pytest.mark.parametrize("seed", range(8))
def test_what_is_left_of_a_key_that_is_gone_shows_in_nothing_and_goes(seed: int) -> None:
    random = Random(seed)
    for _ in range(50):
        one, other, third = lives_and_deaths(random)
        for replica in (one, other):
            replica.take(third)
        meet(one, other)
        one.now_ms = other.now_ms = 100_000
        for key in set(KEYS) - set(shown(one)):
            one.do(add(key, 7))
            assert (one.get(key), one.ttl(key)) == (b"7", None)
        other.do(*(lambda view, at=at: view.remove_expired(*at) for at in other.view.expired(other.now_ms, 100)))
        drop(other, swept(other))
        heads = [rowkey.head(SHARD, 0, kind) for kind in (rowkey.KEY, rowkey.EXPIRY)]
        rows, due = [len(other.rows.scan(head, rowkey_stop(head), 100)) for head in heads]
        assert (rows, due) == (len(shown(other)), 0)


# WATCH


@pytest.mark.parametrize("seed", range(20))
def test_two_versions_are_equal_only_where_the_key_showed_the_same_all_the_time_between(seed: int) -> None:
    random = Random(seed)
    one, other = pair()
    seen: list[tuple[int, object]] = []
    for number in range(60):
        source = random.choice((one, one, other))
        give = put(b"a", b"%d" % number, source.now_ms + random.choice((5, 50_000)))
        source.do(random.choice((give, add(b"a", 1), remove(b"a"), remove(b"a"), empty)))
        if random.random() < 0.3:
            one.take(other)
        if random.random() < 0.2:
            one.now_ms += 5
            one.do(*(lambda view, at=at: view.remove_expired(*at) for at in one.view.expired(one.now_ms, 100)))
        if random.random() < 0.1:
            one.view = CausalView(one.rows, one.node, number)
        value = one.get(b"a")
        seen.append((one.view.version(0, b"a"), value))
    for start, (version, value) in enumerate(seen):
        last = max(end for end, (found, _) in enumerate(seen) if found == version)
        assert {shown_then for _, shown_then in seen[start : last + 1]} == {value}


def test_an_absent_key_keeps_its_version_where_others_come_and_go() -> None:
    one, _ = pair()
    one.do()
    version = one.view.version(0, b"a")
    one.do(put(b"b", b"1"), add(b"c", 1))
    one.do(remove(b"b"))
    one.do(empty)
    assert one.view.version(0, b"a") == version
