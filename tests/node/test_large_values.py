"""Values of many MiB: a turn handles so many bytes of them, whatever is pipelined; replies keep their order.

Else links would fall while a node runs one turn: each command on such a value takes milliseconds.
"""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from stage import Stage
from trilemma.node import causal_execution, causal_intake, proposals
from trilemma.node.raft_shard import RaftShard
from trilemma.node.replies import REPLIES_AHEAD_BYTES
from trilemma.node.unit import VALUE_BYTES_PER_TURN
from trilemma.resp.decode import ReplyDecoder
from trilemma.sim.client import plain
from trilemma.sim.solo import request

MIB = 1 << 20
VALUE_BYTES = 3 * MIB
NEAR_ENOUGH = 4_096
"""Headers, keys, and what is counted beside values."""

TURN_BYTES_MAX = 2 * VALUE_BYTES_PER_TURN + VALUE_BYTES + NEAR_ENOUGH
"""Entries are applied whole: one may begin just below the bound, and itself hold one value more than that."""


class Pipeline:
    """A client that has sent several requests at once."""

    def __init__(self, stage: Stage, node: int, requests: list[bytes]) -> None:
        self.replies: list[Any] = []
        self._decoder = ReplyDecoder()
        self._stage = stage
        conn = stage.cluster.connect(node, self)
        assert conn is not None
        stage.cluster.send(conn, b"".join(requests))
        self._wanted = len(requests)

    def receive(self, _conn: int, data: bytes) -> None:
        self._decoder.feed(data)
        self.replies += [plain(reply) for reply in self._decoder.replies()]

    def lost(self, _conn: int) -> None:
        raise AssertionError("the connection broke")

    def wait(self) -> list[Any]:
        stage = self._stage
        stage.scheduler.run_until(stage.now_us + 10_000_000, lambda: len(self.replies) == self._wanted)
        assert len(self.replies) == self._wanted
        assert stage.cluster.failures == []
        return self.replies


def per_turn(stage: Stage, node: int, count: Callable[[Any], int]) -> list[int]:
    """Note from now on by how much a number of a node's grows in each turn."""
    made: Any = stage.cluster.processes[node].node
    ready, grown = made.ready, []

    def noted() -> Any:
        before = count(made)
        effects = ready()
        grown.append(count(made) - before)
        return effects

    made.ready = noted
    return grown


def handled(stage: Stage, keyspace: str) -> Callable[[Any], int]:
    """What a keyspace's shard has handled on a node."""
    shard = stage._shard(keyspace)
    return lambda made: made.replicas[shard]._rows.overlay.handled_bytes


def held_in_memory(stage: Stage, key: str, size: int) -> None:
    for node in (1, 2, 3):
        replica: Any = stage.cluster.processes[node].node.replicas[stage._shard(key.partition(":")[0])]  # type: ignore[union-attr]
        assert len(replica._rows.overlay.get(replica._rows.view._key(0, key.encode())) or b"") >= size


@pytest.fixture
def stage() -> Stage:
    made = Stage()
    made.lead(1)
    for keyspace in ("bank", "shop"):
        assert made.ask(1, "SET", f"{keyspace}:k", "x" * VALUE_BYTES).reply == b"OK"
    made.run(1_000_000)
    return made


WRITES = {
    "APPEND": lambda key, _: request("APPEND", key, "y"),
    "SETRANGE": lambda key, number: request("SETRANGE", key, str(VALUE_BYTES + number), "y"),
}


@pytest.mark.parametrize("command", list(WRITES))
@pytest.mark.parametrize("keyspace", ["bank", "shop"])
def test_pipelined_writes_of_a_large_value_are_spread_over_turns_on_every_node(
    stage: Stage, keyspace: str, command: str
) -> None:
    grown = [per_turn(stage, node, handled(stage, keyspace)) for node in (1, 2, 3)]
    key = f"{keyspace}:k"
    sent = Pipeline(stage, 1, [WRITES[command](key, number) for number in range(40)])
    assert sent.wait() == [VALUE_BYTES + number + 1 for number in range(40)]
    stage.run(1_000_000)
    held_in_memory(stage, key, VALUE_BYTES + 40)
    for turns in grown:
        assert sum(turns) >= 40 * VALUE_BYTES
    # What an `ap` node is sent holds whole values: the bound on what it receives covers that.
    assert all(max(turns) <= TURN_BYTES_MAX for turns in (grown if keyspace == "bank" else grown[:1]))


def test_other_clients_are_served_between_the_turns(stage: Stage) -> None:
    sent = Pipeline(stage, 1, [request("APPEND", "bank:k", "y") for _ in range(40)])
    other = stage.ask(1, "SET", "bank:other", "v")
    assert other.reply == b"OK"
    assert len(sent.replies) < 40
    assert sent.wait()[-1] == VALUE_BYTES + 40


def test_a_value_that_grows_within_the_pipeline_counts_as_it_has_become(stage: Stage) -> None:
    grown = per_turn(stage, 1, handled(stage, "bank"))
    sent = Pipeline(stage, 1, [request("APPEND", "bank:new", "y" * (MIB // 4)) for _ in range(32)])
    assert sent.wait() == [(number + 1) * MIB // 4 for number in range(32)]
    assert max(grown) <= 2 * VALUE_BYTES_PER_TURN + 8 * MIB + NEAR_ENOUGH
    Pipeline(stage, 1, [request("SETRANGE", f"bank:far{number}", str(VALUE_BYTES), "y") for number in range(20)]).wait()
    Pipeline(stage, 1, [request("SET", "bank:l", "x" * VALUE_BYTES), *[request("APPEND", "bank:l", "y")] * 20]).wait()
    Pipeline(stage, 1, [request("COPY", "bank:l", "bank:m"), *[request("APPEND", "bank:m", "y")] * 20]).wait()
    assert max(grown) <= 2 * VALUE_BYTES_PER_TURN + 8 * MIB + NEAR_ENOUGH


def test_a_transaction_is_not_torn_apart(stage: Stage) -> None:
    parts = [request("APPEND", "bank:k", "y")] * 8
    sent = Pipeline(stage, 1, [request("MULTI"), *parts, request("EXEC"), request("STRLEN", "bank:k")])
    assert sent.wait()[-2:] == [tuple(VALUE_BYTES + number + 1 for number in range(8)), VALUE_BYTES + 8]


def test_a_follower_that_comes_back_applies_entries_of_large_values_over_several_turns(stage: Stage) -> None:
    stage.cut_off(3)
    stage.run(2_000_000)
    for number in range(20):
        assert stage.ask(1, "APPEND", "bank:k", "y").reply == VALUE_BYTES + number + 1
    grown = per_turn(stage, 3, handled(stage, "bank"))
    stage.heal()
    stage.run(5_000_000)
    assert sum(grown) >= 20 * VALUE_BYTES
    assert max(grown) <= TURN_BYTES_MAX
    held_in_memory(stage, "bank:k", VALUE_BYTES + 20)


@pytest.mark.parametrize("keyspace", ["bank", "shop"])
def test_looking_at_a_large_value_copies_only_what_is_shown(stage: Stage, keyspace: str) -> None:
    key = f"{keyspace}:k"
    asked = [request("STRLEN", key), request("GETRANGE", key, "-2", "-1"), request("TTL", key), request("EXISTS", key)]
    Pipeline(stage, 1, asked).wait()
    grown = per_turn(stage, 1, handled(stage, keyspace))
    assert Pipeline(stage, 1, asked * 50).wait() == [VALUE_BYTES, b"xx", -1, 1] * 50
    assert sum(grown) < VALUE_BYTES


def test_a_glimpse_of_a_value_is_no_copy(stage: Stage) -> None:
    for keyspace in ("bank", "shop"):
        made: Any = stage.cluster.processes[1].node
        view = made.replicas[stage._shard(keyspace)]._rows.view
        first, second = (view.glimpse(0, f"{keyspace}:k".encode()) for _ in range(2))
        assert len(first) == VALUE_BYTES
        assert first.obj is second.obj


@pytest.mark.parametrize("keyspace", ["bank", "shop"])
def test_reads_of_many_large_values_from_the_engine_are_spread_over_turns(stage: Stage, keyspace: str) -> None:
    keys = [f"{keyspace}:{number}" for number in range(16)]
    for key in keys:
        assert stage.ask(1, "SET", key, "x" * VALUE_BYTES).reply == b"OK"
    stage.run(1_000_000)
    grown = per_turn(stage, 1, handled(stage, keyspace))
    assert Pipeline(stage, 1, [request("STRLEN", key) for key in keys]).wait() == [VALUE_BYTES] * 16
    assert sum(grown) >= 8 * VALUE_BYTES
    assert max(grown) <= TURN_BYTES_MAX


def test_replies_of_reads_that_are_answered_at_once_do_not_outgrow_what_a_client_may_have_ahead(stage: Stage) -> None:
    def made_bytes(node: Any) -> int:
        return sum(len(slot.data or b"") for session in node._server.sessions.values() for slot in session._slots)

    made: Any = stage.cluster.processes[2].node
    run, most = made._commands.dispatcher.run, []

    def noted(session: Any) -> None:
        run(session)
        most.append(made_bytes(made))

    made._commands.dispatcher.run = noted
    small = [request("READONLY"), *[request("GET", "bank:none")] * 100]
    sent = Pipeline(stage, 2, [*small, *[request("GET", "bank:k")] * 40])
    assert sent.wait()[-40:] == [b"x" * VALUE_BYTES] * 40
    assert max(most) <= REPLIES_AHEAD_BYTES + VALUE_BYTES + NEAR_ENOUGH


def test_an_ap_replica_makes_no_batches_faster_than_its_disk_takes_them(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(causal_intake, "UNDURABLE_BYTES_MAX", 2 * VALUE_BYTES)
    process = stage.cluster.processes[1]
    process.disk._options = stage.options = replace(stage.options, sync_us=50_000)
    made: Any = process.node
    written: list[int] = []
    append = process.disk.append

    def appended(write: Any) -> None:
        written.append(sum(len(record.body) for record in write.records))
        append(write)

    process.disk.append = appended  # type: ignore[method-assign]
    undurable: list[int] = []
    persisted = made.persisted

    def noted(token: int) -> None:
        undurable.append(sum(written))
        written.clear()
        persisted(token)

    made.persisted = noted
    sent = Pipeline(stage, 1, [request("APPEND", "shop:k", "y") for _ in range(12)])
    assert sent.wait() == [VALUE_BYTES + number + 1 for number in range(12)]
    assert sum(undurable) >= 12 * VALUE_BYTES
    assert max(undurable) <= 2 * (2 * VALUE_BYTES + VALUE_BYTES_PER_TURN + VALUE_BYTES)
    stage.run(3_000_000)
    held_in_memory(stage, "shop:k", VALUE_BYTES + 12)


def test_entries_that_are_handed_back_come_again_in_order(stage: Stage) -> None:
    shard = stage._shard("bank")
    replica = stage.cluster.processes[3].node.replicas[shard]  # type: ignore[union-attr]
    assert isinstance(replica, RaftShard)
    execution = replica._execution
    applied: list[int] = []
    apply = execution._apply

    def noted(entry: Any) -> None:
        applied.append(entry.index)
        apply(entry)

    execution._apply = noted  # type: ignore[method-assign]
    Pipeline(stage, 1, [request("APPEND", "bank:k", "y") for _ in range(30)]).wait()
    stage.run(1_000_000)
    assert len(applied) >= 10
    assert applied == list(range(applied[0], applied[0] + len(applied)))


@pytest.mark.parametrize(("keyspace", "part"), [("bank", proposals), ("shop", causal_execution)])
def test_what_was_not_begun_before_its_time_was_up_is_not_begun_any_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, keyspace: str, part: ModuleType
) -> None:
    monkeypatch.setattr(part, "VALUE_BYTES_PER_TURN", 1)
    key = f"{keyspace}:small"
    assert stage.ask(1, "SET", key, "xx").reply == b"OK"
    assert stage.ask(1, "KEYSPACE", "ALTER", keyspace, "TIMEOUT", "10").reply == b"OK"
    replies = Pipeline(stage, 1, [request("APPEND", key, "y") for _ in range(500)]).wait()
    done = [reply for reply in replies if isinstance(reply, int)]
    assert done == list(range(3, 3 + len(done)))
    assert all("may still take effect" in reply for reply in replies[len(done) :])
    stage.run(1_000_000)
    length = stage.ask(1, "STRLEN", key).reply
    assert 2 + len(done) <= length < 400
