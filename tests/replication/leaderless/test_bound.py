"""What a replica lets go at the bound while another one is away, and that no two are ever torn apart by it."""

from random import Random

import pytest

from trilemma.base.time import Now
from trilemma.crdt.vector import covers
from trilemma.replication.leaderless.replica import Leaderless
from trilemma.replication.leaderless.settled import Report, Settled
from trilemma.replication.port import Message, Reflected
from trilemma.sim.mutants import planted
from trilemma.sim.mutation import MASKS_ONLY
from trilemma.storage.memory import MemoryLog
from trilemma.storage.port import LogWrite

SHARD = 1024
NODES = (1, 2, 3)
STEP_US = 20_000
BODY = b"x" * 100
RETAINED_BYTES = 300


class Trio:
    """Three replicas that keep next to nothing, and messages that arrive where links are up."""

    def __init__(self, seed: int = 0, retained_bytes: int = RETAINED_BYTES) -> None:
        self.us = 1_000_000
        self.random = Random(seed)
        self.links: set[frozenset[int]] = {frozenset({1, 2}), frozenset({1, 3}), frozenset({2, 3})}
        self.alive = set(NODES)
        self.under_way: list[tuple[int, int, Message]] = []
        self.logs = {node: MemoryLog() for node in NODES}
        self.tokens = dict.fromkeys(NODES, 0)
        self.labels: dict[int, dict[int, int]] = {node: {} for node in NODES}
        self.replicas = {
            node: Leaderless(
                SHARD,
                node,
                NODES,
                [],
                self.logs[node],
                self.now,
                applied=Reflected({}, 0),
                entropy=node,
                retained_bytes=retained_bytes,
            )
            for node in NODES
        }

    @property
    def now(self) -> Now:
        return Now(self.us, 1_700_000_000_000_000 + self.us)

    def is_up(self, one: int, two: int) -> bool:
        return {one, two} <= self.alive and frozenset({one, two}) in self.links

    def write(self, node: int) -> None:
        replica = self.replicas[node]
        replica.append(replica.next_header()._replace(body=BODY))

    def turn(self, node: int) -> None:
        """Let a node take in what has come, and do what is due; all of it is durable at once."""
        replica = self.replicas[node]
        for sender, receiver, message in self.under_way:
            if receiver == node and self.is_up(sender, node):
                replica.receive(sender, message)
        self.under_way = [each for each in self.under_way if each[1] != node]
        replica.advance(self.now, frozenset(peer for peer in replica.peers if self.is_up(node, peer)))
        self.tokens[node] += 1
        ready = replica.ready(self.tokens[node])
        if ready.records:
            self.logs[node].append(LogWrite(self.tokens[node], 1, False, ready.records, True, 0))
            self.logs[node].sync(self.tokens[node])
        replica.persisted(self.tokens[node])
        if self.random.random() < 0.2:
            self.labels[node] = replica.holdings.durable
        self.under_way += [(node, out.peer, out.message) for out in ready.messages]
        for donor in ready.needs_transfer:
            self.transfer(donor, node)

    def transfer(self, donor: int, receiver: int) -> None:
        """Bring the donor's rows, of now or a little older, to a node that can put what it holds on top of them."""
        label = self.random.choice((self.replicas[donor].holdings.durable, self.labels[donor]))
        replica = self.replicas[receiver]
        if not self.is_up(donor, receiver) or covers(replica.vector, label) or replica.held_above(label) is None:
            return
        replica.install(Reflected(label, 0))
        replica.deliver_early()

    def run(self, turns: int) -> None:
        for _ in range(turns):
            self.us += STEP_US
            for node in sorted(self.alive):
                self.turn(node)

    def torn(self) -> list[tuple[int, int]]:
        """The pairs of which neither can take the rows of the other."""
        return [
            (one, two)
            for one in NODES
            for two in NODES
            if one < two
            and self.replicas[one].held_above(self.replicas[two].holdings.durable) is None
            and self.replicas[two].held_above(self.replicas[one].holdings.durable) is None
        ]


def test_what_a_majority_holds_is_let_go_at_the_bound_though_only_one_side_writes() -> None:
    trio = Trio()
    trio.run(20)
    trio.alive.remove(3)
    for _ in range(50):
        trio.write(1)
        trio.run(1)
    trio.run(20)
    assert trio.replicas[2].holdings.durable[1] == 50
    assert trio.replicas[1].retained_bytes <= RETAINED_BYTES
    assert trio.replicas[2].retained_bytes <= RETAINED_BYTES


def test_what_a_majority_holds_goes_as_far_as_it_pins_a_log_that_is_full_and_nothing_else() -> None:
    trio = Trio(retained_bytes=1 << 30)
    trio.run(20)
    trio.alive.remove(3)
    for _ in range(9):
        trio.write(1)
    trio.run(20)
    replica = trio.replicas[1]
    replica.let_go(1, 6)
    assert replica.first_retained(1) == 7
    trio.alive.remove(2)
    trio.write(1)
    trio.run(20)
    replica.let_go(1, 10)
    assert replica.first_retained(1) == 10


def test_what_no_majority_holds_is_not_let_go() -> None:
    trio = Trio()
    trio.run(20)
    trio.alive = {1}
    for _ in range(50):
        trio.write(1)
        trio.run(1)
    assert trio.replicas[1].first_retained(1) == 1


@pytest.mark.parametrize("retained_bytes", [RETAINED_BYTES, 1 << 30])
@pytest.mark.parametrize("crowded", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(40))
def test_no_two_replicas_let_go_what_the_other_lacks(seed: int, crowded: float, retained_bytes: int) -> None:
    trio = Trio(seed, retained_bytes)
    random = trio.random
    every = sorted(trio.links, key=sorted)
    for _ in range(random.randint(50, 200)):
        if random.random() < 0.3:
            trio.links = set(random.sample(every, random.randint(0, 3)))
        for _ in range(random.choice((0, 0, 1, 4))):
            trio.write(random.choice(NODES))
        trio.us += STEP_US
        for node in random.sample(NODES, random.randint(1, 3)):
            trio.turn(node)
        if random.random() < 0.2:
            trio.under_way = [each for each in trio.under_way if random.random() < 0.5]
        if crowded and random.random() < crowded:
            trio.replicas[random.choice(NODES)].let_go(random.choice(NODES), random.randint(1, 200))
        assert trio.torn() == []
    gone = random.choice(NODES)
    trio.alive.remove(gone)
    trio.links = set(every)
    trio.run(100)
    one, two = sorted(trio.alive)
    assert trio.replicas[one].holdings.durable == trio.replicas[two].holdings.durable


def test_a_report_that_counts_before_all_of_it_has_come_tears_two_apart() -> None:
    with planted("H11" + MASKS_ONLY), pytest.raises(AssertionError):
        test_no_two_replicas_let_go_what_the_other_lacks(1, 0.0, RETAINED_BYTES)


def test_a_report_of_what_a_crash_took_back_does_not_hold_up_later_ones() -> None:
    settled = Settled((2,))
    settled.hear(2, Report({2: 4}, 5, 1_000))
    settled.advance({2: 4})
    assert settled.expiry_ms is None
    settled.hear(2, Report({2: 4}, 4, 2_000))
    settled.advance({2: 4})
    assert settled.expiry_ms == 2_000
