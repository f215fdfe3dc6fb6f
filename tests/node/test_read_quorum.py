"""READ n on `ap`: what enough replicas hold is shown, whatever the command, and whatever came before."""

import pytest

from stage import PATIENCE_US, Stage
from trilemma.base.ids import ConnId, NodeId
from trilemma.resp.decode import ReplyDecoder
from trilemma.sim.client import plain
from trilemma.sim.solo import request

LONG = "new" * 200
"""Longer than what gets through to n1."""

QUORUM = ("MODE", "ap", "WRITE", "2", "READ", "2")


class Client:
    """One connection, and the replies it got."""

    def __init__(self, stage: Stage, node: int) -> None:
        self._decoder = ReplyDecoder()
        self._stage = stage
        self.replies: list[object] = []
        conn = stage.cluster.connect(NodeId(node), self)
        assert conn is not None
        self._conn = conn

    def send(self, *commands: str) -> list[object]:
        """Send commands at once; return the replies."""
        wanted = len(self.replies) + len(commands)
        self._stage.cluster.send(self._conn, b"".join(request(*words.split()) for words in commands))
        self._stage.scheduler.run_until(self._stage.now_us + PATIENCE_US, lambda: len(self.replies) >= wanted)
        return self.replies[wanted - len(commands) :]

    def receive(self, _conn: ConnId, data: bytes) -> None:
        self._decoder.feed(data)
        self.replies.extend(plain(reply) for reply in self._decoder.replies())

    def lost(self, _conn: ConnId) -> None:
        raise AssertionError("the connection was lost")


def keep_from(stage: Stage, node: int) -> None:
    """Let only short messages through to a node, and have the others acknowledge what it lacks."""
    holes = stage.cluster.network.holes
    others = [other for other in (1, 2, 3) if other != node]
    for other in others:
        holes[other, node] = 300  # type: ignore[index]
    assert stage.ask(others[0], "SET", "rq:x", LONG).reply == b"OK"
    assert stage.ask(others[0], "SET", "rq:y", LONG).reply == b"OK"


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    assert stage.ask(1, "KEYSPACE", "CREATE", "rq", *QUORUM).reply == b"OK"
    stage.run(300_000)
    stage.ask(2, "SET", "rq:x", "old")
    stage.run(520_000)
    return stage


def test_a_question_of_an_earlier_start_that_is_answered_late_answers_none_of_this_start(stage: Stage) -> None:
    network, since_us = stage.cluster.network, stage.now_us

    def wait_until(after_us: int) -> None:
        stage.run(since_us + after_us - stage.now_us)

    network.slow[2, 1] = network.slow[3, 1] = 900_000
    stage.begin(1, "GET", "rq:x")
    stage.run(3_000)
    stage.crash(1)
    stage.cluster.restart(stage.cluster.processes[1])
    network.slow.clear()
    wait_until(840_000)
    network.cut[2, 1] = network.cut[3, 1] = None
    assert stage.ask(2, "SET", "rq:x", "new").reply == b"OK"
    stage.run(5_000)
    network.cut.clear()
    wait_until(893_000)
    network.slow[2, 1] = network.slow[3, 1] = 30_000
    assert stage.ask(1, "GET", "rq:x").reply == b"new"


@pytest.mark.parametrize(
    ("commands", "wanted"),
    [
        (("MULTI", "GET rq:x", "EXEC"), (LONG.encode(),)),
        (("MULTI", "SET rq:z 1", "STRLEN rq:x", "EXEC"), (b"OK", len(LONG))),
        (("WATCH rq:x", "MULTI", "GET rq:x", "EXEC"), (LONG.encode(),)),
        (("KEYS rq:*",), (b"rq:y", b"rq:x")),
        (("SCAN 0 MATCH rq:*",), (b"0", (b"rq:y", b"rq:x"))),
        (("DBSIZE",), 2),
        (("GET rq:x",), LONG.encode()),
    ],
)
def test_read_2_shows_what_two_others_have_acknowledged_whatever_reads(
    stage: Stage, commands: tuple[str, ...], wanted: object
) -> None:
    keep_from(stage, 1)
    client = Client(stage, 1)
    stage.scheduler.after(100_000, stage.cluster.network.holes.clear)
    assert client.send(*commands)[-1] == wanted


def test_where_too_few_answer_a_transaction_that_reads_is_refused_and_nothing_was_written(stage: Stage) -> None:
    keep_from(stage, 1)
    began_us = stage.now_us
    refused = Client(stage, 1).send("MULTI", "SET rq:z 1", "GET rq:x", "EXEC")[-1]
    assert isinstance(refused, str)
    assert refused.startswith("CLUSTERDOWN")
    assert "nothing was written" in refused
    assert stage.now_us - began_us < 2_000_000
    stage.cluster.network.holes.clear()
    stage.run(1_000_000)
    assert [stage.ask(node, "EXISTS", "rq:z").reply for node in (1, 2, 3)] == [0, 0, 0]


def test_a_transaction_that_only_writes_asks_nobody(stage: Stage) -> None:
    keep_from(stage, 1)
    assert Client(stage, 1).send("MULTI", "SET rq:z 1", "INCR rq:n", "EXEC")[-1] == (b"OK", 1)


def test_commands_behind_one_that_asks_do_not_overtake_it(stage: Stage) -> None:
    replies = Client(stage, 1).send("SET rq:a 1", "MULTI", "GET rq:a", "EXEC", "SET rq:a 2", "DBSIZE", "DEL rq:a rq:x")
    assert replies == [b"OK", b"OK", b"QUEUED", (b"1",), b"OK", 2, 2]


def test_a_transaction_that_waits_for_answers_is_refused_when_a_fence_comes(stage: Stage) -> None:
    node = stage.cluster.processes[NodeId(1)].node
    assert node is not None
    replica = node.replicas[stage._shard("rq")]
    keep_from(stage, 1)
    asked = Client(stage, 1)
    stage.scheduler.after(50_000, lambda: replica.refuse_fenced(lambda unit: "it is fenced" if unit.parts else None))
    refused = asked.send("MULTI", "SET rq:z 1", "GET rq:x", "EXEC")[-1]
    assert isinstance(refused, str)
    assert "it is fenced; nothing was written" in refused
    stage.cluster.network.holes.clear()
    stage.run(1_000_000)
    assert stage.ask(1, "EXISTS", "rq:z").reply == 0
