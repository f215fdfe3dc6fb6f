"""SHUTDOWN hands over and ends the node; SHUTDOWN ABORT calls all of it off, as in Redis 7.0."""

import pytest

from stage import Stage
from trilemma.base.ids import ConnId
from trilemma.resp.decode import ReplyDecoder
from trilemma.sim.client import plain
from trilemma.sim.solo import SoloNode, request

ABORTED = "ERR Errors trying to SHUTDOWN. Check logs."


class Client:
    """A client of n1 that keeps its connection."""

    def __init__(self, stage: Stage) -> None:
        self.replies: list[object] = []
        self.is_lost = False
        self._stage = stage
        self._decoder = ReplyDecoder()
        conn = stage.cluster.connect(1, self)
        assert conn is not None
        self.conn = conn

    def send(self, *words: str) -> "Client":
        self._stage.cluster.send(self.conn, request(*words))
        return self

    def receive(self, conn: ConnId, data: bytes) -> None:
        self._decoder.feed(data)
        self.replies += [plain(reply) for reply in self._decoder.replies()]

    def lost(self, conn: ConnId) -> None:
        self.is_lost = True


@pytest.fixture
def stage() -> Stage:
    """n1 leads everything, and is about to find nobody to hand it over to."""
    stage = Stage()
    stage.lead(1)
    stage.cut_off(1)
    return stage


def turn(stage: Stage) -> None:
    """Let what was sent arrive, and be answered."""
    stage.run(20_000)


def is_running(stage: Stage) -> bool:
    return stage.cluster.processes[1].node is not None


def test_abort_answers_those_who_asked_for_it_and_they_are_served_on(stage: Stage) -> None:
    asker = Client(stage).send("SHUTDOWN").send("PING")
    second = Client(stage).send("SHUTDOWN", "NOSAVE")
    turn(stage)
    assert asker.replies == second.replies == []
    other = Client(stage).send("SHUTDOWN", "ABORT")
    turn(stage)
    assert other.replies == [b"OK"]
    assert asker.replies == [ABORTED, b"PONG"]
    assert second.replies == [ABORTED]
    stage.run(3_000_000)
    assert is_running(stage)
    assert not asker.is_lost
    assert other.send("SHUTDOWN", "ABORT")
    turn(stage)
    assert other.replies[1:] == ["ERR No shutdown in progress."]


def try_again(stage: Stage) -> None:
    """Let n1 lead once more, and find nobody to hand it over to, long after its first shutdown."""
    stage.heal()
    stage.run(2_000_000)
    assert is_running(stage)
    stage.lead(1)
    stage.cut_off(1)


def test_a_second_shutdown_after_an_abort_takes_its_own_time_and_ends_the_node(stage: Stage) -> None:
    asker = Client(stage).send("SHUTDOWN")
    turn(stage)
    Client(stage).send("SHUTDOWN", "ABORT")
    turn(stage)
    try_again(stage)
    asker.send("SHUTDOWN")
    turn(stage)
    assert is_running(stage)
    stage.heal()
    stage.run(1_000_000)
    assert not is_running(stage)
    assert (asker.replies, asker.is_lost) == ([ABORTED], True)


def test_a_signal_is_called_off_and_may_come_again(stage: Stage) -> None:
    stage.cluster.processes[1].give(lambda node: node.begin_shutdown())
    turn(stage)
    client = Client(stage).send("SHUTDOWN", "ABORT")
    turn(stage)
    assert client.replies == [b"OK"]
    try_again(stage)
    stage.cluster.processes[1].give(lambda node: node.begin_shutdown())
    turn(stage)
    assert is_running(stage)
    stage.heal()
    stage.run(1_000_000)
    assert not is_running(stage)


def test_what_was_handed_over_may_be_taken_back_after_an_abort() -> None:
    stage = Stage()
    stage.lead(1)
    asker, other = Client(stage).send("SHUTDOWN"), Client(stage)
    # Transfers have begun, and are not over yet.
    stage.run(500)
    other.send("SHUTDOWN", "ABORT")
    stage.run(300_000)
    assert (asker.replies, other.replies, is_running(stage)) == ([ABORTED], [b"OK"], True)
    assert not stage.leads(1, "bank")
    stage.lead(1)
    assert stage.ask(1, "SET", "bank:k", "v").reply == b"OK"


def test_who_is_gone_or_killed_while_its_shutdown_is_under_way_ends_nothing(stage: Stage) -> None:
    gone, killed = Client(stage).send("SHUTDOWN"), Client(stage).send("SHUTDOWN")
    turn(stage)
    stage.cluster.hang_up(gone.conn)
    other = Client(stage).send("CLIENT", "KILL", "ID", str(killed.conn))
    turn(stage)
    assert (killed.replies, killed.is_lost) == ([], True)
    other.send("SHUTDOWN", "ABORT")
    turn(stage)
    assert other.replies == [1, b"OK"]


def test_abort_comes_too_late_once_the_node_has_handed_over() -> None:
    solo = SoloNode()
    one, other = solo.connect(), solo.connect()
    assert solo.send(one, request("SHUTDOWN")) == b""
    assert one in solo.closed
    assert solo.send(other, request("SHUTDOWN", "ABORT")) == b""
    assert other in solo.closed


def test_abort_goes_with_no_other_word() -> None:
    solo = SoloNode()
    conn = solo.connect()
    assert solo.send(conn, request("SHUTDOWN", "ABORT", "NOW")) == b"-ERR syntax error\r\n"
    assert solo.send(conn, request("SHUTDOWN", "abort", "ABORT")) == b"-ERR No shutdown in progress.\r\n"
