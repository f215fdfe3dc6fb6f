"""Reads beside the log: none is served before an earlier one of its line, whatever holds that one up."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from trilemma.keyspace.settings import TIMEOUT_MS_DEFAULT, Keyspace, Mode
from trilemma.node.batch import Batch
from trilemma.node.raft_reads import RaftReads
from trilemma.node.unit import NOT_EXECUTED, Path, Result, Unit
from trilemma.replication.port import RaftReady

KEYSPACE = Keyspace(1, "default", Mode.CP, (1, 2, 3), 1, 2, "linearizable", "sync", TIMEOUT_MS_DEFAULT)
LEASED = Keyspace(1, "default", Mode.CP, (1, 2, 3), 1, 2, "lease", "sync", TIMEOUT_MS_DEFAULT)


class Raft:
    """Leads, and confirms what it is told to confirm."""

    def __init__(self) -> None:
        self.is_leader = True
        self.takes_reads = True
        self.has_lease = False
        self.commit_index = 5

    def lease_read_ok(self) -> bool:
        return self.has_lease

    def read_index(self, context: int) -> bool:
        return self.is_leader and self.takes_reads

    def log_time_ms(self) -> int:
        return 0


class Rows:
    """Has applied everything; some keys are overdue."""

    def __init__(self) -> None:
        self.applied = SimpleNamespace(index=5)
        self.overlay = SimpleNamespace(handled_bytes=0)
        self.overdue: set[bytes] = set()

    def begin_read(self, log_time_ms: int) -> None:
        pass

    def is_overdue(self, unit: Unit) -> bool:
        return unit.argv[1] in self.overdue


class Lines(Batch):
    """Reads of keys; the first letter of a key names its line."""

    def __init__(self, told: list[tuple[bytes, Result]], *keys: bytes) -> None:
        super().__init__([Unit(Path.READ, 0, 2, [b"GET", key]) for key in keys])
        self.told = told

    def complete(self, position: int, result: Result, token: int) -> None:
        self.told.append((self.units[position].argv[1], result))

    def line(self, position: int) -> object:
        return self.units[position].argv[1][:1]


class Scene:
    """One replica's reads, and what became of them."""

    def __init__(self) -> None:
        self.raft: Any = Raft()
        self.rows: Any = Rows()
        self.told: list[tuple[bytes, Result]] = []
        self.reads = RaftReads(self.raft, self.rows, lambda unit: [unit.argv[1]])

    def turn(self, *keys: bytes, keyspace: Keyspace = KEYSPACE, confirmed: Sequence[int] = ()) -> list[bytes]:
        """Run one turn with these reads; return the keys that were read in it."""
        batch = Lines(self.told, *keys)
        self.reads.waiting.extend((batch, place) for place in range(len(keys)))
        before = len(self.told)
        self.reads.ask(keyspace)
        rounds = [(context, self.rows.applied.index) for context in confirmed]
        self.reads.take_rounds(RaftReady([], False, [], [], rounds, [], []))
        self.reads.serve()
        return [key for key, result in self.told[before:] if result is not NOT_EXECUTED]


def test_what_is_behind_a_read_of_an_overdue_key_waits_for_the_tick_with_it_and_other_lines_go_on() -> None:
    scene = Scene()
    scene.rows.overdue = {b"a1"}
    assert scene.turn(b"a1", b"a2", b"b1", confirmed=[1]) == [b"b1"]
    assert scene.turn(b"a3", b"b2", confirmed=[2]) == [b"b2"]
    scene.rows.overdue.clear()
    scene.rows.applied.index += 1
    assert scene.turn(b"a4", confirmed=[3]) == [b"a1", b"a2", b"a3", b"a4"]


def test_a_replica_that_leads_no_more_hands_back_what_is_behind_a_read_of_an_overdue_key_too() -> None:
    scene = Scene()
    scene.rows.overdue = {b"a1"}
    assert scene.turn(b"a1", confirmed=[1]) == []
    scene.rows.applied.index -= 1
    scene.reads.take_rounds(RaftReady([], False, [], [], [(2, 5)], [], []))
    assert scene.turn(b"a2") == []
    scene.rows.applied.index += 1
    scene.reads.take_rounds(RaftReady([], False, [], [], [(2, 6)], [], []))
    scene.raft.is_leader = False
    assert scene.turn() == []
    assert scene.told == [(b"a1", NOT_EXECUTED), (b"a2", NOT_EXECUTED)]


def test_a_lease_that_comes_alive_answers_first_for_what_is_still_asked_about() -> None:
    scene = Scene()
    assert scene.turn(b"a1") == []
    scene.raft.has_lease = True
    assert scene.turn(b"a2", keyspace=LEASED) == [b"a1", b"a2"]
    assert scene.turn(keyspace=LEASED, confirmed=[1]) == []


def test_a_leader_for_which_too_many_reads_wait_keeps_further_ones_in_their_place() -> None:
    scene = Scene()
    scene.raft.takes_reads = False
    assert scene.turn(b"a1") == []
    scene.raft.takes_reads = True
    assert scene.turn(b"a2", confirmed=[1, 2]) == [b"a1", b"a2"]
    assert all(result is not NOT_EXECUTED for _, result in scene.told)
