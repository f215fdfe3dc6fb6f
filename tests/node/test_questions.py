"""What waits for other replicas' answers keeps the order of its session, also where READ becomes less meanwhile."""

from dataclasses import dataclass, field

import msgspec
import pytest

from trilemma.base.ids import NodeId
from trilemma.base.time import Now
from trilemma.keyspace.settings import Keyspace, Mode
from trilemma.node.batch import Batch
from trilemma.node.causal_shard import CausalShard
from trilemma.node.config import Member, NodeConfig
from trilemma.node.unit import Path, Result, Unit
from trilemma.replication.leaderless.messages import Gossip
from trilemma.replication.leaderless.replica import Leaderless
from trilemma.replication.port import Reflected
from trilemma.storage.memory import MemoryEngine, MemoryLog
from trilemma.storage.overlay import ShardRows

SHARD = 2048
NOW = Now(1_000_000, 1_700_000_000_000_000)
MEMBERS = (Member(1, "n1"), Member(2, "n2"), Member(3, "n3"))
SHOP = Keyspace(2, "shop", Mode.AP, (1, 2, 3), 1, "1", "3", "sync", 2_000)


class Read(Batch):
    """A batch of one read in a session's line; its name goes to `told` once it is answered."""

    def __init__(self, name: str, line: str, told: list[str]) -> None:
        super().__init__([Unit(Path.READ, 0, 2, [b"GET", b"x"])])
        self._name, self._line, self._told = name, line, told

    def complete(self, position: int, result: Result, token: int) -> None:
        self._told.append(self._name)

    def line(self, position: int) -> object:
        return self._line


@dataclass
class Asking:
    """The replica of n1 whose READ is 3 until it is altered, and what its questions were when n2 and n3 got them."""

    told: list[str] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        replica = Leaderless(SHARD, 1, (1, 2, 3), [], MemoryLog(), NOW, applied=Reflected({}, 0), entropy=1)
        config = NodeConfig("test", 1, "disk", 1, MEMBERS)
        self.shard = CausalShard(config, SHOP, SHARD, replica, ShardRows(MemoryEngine(), SHARD, 0), 1)

    def read(self, name: str, line: str) -> None:
        self.shard.submit(Read(name, line, self.told))
        self.turn()

    def alter(self, read: str) -> None:
        self.shard.keyspace = msgspec.structs.replace(SHOP, read=read)

    def answers(self, peer: NodeId) -> None:
        """A peer answers all that it was asked up to now."""
        self.shard.receive(peer, Gossip({}, 0, 0, 0, self.asked))
        self.turn()

    def turn(self) -> None:
        self.shard.advance(NOW, frozenset((2, 3)))
        for sent in self.shard.collect(1)[2]:
            if isinstance(sent.message, Gossip):
                self.asked = max(self.asked, sent.message.asks)


@pytest.mark.parametrize("read", ["1", "2"])
def test_a_read_that_asks_fewer_after_an_alter_does_not_overtake_one_of_its_session(read: str) -> None:
    """It was answered at once, and the reply in front of it, of a second later, was the newer one."""
    n1 = Asking()
    n1.read("first", "session")
    n1.alter(read)
    n1.read("second", "session")
    n1.answers(2)
    assert n1.told == []
    n1.answers(3)
    assert n1.told == ["first", "second"]


@pytest.mark.parametrize("read", ["1", "2"])
def test_a_read_of_another_session_waits_for_nobody_elses(read: str) -> None:
    n1 = Asking()
    n1.read("first", "session")
    n1.alter(read)
    n1.read("second", "other")
    n1.answers(2)
    assert n1.told == ["second"]


def test_what_is_behind_a_read_that_is_refused_goes_on_with_that() -> None:
    n1 = Asking()
    n1.read("first", "session")
    n1.alter("2")
    n1.read("second", "session")
    n1.answers(2)
    n1.shard.advance(Now(NOW.mono_us + 2_000_000, NOW.wall_us), frozenset((2, 3)))
    n1.shard.collect(1)
    assert n1.told == ["first", "second"]
