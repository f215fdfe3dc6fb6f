"""A leaderless replica by itself: causal order, gaps, repeats, restarts, what it lets go (PROTOCOLS §5)."""

from collections.abc import Sequence
from itertools import permutations
from random import Random

import pytest

from trilemma.base.invariant import DiskRollback
from trilemma.base.time import Now
from trilemma.crdt.vector import Vector
from trilemma.replication.leaderless.delivery import DELIVERED_BYTES_MAX
from trilemma.replication.leaderless.early import EARLY_BATCHES_MAX, EARLY_BYTES_MAX, EarlyBatches
from trilemma.replication.leaderless.messages import Batches, Dropped, Gossip, Pull, wire_of
from trilemma.replication.leaderless.pulls import PULL_US
from trilemma.replication.leaderless.replica import Leaderless
from trilemma.replication.leaderless.supply import SEND_BYTES_MAX
from trilemma.replication.port import Batch, LeaderlessReady, Message, Reflected
from trilemma.storage.memory import MemoryLog
from trilemma.storage.port import LogWrite

SHARD = 1024
BOTH = frozenset({2, 3})


class Alone:
    """Replica 1 of 1, 2, 3, its disk, and what it did."""

    def __init__(
        self,
        log: MemoryLog | None = None,
        applied: dict[int, int] | None = None,
        retained_bytes: int = 1 << 30,
        entropy: int = 1,
    ) -> None:
        self.log = log or MemoryLog()
        self.us = 1_000_000
        self.token = 0
        self.delivered: list[tuple[int, int]] = []
        self.sent: list[tuple[int, Message]] = []
        records = self.log.recover().records
        self.replica = Leaderless(
            SHARD, 1, (1, 2, 3), records, self.log, self.now,
            applied=Reflected(applied or {}, 0), entropy=entropy, retained_bytes=retained_bytes,
        )  # fmt: skip

    @property
    def now(self) -> Now:
        return Now(self.us, 1_700_000_000_000_000 + self.us)

    def turn(self, *messages: tuple[int, Message], sync: bool = True, up: frozenset[int] = BOTH) -> LeaderlessReady:
        self.us += 1_000
        for sender, message in messages:
            self.replica.receive(sender, message)
        self.replica.advance(self.now, up)
        self.token += 1
        ready = self.replica.ready(self.token)
        self.delivered += [(batch.origin, batch.seq) for batch, _ in ready.deliver]
        self.sent = [(out.peer, out.message) for out in ready.messages]
        if ready.records:
            self.log.append(LogWrite(self.token, 1, False, ready.records, True, 0))
        if sync:
            self.sync()
        return ready

    def sync(self) -> None:
        self.log.sync(self.token)
        self.replica.persisted(self.token)

    def write(self, body: bytes = b"x") -> Batch:
        batch = self.replica.next_header()._replace(body=body)
        self.replica.append(batch)
        return batch


def batch(origin: int, seq: int, depends: dict[int, int], body: bytes = b"x") -> Batch:
    return Batch(origin, seq, (seq << 20) + origin, depends, body)


def batches(*found: Batch) -> Batches:
    return Batches([wire_of(each) for each in found])


CHAIN = (
    batch(2, 1, {}),
    batch(3, 1, {2: 1}),
    batch(2, 2, {2: 1, 3: 1}),
    batch(3, 2, {2: 2, 3: 1}),
)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_whatever_order_they_come_in_causes_are_delivered_first(order: Sequence[int]) -> None:
    alone = Alone()
    for place in order:
        alone.turn((2, batches(CHAIN[place])))
    assert alone.delivered == [(2, 1), (3, 1), (2, 2), (3, 2)]


def test_what_comes_twice_is_delivered_once() -> None:
    alone = Alone()
    alone.turn((2, batches(*CHAIN)), (3, batches(*CHAIN)))
    alone.turn((2, batches(*CHAIN)))
    assert len(alone.delivered) == 4


def test_a_cause_that_is_missing_is_pulled_from_whoever_has_it() -> None:
    alone = Alone()
    alone.turn((3, batches(CHAIN[1])), (3, Gossip({2: 1, 3: 1}, 1, 0, 0, 0)))
    assert (3, Pull({})) in alone.sent
    alone.turn()
    assert not [message for _, message in alone.sent if isinstance(message, Pull)]
    alone.us += PULL_US
    alone.turn()
    assert (3, Pull({})) in alone.sent


def test_who_is_out_of_reach_is_not_asked() -> None:
    alone = Alone()
    alone.turn((3, Gossip({2: 1, 3: 1}, 1, 0, 0, 0)), up=frozenset({2}))
    assert not [message for _, message in alone.sent if isinstance(message, Pull)]


def test_a_pull_is_answered_with_what_is_durable_only() -> None:
    alone = Alone()
    alone.write(b"durable")
    alone.turn()
    alone.write(b"not yet")
    alone.turn(sync=False)
    alone.turn((2, Pull({})), sync=False)
    answers = [message for peer, message in alone.sent if peer == 2 and isinstance(message, Batches)]
    assert [wire[4] for answer in answers for wire in answer.batches] == [b"durable"]


def test_without_room_nothing_is_taken_or_asked_for_and_nothing_is_due() -> None:
    alone = Alone()
    alone.turn((3, batches(CHAIN[1])), (3, Gossip({2: 1, 3: 1}, 1, 0, 0, 0)))
    alone.replica.takes_batches = False
    alone.turn((2, batches(CHAIN[0])))
    assert alone.delivered == []
    alone.us += 2 * PULL_US
    alone.turn()
    assert not [message for _, message in alone.sent if isinstance(message, Pull)]
    assert alone.replica.next_deadline_us > alone.us
    alone.replica.takes_batches = True
    alone.turn()
    assert (3, Pull({})) in alone.sent


def test_an_own_batch_leaves_only_once_it_is_durable() -> None:
    alone = Alone()
    alone.write()
    ready = alone.turn(sync=False)
    assert all(out.after_sync for out in ready.messages if isinstance(out.message, Batches))


def test_a_start_delivers_again_what_the_rows_lack_and_goes_on_counting() -> None:
    alone = Alone()
    alone.turn((2, batches(*CHAIN)))
    alone.write()
    alone.turn()
    alone.log.crash()
    again = Alone(alone.log, {2: 1})
    again.turn()
    assert again.delivered == [(3, 1), (2, 2), (3, 2), (1, 1)]
    assert again.replica.next_seq == 2


def test_a_start_takes_time_in_proportion_to_what_it_replays(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Alone()
    count = 3_000
    found = []
    for seq in range(1, count + 1):
        found += [batch(2, seq, {2: seq - 1, 3: seq - 1}), batch(3, seq, {2: seq, 3: seq - 1})]
    for start in range(0, len(found), 1_000):
        alone.turn((2, batches(*found[start : start + 1_000])))
    asked = 0
    is_due = EarlyBatches._is_due

    def counted(self: EarlyBatches, each: Batch, delivered: Vector) -> bool:
        nonlocal asked
        asked += 1
        return is_due(self, each, delivered)

    monkeypatch.setattr(EarlyBatches, "_is_due", counted)
    again = Alone(alone.log)
    assert again.replica.vector == {2: count, 3: count}
    assert len(found) <= asked <= 4 * len(found)


@pytest.mark.parametrize("applied", [0, 1, 3], ids=lambda applied: f"rows-hold-{applied}-of-3")
def test_what_nobody_else_holds_is_handed_on_after_a_start_whatever_the_rows_hold_of_it(applied: int) -> None:
    """Once found by seed 500088 on `ap`: with all of it in the rows, a pull was answered with nothing, for ever."""
    before = Alone()
    for _ in range(3):
        before.write()
        before.turn()
    after = Alone(before.log, applied={1: applied} if applied else {})
    after.turn((2, Pull({1: 1})))
    assert [message for peer, message in after.sent if peer == 2 and isinstance(message, Batches)] == [
        batches(*(before.replica.held_above({1: 1}) or []))
    ]


@pytest.mark.parametrize(("earlier", "now"), [(7_000, 9_000), (9_000, 7_000)])
def test_an_answer_to_a_question_of_an_earlier_start_is_none_to_one_of_this_start(earlier: int, now: int) -> None:
    old = Alone(entropy=earlier).replica.gossip.ask()
    again = Alone(entropy=now)
    question = again.replica.gossip.ask()
    again.turn((2, Gossip({}, 0, 0, 0, old)), (3, Gossip({}, 0, 0, 0, question)))
    assert list(again.replica.gossip.answers[question]) == [3]


def test_who_asks_for_what_came_as_rows_is_told_to_take_them_after_a_start_too() -> None:
    before = Alone()
    before.write()
    before.turn()
    after = Alone(before.log, applied={1: 5, 3: 2})
    after.turn((2, Pull({1: 3})))
    assert (2, Dropped({1: 5, 3: 2})) in after.sent


def test_a_peer_that_knows_more_of_this_node_than_it_does_itself_stops_it() -> None:
    alone = Alone()
    alone.write()
    alone.turn()
    with pytest.raises(DiskRollback, match=r"a peer holds 2 batches of shard \d+ that were made on it, and it holds 1"):
        alone.turn((2, Gossip({1: 2}, 0, 0, 0, 0)))


def test_what_all_hold_is_let_go_and_who_asks_for_it_later_is_told_to_take_the_rows() -> None:
    alone = Alone()
    alone.write()
    alone.turn()
    alone.turn((2, Gossip({1: 1}, 0, 0, 0, 0)))
    assert alone.replica.first_retained(1) == 1
    alone.turn((3, Gossip({1: 1}, 0, 0, 0, 0)))
    assert alone.replica.first_retained(1) == 2
    alone.turn((3, Pull({})))
    assert (3, Dropped({1: 1})) in alone.sent


def test_at_the_bound_a_peer_counts_only_once_all_that_it_holds_is_here() -> None:
    """Else n2, dead for good after this gossip, would leave n1 and n3 with rows that lack something of each other's."""
    alone = Alone(retained_bytes=10)
    alone.turn()
    alone.write(b"more than ten bytes")
    alone.turn()
    alone.turn((2, Gossip({1: 1, 3: 1}, 0, 0, 0, 0)))
    assert alone.replica.first_retained(1) == 1
    alone.turn((2, batches(batch(3, 1, {}))))
    alone.turn()
    assert alone.replica.first_retained(1) == 2


def test_a_peer_that_dropped_what_is_lacking_is_named_as_donor_once() -> None:
    alone = Alone()
    ready = alone.turn((2, Dropped({2: 5})), (2, Dropped({2: 5})))
    assert list(ready.needs_transfer) == [2]
    assert list(alone.turn((2, Dropped({}))).needs_transfer) == []


def test_rows_that_were_installed_let_what_waits_for_them_follow() -> None:
    alone = Alone()
    alone.turn((2, batches(CHAIN[3])))
    assert alone.delivered == []
    alone.replica.install(Reflected({2: 2, 3: 1}, 0))
    assert alone.replica.vector == {2: 2, 3: 1}
    alone.replica.deliver_early()
    alone.turn()
    assert alone.delivered == [(3, 2)]


def test_what_comes_too_early_is_bounded() -> None:
    alone = Alone()
    many = [batch(2, seq, {}) for seq in range(2, EARLY_BATCHES_MAX + 500)]
    alone.turn((2, batches(*many)))
    alone.turn((2, batches(batch(2, 1, {}))))
    assert len(alone.delivered) == EARLY_BATCHES_MAX + 1


def test_what_comes_too_early_is_bounded_in_bytes() -> None:
    alone = Alone()
    large = bytes(EARLY_BYTES_MAX // 4)
    alone.turn((2, batches(*(batch(2, seq, {}, large) for seq in range(2, 9)))))
    alone.turn((2, batches(batch(2, 1, {}))))
    while alone.replica.next_deadline_us <= alone.us:
        alone.turn()
    assert alone.delivered == [(2, seq) for seq in range(1, 6)]
    alone.turn((2, batches(*(batch(2, seq, {}, large) for seq in range(6, 9)))))
    while alone.replica.next_deadline_us <= alone.us:
        alone.turn()
    assert alone.delivered == [(2, seq) for seq in range(1, 9)]


def test_a_turn_delivers_no_more_than_it_has_room_for_and_the_next_ones_the_rest() -> None:
    """Else whoever was away applies all that it is sent in one turn, and its peers take it for dead meanwhile."""
    alone = Alone()
    half = bytes(DELIVERED_BYTES_MAX // 2)
    many = [batch(2, seq, {}, half) for seq in range(1, 6)]
    alone.turn((2, batches(*many)), (2, Gossip({2: 9}, 9, 0, 0, 0)))
    assert alone.delivered == [(2, 1), (2, 2)]
    assert alone.replica.vector == {2: 2}
    assert alone.replica.held_back == 3
    assert alone.replica.next_deadline_us <= alone.us
    assert pulls(alone) == [(2, {2: 5})]  # what only waits is not sent again
    alone.turn((3, batches(batch(3, 1, {}, half))))
    assert alone.delivered[2:] == [(3, 1), (2, 3)]  # who stood behind others is first
    alone.turn()
    assert alone.delivered[4:] == [(2, 4), (2, 5)]
    assert alone.replica.next_deadline_us > alone.us


def pulls(alone: Alone) -> list[tuple[int, dict[int, int]]]:
    return [(peer, message.held) for peer, message in alone.sent if isinstance(message, Pull)]


def test_while_an_answers_worth_waits_nobody_is_asked_for_more_and_then_for_what_is_lacking() -> None:
    alone = Alone()
    each = bytes(DELIVERED_BYTES_MAX)
    count = SEND_BYTES_MAX // len(each) + 2
    many = [batch(2, seq, {}, each) for seq in range(1, count + 1)]
    alone.turn((2, batches(*many)), (2, Gossip({2: count + 1}, count + 1, 0, 0, 0)))
    assert pulls(alone) == []
    alone.turn()
    assert pulls(alone) == []
    alone.turn()
    assert pulls(alone) == [(2, {2: count})]


def test_what_was_lost_is_pulled_though_others_batches_wait_for_a_turn() -> None:
    alone = Alone()
    half = bytes(DELIVERED_BYTES_MAX // 2)
    alone.turn((2, batches(*(batch(2, seq, {}, half) for seq in (1, 2, 3)))), (3, Gossip({3: 1}, 1, 0, 0, 0)))
    assert alone.replica.has_more
    assert pulls(alone) == [(3, {2: 3})]


def test_rows_are_not_asked_for_in_place_of_what_only_waits_for_a_turn() -> None:
    alone = Alone()
    whole = bytes(DELIVERED_BYTES_MAX)
    ready = alone.turn((3, batches(*(batch(3, seq, {}, whole) for seq in (1, 2, 3)))), (2, Dropped({3: 3})))
    assert alone.replica.vector == {3: 1}
    assert list(ready.needs_transfer) == []
    assert list(alone.turn((2, Dropped({3: 4}))).needs_transfer) == [2]


def test_nobody_waits_for_ever_behind_those_who_have_more() -> None:
    """Three replicas at full load: each turn each makes a batch, and has room for no more than one of the others."""
    logs = {node: MemoryLog() for node in (1, 2, 3)}
    whole, nothing = bytes(DELIVERED_BYTES_MAX), Reflected({}, 0)
    now = Now(1_000_000, 1_700_000_000_000_000)
    replicas = {
        node: Leaderless(SHARD, node, (1, 2, 3), [], logs[node], now, applied=nothing, entropy=1) for node in logs
    }
    under_way: list[tuple[int, int, Message]] = []
    for token in range(1, 61):
        now = Now(now.mono_us + 1_000, now.wall_ms * 1_000 + 1_000)
        arrived, under_way = under_way, []
        for node, replica in replicas.items():
            for source, target, message in arrived:
                if target == node:
                    replica.receive(source, message)
            replica.advance(now, frozenset(replicas) - {node})
            replica.take_delivered()
            replica.append(replica.next_header()._replace(body=whole))
            ready = replica.ready(token)
            logs[node].append(LogWrite(token, 1, False, ready.records, True, 0))
            logs[node].sync(token)
            replica.persisted(token)
            under_way.extend((node, out.peer, out.message) for out in ready.messages)
    for node, replica in replicas.items():
        others = [seq for origin, seq in replica.vector.items() if origin != node]
        assert len(others) == 2
        assert min(others) >= 25, replica.vector


def test_a_large_batch_is_not_held_up_by_small_ones_for_ever() -> None:
    alone = Alone()
    alone.turn((3, batches(batch(3, 1, {}, bytes(2 * DELIVERED_BYTES_MAX)))), (2, batches(batch(2, 1, {}))))
    for seq in range(2, 9):
        alone.turn((2, batches(batch(2, seq, {}))))
    assert alone.replica.vector == {2: 8, 3: 1}


def test_one_batch_that_is_more_than_a_turn_has_room_for_is_delivered_all_the_same() -> None:
    alone = Alone()
    alone.turn((2, batches(*(batch(2, seq, {}, bytes(2 * DELIVERED_BYTES_MAX)) for seq in (1, 2)))))
    assert alone.delivered == [(2, 1)]
    alone.turn()
    assert alone.delivered == [(2, 1), (2, 2)]


def test_while_the_disk_is_behind_nothing_more_is_delivered_and_nothing_is_due() -> None:
    alone = Alone()
    alone.turn((2, batches(*(batch(2, seq, {}, bytes(DELIVERED_BYTES_MAX)) for seq in (1, 2)))))
    alone.replica.takes_batches = False
    alone.turn()
    assert alone.delivered == [(2, 1)]
    assert alone.replica.next_deadline_us > alone.us
    alone.replica.takes_batches = True
    alone.turn()
    assert alone.delivered == [(2, 1), (2, 2)]


def test_a_start_delivers_at_once_all_that_its_log_holds() -> None:
    alone = Alone()
    for seq in (1, 2, 3):
        alone.turn((2, batches(batch(2, seq, {}, bytes(DELIVERED_BYTES_MAX)))))
    again = Alone(alone.log)
    assert again.replica.vector == {2: 3}
    assert [found.seq for found, _ in again.replica.take_delivered()] == [1, 2, 3]


@pytest.mark.parametrize("seed", range(10))
def test_three_replicas_agree_after_loss_repeats_and_crashes(seed: int) -> None:
    random = Random(seed)
    logs = {node: MemoryLog() for node in (1, 2, 3)}
    delivered: dict[int, list[tuple[int, int]]] = {node: [] for node in logs}
    us = 1_000_000
    tokens = dict.fromkeys(logs, 0)

    def start(node: int) -> Leaderless:
        tokens[node] = 0
        now = Now(us, 1_700_000_000_000_000 + us)
        delivered[node].clear()
        records, nothing = logs[node].recover().records, Reflected({}, 0)
        return Leaderless(SHARD, node, (1, 2, 3), records, logs[node], now, applied=nothing, entropy=1)

    replicas = {node: start(node) for node in logs}
    under_way: list[tuple[int, int, Message]] = []
    for step in range(3_000):
        us += 5_000
        is_calm = step > 2_500
        node = 1 + step % 3
        if not is_calm and random.random() < 0.01:
            logs[node].crash()
            replicas[node] = start(node)
        replica = replicas[node]
        mine = [letter for letter in under_way if letter[1] == node]
        under_way = [letter for letter in under_way if letter[1] != node]
        random.shuffle(mine)
        for sender, _, message in mine:
            replica.receive(sender, message)
        replica.advance(Now(us, 1_700_000_000_000_000 + us), frozenset({1, 2, 3} - {node}))
        if not is_calm and random.random() < 0.3:
            header = replica.next_header()
            replica.append(header._replace(body=b"%d" % step))
            delivered[node].append((node, header.seq))
        tokens[node] += 1
        ready = replica.ready(tokens[node])
        for each, _ in ready.deliver:
            assert all((origin, seq) in delivered[node] for origin, seq in each.depends.items() if seq)
            delivered[node].append((each.origin, each.seq))
        if ready.records:
            logs[node].append(LogWrite(tokens[node], 1, False, ready.records, True, 0))
        logs[node].sync(tokens[node])
        replica.persisted(tokens[node])
        for out in ready.messages:
            for _ in range(1 if is_calm else random.choice((0, 1, 1, 2))):
                under_way.append((node, out.peer, out.message))
    assert replicas[1].vector == replicas[2].vector == replicas[3].vector
    assert all(sorted(set(found)) == sorted(found) for found in delivered.values())
    assert sorted(delivered[1]) == sorted(delivered[2]) == sorted(delivered[3])
    assert len(delivered[1]) > 500


def test_an_answer_to_a_pull_holds_no_more_than_its_bound_unless_the_first_batch_alone_does() -> None:
    sizes = [SEND_BYTES_MAX - 9, 10, 3 * SEND_BYTES_MAX, 5, 5]
    alone = Alone()
    for size in sizes:
        alone.replica.append(alone.replica.next_header()._replace(body=b"x" * size))
        alone.turn()
    held: Vector = {}
    answers: list[list[int]] = []
    while held.get(1, 0) < len(sizes):
        alone.turn((2, Pull(held)))
        (answer,) = [message for _, message in alone.sent if isinstance(message, Batches)]
        answers.append([len(wire[4]) for wire in answer.batches])
        held = {1: answer.batches[-1][1]}
    assert answers == [sizes[:1], sizes[1:2], sizes[2:3], sizes[3:]]
