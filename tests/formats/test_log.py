"""The log: segments, records of every kind, Raft entries and what they carry. Golden bytes, and back.

What becomes of torn and damaged segments: tests/storage/test_segment.py. Batches' operations: test_rows.py.
"""

from types import SimpleNamespace
from typing import Any, get_args

import pytest

from trilemma.base.ids import ShardId
from trilemma.keyspace.catalogue import Abort, Activate, Alter, Change, Prepare, decode_change, encode_change
from trilemma.keyspace.settings import Keyspace, Mode
from trilemma.node.applied import Label, decode_label, encode_label
from trilemma.node.causal_rows import decode_reflected
from trilemma.node.causal_switch import CausalSwitch
from trilemma.node.raft_switch import RaftSwitch
from trilemma.node.unit import Part, Path, Unit, Watch, decode_results, decode_units, encode_results, encode_units
from trilemma.replication.leaderless import record as leaderless
from trilemma.replication.leaderless.record import LeaderlessState
from trilemma.replication.port import Batch, EntryKind, Reflected
from trilemma.replication.raft import state as raft
from trilemma.replication.raft.configuration import Configuration, decode_configuration
from trilemma.replication.raft.entry import Header, body_of, decode_entry, encode_payload, header_of
from trilemma.replication.raft.settings import Settings, encode_settings, leases_set_by
from trilemma.replication.raft.state import ShardState
from trilemma.storage.generation import decode_generation
from trilemma.storage.port import LogRecord, RecordKind
from trilemma.storage.segment import (
    SEGMENT_HEADER_BYTES,
    Group,
    SegmentHeader,
    decode_header,
    decode_record,
    encode_group,
    encode_header,
    read_group,
)

SHARD = ShardId(1024)
SHOP = Keyspace(2, "shop", Mode.AP, (1, 2, 3), 1, "majority", "1", "everysec", 2_000)
ID = 0x0123456789ABCDEF
UNITS = {
    "a command": (
        Unit(Path.WRITE, 3, 2, [b"SET", b"k", b"v"]),
        "9700030293c403534554c4016bc401769090c2",
    ),
    "a transaction": (
        Unit(Path.WRITE, 0, 3, [], [Part(0, [b"INCR", b"n"]), Part(1, [b"GET", b"k"])], [Watch(0, b"n", -300)]),
        "970000039092920092c404494e4352c4016e920192c403474554c4016b919300c4016ed1fed4c2",
    ),
    "a read that keeps its place, with a receipt": (
        Unit(Path.LOGGED_READ, 0, 2, [b"GET", b"k"], explain=True),
        "9702000292c403474554c4016b9090c3",
    ),
}
RESULTS = {
    "replies": (
        [b"+OK\r\n", b":1\r\n"],
        "92c4052b4f4b0d0ac4043a310d0a",
    ),
    "an error for all of it": (
        b"-ERR no\r\n",
        "c4092d455252206e6f0d0a",
    ),
    "a watched key had changed": (
        None,
        "c0",
    ),
    "not executed": (
        False,
        "c2",
    ),
}
CHANGES = {
    "Prepare": (
        Prepare(SHOP, False),
        (
            "930189a2696402a46e616d65a473686f70a46d6f6465a26170a87265706c6963617393010203a673686172647301a577"
            "72697465a86d616a6f72697479a472656164a131aa6475726162696c697479a86576657279736563aa74696d656f7574"
            "5f6d73cd07d0c2"
        ),
    ),
    "Activate": (
        Activate(300),
        "9202cd012c",
    ),
    "Abort": (
        Abort(300),
        "9203cd012c",
    ),
    "Alter": (
        Alter(SHOP, ("write", "timeout_ms")),
        (
            "930489a2696402a46e616d65a473686f70a46d6f6465a26170a87265706c6963617393010203a673686172647301a577"
            "72697465a86d616a6f72697479a472656164a131aa6475726162696c697479a86576657279736563aa74696d656f7574"
            "5f6d73cd07d092a57772697465aa74696d656f75745f6d73"
        ),
    ),
}
RAFT_STATES = {
    "of cp and ca": (
        ShardState(8, 2, 300, 250, 6, 1_700_000_000_000, True, Configuration((1, 2), (3,))),
        (
            "88a47465726d08a9766f7465645f666f7202ac636f6d6d69745f696e646578cd012caa626173655f696e646578ccfaa9"
            "626173655f7465726d06a87374616d705f6d73cf0000018bcfe56800a66c6561736573c3ad636f6e6669677572617469"
            "6f6e929201029103"
        ),
    ),
    "of cp and ca, fresh": (
        ShardState(),
        (
            "88a47465726d00a9766f7465645f666f72c0ac636f6d6d69745f696e64657800aa626173655f696e64657800a9626173"
            "655f7465726d00a87374616d705f6d7300a66c6561736573c2ad636f6e66696775726174696f6ec0"
        ),
    ),
}
LEADERLESS_STATES = {
    "of ap": (
        LeaderlessState({1: 7, 2: 300}, {1: 6}, 111_411_200_000_000_001, 1_700_000_000_000, 1_700_000_000_040, None),
        (
            "86a6766563746f7282010702cd012ca764726f70706564810106a3686c63cf018bcfe568000001a96578706972795f6d"
            "73cf0000018bcfe56800a777616c6c5f6d73cf0000018bcfe56828a76669726d5f6d73c0"
        ),
    ),
    "of ap, by a guess": (
        LeaderlessState({}, {}, 0, 5, 6, 4),
        ("86a6766563746f7280a764726f7070656480a3686c6300a96578706972795f6d7305a777616c6c5f6d7306a76669726d5f6d7304"),
    ),
}


def test_a_segment_begins_with_these_bytes() -> None:
    golden = "5452494c4f470001000200000000000000030123456789abcdef000000000000004d530c2e82"
    header = SegmentHeader(3, ID, 77)
    assert encode_header(header).hex() == golden
    assert len(golden) == 2 * SEGMENT_HEADER_BYTES
    assert decode_header(bytes.fromhex(golden)) == header


def test_a_group_of_one_record_has_these_bytes() -> None:
    golden = (
        "012345670000002100000000000000058f3a82060300000400000000000000000000000009000000000000000700000004626f6479"
    )
    record = LogRecord(RecordKind.ENTRY, SHARD, 0, 9, 7, b"body")
    assert encode_group(ID, 5, [record]).hex() == golden
    assert read_group(bytes.fromhex(golden), 0, ID) == Group(0, len(golden) // 2, 5, [record])
    assert decode_record(bytes.fromhex(golden), 20) == record


def test_an_idle_marker_has_these_bytes() -> None:
    golden = "01234567000000000000000000001234a123646f"
    assert encode_group(ID, 0x1234, []).hex() == golden
    assert read_group(bytes.fromhex(golden), 0, ID) == Group(0, 20, 0x1234, [])


def test_the_numbers_of_records_and_entries_are_these() -> None:
    assert {kind.name: kind.value for kind in RecordKind} == {
        "NODE": 1,
        "SHARD_STATE": 2,
        "ENTRY": 3,
        "BATCH": 4,
        "GENERATION": 5,
    }
    assert {kind.name: kind.value for kind in EntryKind} == {
        "NOOP": 0,
        "COMMANDS": 1,
        "CONFIGURATION": 2,
        "TICK": 3,
        "SETTINGS": 4,
    }


# Raft


def test_a_raft_entry_begins_with_a_header_in_little_endian() -> None:
    golden = "010068e5cf8b01000008070605040302012b01000000000000756e697473"
    header = Header(EntryKind.COMMANDS, 1_700_000_000_000, 0x0102030405060708, 299)
    payload = bytes.fromhex(golden)
    assert encode_payload(header, b"units") == payload
    assert (header_of(payload), body_of(payload)) == (header, b"units")
    entry = decode_entry(300, 8, payload)
    assert entry == (300, 8, EntryKind.COMMANDS, 1_700_000_000_000, 0x0102030405060708, b"units")


@pytest.mark.parametrize("name", RAFT_STATES)
def test_the_state_of_a_raft_shard_has_these_bytes(name: str) -> None:
    state, golden = RAFT_STATES[name]
    record = raft.state_record(SHARD, state)
    assert record[:5] == (RecordKind.SHARD_STATE, SHARD, 0, 0, state.term)
    assert record.body.hex() == golden
    assert raft.decode_state(bytes.fromhex(golden)) == state


def test_the_switch_of_a_raft_shard_to_other_rows_has_these_bytes() -> None:
    label = Label(250, 6, 1_700_000_000_000, Configuration((1, 2, 3)), True)
    rows: Any = SimpleNamespace(overlay=SimpleNamespace(named_by=None, shard=SHARD))
    replica: Any = SimpleNamespace(term=8, await_install=lambda: None)
    record = RaftSwitch(replica, rows).prepare(3, encode_label(label))
    golden = (
        "87aa626173655f696e646578ccfaa9626173655f7465726d06a87374616d705f6d73cf0000018bcfe56800ad636f6e66"
        "696775726174696f6e929301020390a66c6561736573c3aa67656e65726174696f6e03a47465726d08"
    )
    assert record[:5] == (RecordKind.GENERATION, SHARD, 0, 0, 6)
    assert record.body.hex() == golden
    assert decode_generation(bytes.fromhex(golden)).generation == 3
    state = ShardState(8, None, 0, 250, 6, 1_700_000_000_000, True, Configuration((1, 2, 3)))
    assert raft.decode_state(bytes.fromhex(golden)) == state


def test_the_label_of_a_raft_shards_rows_has_these_bytes() -> None:
    label = Label(250, 6, 1_700_000_000_000, Configuration((1, 2, 3)), True)
    golden = (
        "85aa626173655f696e646578ccfaa9626173655f7465726d06a87374616d705f6d73cf0000018bcfe56800ad636f6e66"
        "696775726174696f6e929301020390a66c6561736573c3"
    )
    assert encode_label(label).hex() == golden
    assert decode_label(bytes.fromhex(golden)) == label


def test_the_body_of_a_configuration_has_these_bytes() -> None:
    configuration = Configuration((1, 2), (3,))
    assert configuration.encode().hex() == "929201029103"
    assert decode_configuration(bytes.fromhex("929201029103")) == configuration


@pytest.mark.parametrize(("leases", "golden"), [(True, "81a66c6561736573c3"), (False, "81a66c6561736573c2")])
def test_the_body_of_settings_has_these_bytes(leases: bool, golden: str) -> None:
    assert encode_settings(Settings(leases)).hex() == golden
    assert leases_set_by(bytes.fromhex(golden)) is leases


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_has_these_bytes(name: str) -> None:
    unit, golden = UNITS[name]
    assert encode_units([unit]).hex() == "91" + golden
    assert decode_units(bytes.fromhex("91" + golden)) == [unit]


@pytest.mark.parametrize("name", RESULTS)
def test_the_result_of_a_unit_has_these_bytes(name: str) -> None:
    result, golden = RESULTS[name]
    assert encode_results([result]).hex() == "91" + golden
    assert decode_results(bytes.fromhex("91" + golden)) == [result]


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_catalogue_has_these_bytes(name: str) -> None:
    change, golden = CHANGES[name]
    assert encode_change(change).hex() == golden
    assert decode_change(bytes.fromhex(golden)) == change


def test_every_change_of_the_catalogue_is_among_them() -> None:
    assert {type(change) for change, _ in CHANGES.values()} == set(get_args(Change))


# Leaderless


@pytest.mark.parametrize("name", LEADERLESS_STATES)
def test_the_state_of_a_leaderless_shard_has_these_bytes(name: str) -> None:
    state, golden = LEADERLESS_STATES[name]
    record = leaderless.state_record(SHARD, state)
    assert record[:5] == (RecordKind.SHARD_STATE, SHARD, 0, 0, 0)
    assert record.body.hex() == golden
    assert leaderless.decode_state(bytes.fromhex(golden)) == state


def test_a_batch_has_these_bytes() -> None:
    golden = "93cf018bcfe568000001810107c40a6f7065726174696f6e73"
    batch = Batch(2, 9, 111_411_200_000_000_001, {1: 7}, b"operations")
    record = LogRecord(RecordKind.BATCH, SHARD, 2, 9, 0, bytes.fromhex(golden))
    assert leaderless.record_of(SHARD, batch) == record
    assert leaderless.batch_of(record) == batch


def test_the_switch_of_a_leaderless_shard_to_other_rows_has_these_bytes() -> None:
    overlay = SimpleNamespace(named_by=None, shard=SHARD)
    replica: Any = SimpleNamespace(shard=SHARD, keeps_all=False)
    rows: Any = SimpleNamespace(overlay=overlay)
    label = bytes.fromhex("9282010702cd012ccf018bcfe568000001")
    assert decode_reflected(label) == Reflected({1: 7, 2: 300}, 111_411_200_000_000_001)
    record = CausalSwitch(replica, rows).prepare(3, label)
    golden = "82aa67656e65726174696f6e03a6766563746f7282010702cd012c"
    assert record == LogRecord(RecordKind.GENERATION, SHARD, 0, 0, 0, bytes.fromhex(golden))
    assert decode_generation(record.body).generation == 3
