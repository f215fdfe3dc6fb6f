"""LAB at one node reaches the others, whatever is cut, and says when it has."""

import asyncio
from collections import deque
from collections.abc import Callable

import pytest

from trilemma.lab import desk as desk_module
from trilemma.lab.desk import Desk

NAMES = {1: "n1", 2: "n2", 3: "n3"}


class Cluster:
    """Three desks, and the control messages between them."""

    def __init__(self) -> None:
        self.wire: deque[tuple[int, int, bytes]] = deque()
        self.joined: set[int] = {1, 2, 3}
        self.desks = {node: self.new(node) for node in NAMES}

    def new(self, node: int, draw: Callable[[], float] = lambda: 0.5) -> Desk:
        desk = Desk(node, NAMES, draw)
        desk.start(
            lambda peer, message: self.wire.append((node, peer, message)),
            lambda: [peer for peer in NAMES if peer != node and {peer, node} <= self.joined],
        )
        return desk

    def deliver(self) -> None:
        while self.wire:
            source, target, message = self.wire.popleft()
            if {source, target} <= self.joined:
                self.desks[target].told(source, message)

    def lab(self, node: int, line: str) -> list[bytes]:
        replies: list[bytes] = []
        self.desks[node].answer([b"LAB", *line.encode().split()], 2, replies.append)
        return replies

    def status(self, node: int) -> bytes:
        return self.lab(node, "STATUS")[0]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def on_loop(body: Callable[[], None]) -> None:
    async def main() -> None:
        body()

    asyncio.run(main())


def test_a_command_holds_at_every_node_when_it_is_answered(cluster: Cluster) -> None:
    def body() -> None:
        replies = cluster.lab(1, "CUT n3")
        assert cluster.desks[1].fate(1, 3) is None
        assert replies == []
        cluster.deliver()
        assert replies == [b"+OK\r\n"]
        for desk in cluster.desks.values():
            assert desk.fate(3, 2) is None
            assert desk.is_cut(2, 3)
            assert desk.fate(1, 2) == 0.0
        assert cluster.status(3) == b"*2\r\n$9\r\nCUT n1-n3\r\n$9\r\nCUT n2-n3\r\n"

    on_loop(body)


def test_the_node_that_is_cut_off_can_heal_the_cluster(cluster: Cluster) -> None:
    def body() -> None:
        cluster.lab(1, "CUT n3")
        cluster.deliver()
        assert cluster.lab(3, "HEAL") == []
        cluster.deliver()
        assert [cluster.status(node) for node in NAMES] == [b"*0\r\n"] * 3

    on_loop(body)


def test_a_lossy_link_loses_by_the_draw_and_a_slow_one_delays() -> None:
    cluster = Cluster()
    drawn = iter([0.05, 0.15, 0.05])
    desk = cluster.desks[1] = cluster.new(1, lambda: next(drawn))

    def body() -> None:
        cluster.lab(1, "LOSS n1>n2 10%")
        cluster.lab(1, "SLOW n1-n3 80ms")
        assert desk.fate(1, 2) is None
        assert desk.fate(1, 2) == 0.0
        assert desk.fate(1, 3) == 0.08
        assert not desk.is_cut(1, 2)

    on_loop(body)


def test_a_node_that_connects_later_is_told_the_rules_and_one_that_starts_anew_takes_them_up(cluster: Cluster) -> None:
    def body() -> None:
        cluster.joined = {1, 2}
        replies = cluster.lab(1, "CUT n1-n2")
        cluster.deliver()
        assert replies == [b"+OK\r\n"]
        cluster.joined = {1, 2, 3}
        cluster.desks[3] = cluster.new(3)
        cluster.desks[3].joined(1)
        cluster.desks[1].joined(3)
        cluster.deliver()
        assert cluster.desks[3].is_cut(1, 2)

    on_loop(body)


def test_the_newest_table_wins_whoever_tells_it(cluster: Cluster) -> None:
    def body() -> None:
        cluster.lab(1, "CUT n1-n2")
        stale = cluster.wire[0]
        cluster.deliver()
        cluster.lab(2, "HEAL")
        cluster.deliver()
        cluster.wire.append(stale)
        cluster.deliver()
        assert [cluster.status(node) for node in NAMES] == [b"*0\r\n"] * 3

    on_loop(body)


def test_of_two_commands_at_once_one_holds_everywhere_and_the_other_is_told_so(cluster: Cluster) -> None:
    def body() -> None:
        first, second = cluster.lab(1, "CUT n1-n2"), cluster.lab(3, "SLOW n2>n3 5ms")
        cluster.deliver()
        assert cluster.status(1) == cluster.status(2) == cluster.status(3)
        assert cluster.status(2) == b"*1\r\n$14\r\nSLOW n2>n3 5ms\r\n"
        assert first == [b"-ERR overwritten by a LAB command at n3 at the same moment\r\n"]
        assert second == [b"+OK\r\n"]

    on_loop(body)


def test_a_node_that_does_not_confirm_is_named(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "CONFIRM_MS_MAX", 5)

    async def main() -> None:
        replies = cluster.lab(1, "CUT n3")
        cluster.wire = deque(message for message in cluster.wire if message[1] != 3)
        cluster.deliver()
        async with asyncio.timeout(10):
            while not replies:
                await asyncio.sleep(0.001)
        assert replies == [b"+OK, but n3 has not confirmed yet\r\n"]

    asyncio.run(main())


def test_words_that_make_no_command_are_answered_and_change_nothing(cluster: Cluster) -> None:
    assert cluster.lab(1, "CUT n9")[0].startswith(b"-ERR 'n9' names no node")
    assert cluster.lab(1, "HELP")[0].startswith(b"*6\r\n")
    assert not cluster.wire


def test_a_control_message_that_does_not_decode_is_left_alone(cluster: Cluster) -> None:
    for message in (b"", b"\xff", b"\x93\x01\x02\x03", b"\x92\x01\x91\x01"):
        cluster.desks[1].told(2, message)
    assert cluster.status(1) == b"*0\r\n"
    assert not cluster.wire
