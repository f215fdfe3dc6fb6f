"""Which keys a follower must not read from its own memory, also once its log was replaced by a snapshot."""

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.time import Now
from trilemma.node.config import Timing
from trilemma.node.dirty import DirtyKeys
from trilemma.node.unit import Path, Unit, encode_units
from trilemma.replication.port import EntryKind, LogRecord
from trilemma.replication.raft.configuration import Configuration
from trilemma.replication.raft.entry import Header, encode_payload
from trilemma.replication.raft.messages import AppendEntries
from trilemma.replication.raft.replica import Raft

WALL_US = 1_700_000_000_000_000
STEP_US = 5_000


class _NoLog:
    """A log whose entries are all in memory still."""

    def read(self, *_: object) -> list[LogRecord]:
        return []


class _Follower:
    """n3 of three, taking entries."""

    def __init__(self) -> None:
        self._now_us = 1_000_000
        self._token = 0
        now = Now(self._now_us, WALL_US)
        self.raft = Raft(ShardId(5), NodeId(3), [1, 2, 3], Timing(), 7, [], _NoLog(), now, leases=True)  # type: ignore[arg-type]

    def take(self, leader: int, term: int, previous: tuple[int, int], commit: int, keys: list[bytes]) -> None:
        """Take in entries of a leader that each set a key, behind index and term of the previous one."""
        entries = [(term, encode_payload(Header(EntryKind.COMMANDS, 1, 1, 0), _setting(key))) for key in keys]
        self.raft.receive(NodeId(leader), AppendEntries(term, 1, *previous, commit, 5, 0, 0, 0, 0, entries))
        self._now_us += STEP_US
        self._token += 1
        self.raft.advance(Now(self._now_us, WALL_US + self._now_us), frozenset({NodeId(1), NodeId(2)}))
        self.raft.ready(self._token)
        self.raft.persisted(self._token)


def _setting(key: bytes) -> bytes:
    return encode_units([Unit(Path.WRITE, 0, 2, [b"SET", key, b"v"])])


def _reading(key: bytes) -> Unit:
    return Unit(Path.READ, 0, 2, [b"GET", key])


def test_a_key_that_an_entry_above_the_applied_one_touches_is_dirty() -> None:
    follower = _Follower()
    follower.take(1, 1, (0, 0), 10, [b"site:k"] * 10)
    follower.take(1, 1, (10, 1), 10, [b"site:x"])
    dirty = DirtyKeys(follower.raft)
    assert not dirty.is_clean(_reading(b"site:x"), 10)
    assert dirty.is_clean(_reading(b"site:y"), 10)
    assert dirty.is_clean(_reading(b"site:x"), 11)


def test_what_was_looked_at_before_a_snapshot_replaced_it_is_looked_at_again() -> None:
    """Entries of a deposed leader above the snapshot's base had been looked at; the new leader's at those indexes were
    taken for looked at."""
    follower = _Follower()
    follower.take(1, 1, (0, 0), 10, [b"site:k"] * 10)
    follower.take(1, 1, (10, 1), 10, [b"site:other"] * 10)
    dirty = DirtyKeys(follower.raft)
    assert dirty.is_clean(_reading(b"site:x"), 10)
    follower.take(2, 2, (0, 0), 0, [])
    follower.raft.install(15, 2, Configuration((NodeId(1), NodeId(2), NodeId(3))), True)
    follower.take(2, 2, (15, 2), 15, [b"site:x"])
    assert follower.raft.last_index == 16
    assert not dirty.is_clean(_reading(b"site:x"), 15)
