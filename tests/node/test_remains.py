"""What a dropped keyspace leaves behind goes, rows and log, and never before a start would know that it was dropped."""

from copy import deepcopy

import pytest

from stage import Stage
from trilemma.base.ids import ShardId, shard_id
from trilemma.keyspace.catalogue import Activate, Catalogue, Prepare
from trilemma.keyspace.settings import Mode, make
from trilemma.node.machine import NOTHING_NEEDED, Node
from trilemma.node.remains import SHARDS_PER_STEP, Remains
from trilemma.node.shards import ShardFactory
from trilemma.node.system_shard import CATALOGUE
from trilemma.sim.solo import SoloNode, request
from trilemma.storage.memory import MemoryEngine
from trilemma.storage.port import LogRecord, RecordKind, Recovered, RowBatch
from trilemma.storage.rowkey import every_generation, meta_key, shard_range

MODES = ["cp", "ap", "ca"]
BIG: ShardId = shard_id(6, 0)
"""The shard of the keyspace that a stage creates next."""


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.lead(1)
    return stage


def node_of(stage: Stage, number: int) -> Node:
    made = stage.cluster.processes[number].node
    assert made is not None
    return made


def engine_of(stage: Stage, number: int) -> MemoryEngine:
    return stage.cluster.processes[number].disk.engine


def rows(engine: MemoryEngine, shard: ShardId = BIG) -> int:
    return len(engine.scan(*every_generation(shard), 1 << 30))


def fill(stage: Stage, mode: str) -> None:
    assert stage.ask(1, "KEYSPACE", "CREATE", "big", "MODE", mode).reply == b"OK"
    stage.until_ok(1, "SET", "big:0", "v")
    for number in range(1, 20):
        assert stage.ask(1, "SET", f"big:{number}", "v").reply == b"OK"
    stage.run(500_000)
    assert stage._shard("big") == BIG
    assert all(rows(engine_of(stage, number)) >= 20 for number in (1, 2, 3))


def drop(stage: Stage) -> None:
    assert stage.ask(1, "KEYSPACE", "DROP", "big").reply == b"OK"


@pytest.mark.parametrize("mode", MODES)
def test_the_rows_of_a_dropped_keyspace_go_on_every_node_and_no_others(stage: Stage, mode: str) -> None:
    fill(stage, mode)
    assert stage.ask(1, "SET", "bank:k", "v").reply == b"OK"
    drop(stage)
    stage.run(500_000)
    assert [rows(engine_of(stage, number)) for number in (1, 2, 3)] == [0, 0, 0]
    assert [rows(engine_of(stage, number), stage._shard("bank")) > 0 for number in (1, 2, 3)] == [True] * 3
    assert stage.ask(2, "GET", "bank:k").reply == b"v"


@pytest.mark.parametrize("mode", MODES)
def test_whatever_a_crash_leaves_of_the_rows_they_are_whole_or_known_to_be_dropped(stage: Stage, mode: str) -> None:
    fill(stage, mode)
    engine = engine_of(stage, 2)
    engine.flush()
    whole = rows(engine)
    drop(stage)
    stage.run(500_000)
    catalogue = meta_key(0, node_of(stage, 2)._system.generation, CATALOGUE)
    for batches in range(engine.unflushed + 1):
        left = deepcopy(engine)
        left.flush(batches)
        left.crash()
        row = left.get(catalogue)
        assert row is not None
        assert "big" not in Catalogue.decode(row).keyspaces or rows(left) >= whole


def test_rows_stay_while_the_engine_still_holds_the_catalogue_that_names_their_keyspace() -> None:
    solo = SoloNode()
    client = solo.connect()
    shard = shard_id(2, 0)
    for words in (("KEYSPACE", "CREATE", "big", "MODE", "ap"), ("SET", "big:1", "v")):
        assert solo.send(client, request(*words)) == b"+OK\r\n"
    kept = rows(solo.engine, shard)
    assert kept
    with pytest.MonkeyPatch.context() as patched:
        # A leader applies what a majority holds before its own disk does; its rows then wait for the log.
        patched.setattr(solo.node._system, "rows", lambda durable_token: None)
        assert solo.send(client, request("KEYSPACE", "DROP", "big")) == b"+OK\r\n"
        solo.run_until(solo.now.mono_us + 1_000_000)
        assert rows(solo.engine, shard) == kept
    solo.run_until(solo.now.mono_us + 1_000_000)
    assert rows(solo.engine, shard) == 0


@pytest.mark.parametrize("mode", MODES)
def test_a_start_finds_what_a_crash_between_drop_and_deletion_left(stage: Stage, mode: str) -> None:
    fill(stage, mode)
    engine_of(stage, 2).flush()
    drop(stage)
    stage.crash(2)
    assert rows(engine_of(stage, 2)) >= 20, "the crash lost the deletion"
    stage.heal()
    stage.run(1_000_000)
    assert rows(engine_of(stage, 2)) == 0
    assert stage.ask(2, "GET", "big:1").reply is None


@pytest.mark.parametrize("mode", MODES)
def test_no_log_segment_says_again_what_was_of_a_dropped_keyspace(stage: Stage, mode: str) -> None:
    fill(stage, mode)
    drop(stage)
    stage.run(500_000)
    stage.crash(2)
    stage.heal()
    found = stage.cluster.processes[2].disk.log.recover().records
    assert any(record.shard == BIG for record in found), "the log still holds some"
    stage.run(1_000_000)
    assert BIG not in node_of(stage, 2)._factory.unclaimed
    assert all(record.shard != BIG for record in node_of(stage, 2).restate())


def test_records_of_keyspaces_that_are_still_to_come_stay() -> None:
    catalogue = Catalogue.first((1,), Mode.CP)
    for index, drops in ((1, False), (3, True)):
        catalogue.apply(index, 0, Prepare(make(2, "gone", Mode.CP, (1,)), drops=drops))
        catalogue.apply(index + 1, 0, Activate(index))
    catalogue.apply(5, 0, Prepare(make(3, "prepared", Mode.CP, (1,)), drops=False))
    solo = SoloNode()
    records = [LogRecord(RecordKind.ENTRY, shard_id(keyspace, 0), 0, 1, 1, b"") for keyspace in (1, 2, 3, 4)]
    factory = ShardFactory(solo.config, Recovered(records, 1, []), solo.log, solo.engine, 1)
    factory.forget(catalogue)
    assert sorted(factory.unclaimed) == [shard_id(1, 0), shard_id(3, 0), shard_id(4, 0)]


def test_old_segments_of_a_dropped_keyspace_stay_until_no_crash_can_undo_the_drop() -> None:
    solo = SoloNode()
    system = solo.node._system
    assert solo.node._first_needed(BIG, 0) == NOTHING_NEEDED
    system._changed_index = system.durable_applied + 1
    assert solo.node._first_needed(BIG, 0) == 0


def test_many_that_an_earlier_version_left_behind_go_in_bounded_steps() -> None:
    solo = SoloNode()
    client = solo.connect()
    count = 3 * SHARDS_PER_STEP
    for number in range(2):
        solo.send(client, request("KEYSPACE", "CREATE", f"k{number}", "MODE", "cp"))
    system = solo.node._system
    system.catalogue._state.next_id += count
    solo.engine.write(RowBatch([(meta_key(0, system.generation, CATALOGUE), system.catalogue.encode())], (), ()))
    left = [shard_range(shard_id(number, 0), 7)[0] + b"row" for number in range(4, 4 + count)]
    solo.engine.write(RowBatch([(key, b"") for key in left], (), ()))
    remains = Remains(solo.engine, system)
    steps = 0
    while not steps or remains.wants_turn:
        remains.step()
        steps += 1
        assert sum(solo.engine.get(key) is not None for key in left) >= count - steps * SHARDS_PER_STEP
    assert steps == 4
    assert all(solo.engine.get(key) is None for key in left)
    assert all(rows(solo.engine, shard_id(number, 0)) for number in (1, 2, 3))
