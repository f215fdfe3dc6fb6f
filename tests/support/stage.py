"""A stage for scripted scenes in virtual time: three nodes without random faults, and clients that wait for replies."""

from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

from trilemma.base.ids import ConnId, NodeId
from trilemma.node.raft_shard import RaftShard
from trilemma.resp.decode import ReplyDecoder
from trilemma.sim.client import plain
from trilemma.sim.cluster import Cluster
from trilemma.sim.options import Options, draw
from trilemma.sim.scheduler import Scheduler
from trilemma.sim.solo import request
from trilemma.sim.trace import Trace

READY_US = 1_500_000
PATIENCE_US = 10_000_000

KEYSPACES = {"bank": ("MODE", "cp"), "ledger": ("MODE", "cp", "WRITE", "all"), "site": ("MODE", "ca"),
             "shop": ("MODE", "ap")}  # fmt: skip


class Answer(NamedTuple):
    """A reply in plain words (an error as str), None where the connection broke; and how long it took."""

    reply: Any
    took_us: int

    @property
    def is_refusal(self) -> bool:
        return isinstance(self.reply, str) and self.reply.startswith("CLUSTERDOWN")

    @property
    def is_uncertain(self) -> bool:
        return isinstance(self.reply, str) and self.reply.startswith("UNCERTAIN")


class Asked:
    """One client with one request under way."""

    def __init__(self, stage: "Stage", node: NodeId, words: tuple[str, ...], readonly: bool) -> None:
        self._stage = stage
        self._decoder = ReplyDecoder()
        self._skip = int(readonly)
        self.sent_us = stage.now_us
        self.answer: Answer | None = None
        conn = stage.cluster.connect(node, self)
        if conn is None:
            self.answer = Answer(None, 0)
            return
        stage.cluster.send(conn, (request("READONLY") if readonly else b"") + request(*words))

    def receive(self, conn: ConnId, data: bytes) -> None:
        self._decoder.feed(data)
        for reply in self._decoder.replies():
            if self._skip:
                self._skip -= 1
            else:
                self.answer = Answer(plain(reply), self._stage.now_us - self.sent_us)

    def lost(self, conn: ConnId) -> None:
        if self.answer is None:
            self.answer = Answer(None, self._stage.now_us - self.sent_us)


class Piped:
    """One client with several requests under way, sent as one packet."""

    def __init__(self, stage: "Stage", node: NodeId, commands: tuple[tuple[str, ...], ...]) -> None:
        self._decoder = ReplyDecoder()
        self.replies: list[Any] = []
        conn = stage.cluster.connect(node, self)
        assert conn is not None
        stage.cluster.send(conn, b"".join(request(*words) for words in commands))

    def receive(self, conn: ConnId, data: bytes) -> None:
        self._decoder.feed(data)
        self.replies.extend(plain(reply) for reply in self._decoder.replies())

    def lost(self, conn: ConnId) -> None:
        raise AssertionError("the connection was lost")


class Stage:
    """The cluster with the four keyspaces of the figure: bank (cp), ledger (cp, WRITE all), site (ca), shop (ap)."""

    segment_bytes = 64 << 20
    retained_bytes = 1 << 30

    def __init__(self, seed: int = 1, nodes: int = 3) -> None:
        self.options = self._options(seed, nodes)
        self.scheduler = Scheduler()
        self.cluster = Cluster(self.options, self.scheduler, Random(seed), Trace(False))
        self.cluster.start()
        self.run(READY_US)
        for name, settings in KEYSPACES.items():
            assert self.ask(1, "KEYSPACE", "CREATE", name, *settings).reply == b"OK"

    @classmethod
    def _options(cls, seed: int, nodes: int) -> Options:
        return replace(
            draw(seed, "cp", nodes), keyspace="default", settings=(), delay_us=300, jitter_us=200, loss=0.0,
            duplicate=0.0, sync_us=1_000, turn_us=100, flush_share=0.0, drift=0.0, segment_bytes=cls.segment_bytes,
            retained_bytes=cls.retained_bytes, slow_sync_us=0, append_bytes=1 << 20, apply_bytes=1 << 20,
        )  # fmt: skip

    @property
    def now_us(self) -> int:
        return self.scheduler.now_us

    def run(self, for_us: int) -> None:
        self.scheduler.run_until(self.now_us + for_us)
        assert self.cluster.failures == []

    # Clients

    def begin(self, node: NodeId, *words: str, readonly: bool = False) -> Asked:
        """Send a request; its answer may come later."""
        return Asked(self, node, words, readonly)

    def wait(self, asked: Asked) -> Answer:
        self.scheduler.run_until(self.now_us + PATIENCE_US, lambda: asked.answer is not None)
        assert asked.answer is not None, "no answer"
        return asked.answer

    def ask(self, node: NodeId, *words: str, readonly: bool = False) -> Answer:
        return self.wait(self.begin(node, *words, readonly=readonly))

    def pipeline(self, node: NodeId, *commands: tuple[str, ...]) -> list[Any]:
        """Send requests as one packet; return their replies."""
        piped = Piped(self, node, commands)
        self.scheduler.run_until(self.now_us + PATIENCE_US, lambda: len(piped.replies) == len(commands))
        assert len(piped.replies) == len(commands), piped.replies
        return piped.replies

    def until_ok(self, node: NodeId, *words: str) -> int:
        """Send a request over and over until it succeeds; return how long that took."""
        since_us = self.now_us
        while isinstance(answer := self.ask(node, *words).reply, str) or answer is None:
            assert self.now_us - since_us < PATIENCE_US, answer
            self.run(20_000)
        return self.now_us - since_us

    # Faults

    def cut(self, *pairs: tuple[NodeId, NodeId]) -> None:
        """Cut links both ways."""
        for one, two in pairs:
            self.cut_way(one, two)
            self.cut_way(two, one)

    def cut_way(self, source: NodeId, target: NodeId) -> None:
        self.cluster.network.cut[source, target] = None

    def cut_off(self, node: NodeId) -> None:
        self.cut(*[(node, other) for other in self.cluster.processes if other != node])

    def crash(self, node: NodeId) -> None:
        self.cluster.crash(self.cluster.processes[node], "test")

    def heal(self) -> None:
        self.cluster.network.cut.clear()
        for process in self.cluster.processes.values():
            self.cluster.restart(process)

    # What the nodes know

    def lead(self, node: NodeId) -> None:
        """Make a node the leader of everything that has one, `_system` too."""
        for name in ("_system", "default", *KEYSPACES):
            for _ in range(20):
                if self.leads(node, name):
                    break
                for process in self.cluster.processes.values():
                    shard = self._shard(name)
                    process.give(lambda made, shard=shard: made.replicas[shard].hand_to(node))  # type: ignore[misc]
                self.run(300_000)
            assert self.leads(node, name)

    def _shard(self, name: str) -> Any:
        catalogue = next(each.node for each in self.cluster.processes.values() if each.node)._system.catalogue
        return 0 if name == "_system" else catalogue.keyspaces[name].shard_ids()[0]

    def leads(self, node: NodeId, name: str) -> bool:
        """Whether a node leads a keyspace's shard; true of all where nobody does or needs to."""
        made = self.cluster.processes[node].node
        assert made is not None
        replica = made.replicas[self._shard(name)]
        return not isinstance(replica, RaftShard) or replica.raft.is_leader

    def terms(self) -> dict[int, int]:
        """The highest term of each shard."""
        found: dict[int, int] = {}
        for process in self.cluster.processes.values():
            for shard, replica in process.node.replicas.items() if process.node else ():
                if isinstance(replica, RaftShard):
                    found[shard] = max(found.get(shard, 0), replica.raft.term)
        return found
