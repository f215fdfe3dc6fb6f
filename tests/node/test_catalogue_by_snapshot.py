"""A node that gets the catalogue as rows of another one routes by it at once, and gives no id twice."""

from dataclasses import replace

import pytest

from stage import Stage
from trilemma.node.system_shard import SystemShard
from trilemma.resp.decode import ReplyDecoder
from trilemma.sim.client import plain
from trilemma.sim.options import Options
from trilemma.sim.solo import request


class ShortLogs(Stage):
    """A stage on which what rows hold is soon let go from the log."""

    @staticmethod
    def _options(seed: int, nodes: int) -> Options:
        return replace(Stage._options(seed, nodes), retained_bytes=1, segment_bytes=2_000)


class Client:
    """A connection that somebody else writes to."""

    def __init__(self, stage: Stage, node: int) -> None:
        self.replies: list[object] = []
        self._decoder = ReplyDecoder()
        conn = stage.cluster.connect(node, self)
        assert conn is not None
        self.conn = conn

    def receive(self, conn: int, data: bytes) -> None:
        self._decoder.feed(data)
        self.replies.extend(plain(reply) for reply in self._decoder.replies())

    def lost(self, conn: int) -> None:
        self.replies.append(None)


def system(stage: Stage, node: int) -> SystemShard:
    made = stage.cluster.processes[node].node
    assert made is not None
    return made._system


def leave_n3_behind(stage: Stage) -> None:
    """Create `fresh` without n3 hearing that it is activated, and let go what it would need to hear of it."""
    stage.begin(1, "KEYSPACE", "CREATE", "fresh", "MODE", "cp")
    stage.scheduler.run_until(stage.now_us + 100_000, lambda: "fresh" in system(stage, 1).catalogue.keyspaces)
    stage.cut_off(3)
    behind = system(stage, 3).raft.last_index
    for number in range(200):
        heir = 1 + number % 2
        system(stage, 3 - heir).hand_to(heir)
        for _ in range(20):
            stage.ask(1, "SET", "k", "v" * 100)
        stage.run(50_000)
        if min(system(stage, node).raft.first_needed for node in (1, 2)) > behind + 1:
            break
    assert min(system(stage, node).raft.first_needed for node in (1, 2)) > behind + 1
    assert "fresh" not in system(stage, 3).catalogue.keyspaces


def test_a_command_in_the_turn_in_which_the_catalogue_comes_as_rows_is_routed_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = ShortLogs()
    stage.lead(1)
    leave_n3_behind(stage)
    client = Client(stage, 3)
    stage.run(10_000)
    original = SystemShard._installed
    came: list[int] = []

    def installed(self: SystemShard) -> None:
        original(self)
        made = stage.cluster.processes[3].node
        if made is not None and made._system is self:
            came.append(self.catalogue.version)
            made.receive_client(client.conn, request("SET", "fresh:x", "v"))

    monkeypatch.setattr(SystemShard, "_installed", installed)
    stage.heal()
    stage.scheduler.run_until(stage.now_us + 5_000_000, lambda: bool(client.replies))
    assert came
    stage.until_ok(3, "SET", "fresh:y", "v")
    if client.replies == [b"OK"]:
        assert [stage.ask(node, "GET", "fresh:x").reply for node in (1, 2, 3)] == [b"v"] * 3
    assert stage.ask(1, "KEYSPACE", "DROP", "fresh").reply == b"OK"
    assert stage.ask(1, "GET", "fresh:x").reply is None, "nothing was left in another keyspace"


def test_a_node_that_got_the_catalogue_as_rows_gives_no_id_twice() -> None:
    stage = ShortLogs()
    stage.lead(1)
    leave_n3_behind(stage)
    stage.heal()
    stage.scheduler.run_until(stage.now_us + 5_000_000, lambda: "fresh" in system(stage, 3).catalogue.keyspaces)
    catalogues = [system(stage, node).catalogue for node in (1, 2, 3)]
    assert len({catalogue.next_id for catalogue in catalogues}) == 1
    system(stage, 1).hand_to(3)
    system(stage, 2).hand_to(3)
    stage.run(500_000)
    assert stage.ask(3, "KEYSPACE", "CREATE", "later", "MODE", "cp").reply == b"OK"
    ids = [keyspace.id for keyspace in system(stage, 3).catalogue.keyspaces.values()]
    assert len(set(ids)) == len(ids)
