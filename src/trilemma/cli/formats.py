"""The page of formats: every encoding that reaches a disk or a peer, with versions and fields as the code has them."""

from collections.abc import Iterator
from typing import Any

from trilemma.cli import formats_text as text
from trilemma.cli.layouts import (
    ENTRY,
    GROUP,
    ONCE_VALUE,
    PEER_FRAME,
    PLAIN_VALUE,
    RECORD,
    ROW_HEAD,
    SEGMENT,
    Layout,
    fields_of,
    messages_of,
)
from trilemma.cli.page import HEADER, table
from trilemma.cluster.messages import Forward, ForwardReply, Status
from trilemma.keyspace.catalogue import CatalogueState, Change, Prepared
from trilemma.keyspace.settings import Keyspace
from trilemma.lab.desk import Following, Rules
from trilemma.node.applied import Applied, Label
from trilemma.node.unit import Unit
from trilemma.node.wire import Frame
from trilemma.replication.leaderless.messages import LeaderlessMessage
from trilemma.replication.leaderless.record import LeaderlessState
from trilemma.replication.port import EntryKind, Reflected
from trilemma.replication.raft.configuration import Configuration
from trilemma.replication.raft.messages import RaftMessage
from trilemma.replication.raft.settings import Settings
from trilemma.replication.raft.state import ShardState
from trilemma.replication.transfer import TransferMessage
from trilemma.runtime import directory, handshake, known_disks
from trilemma.runtime.founding import Founding
from trilemma.runtime.framing import Kind
from trilemma.storage import rowkey
from trilemma.storage.port import RecordKind


def _layouts(*layouts: tuple[Layout, str]) -> str:
    rows = ((layout.name, layout.text, behind) for layout, behind in layouts)
    return table(("part", "fields", "behind it"), rows)


def _structs(*structs: tuple[str, str, type[Any]]) -> str:
    return table(("what", "encoded as", "fields"), ((name, how, fields_of(kind)) for name, how, kind in structs))


def _messages(union: Any) -> str:
    return table(("tag", "message", "fields", "what it says"), messages_of(union))


def _records() -> Iterator[tuple[object, ...]]:
    yield RecordKind.NODE.value, "reserved: never written", "–"
    yield RecordKind.SHARD_STATE.value, "a shard's state on `cp`, `ca`", f"map: {fields_of(ShardState)}"
    yield "", "on `ap`", f"map: {fields_of(LeaderlessState)}"
    yield RecordKind.ENTRY.value, "a Raft entry at `index` of `term`; supersedes all at or above it", "see Raft entries"
    yield RecordKind.BATCH.value, "a leaderless batch: `stream` is the origin, `index` its sequence", "see Batches"
    switch = "`generation` int"
    yield (
        RecordKind.GENERATION.value,
        "a switch to another generation of rows, on `cp`, `ca`",
        (f"map: {fields_of(Label)}, {switch}, `term` int"),
    )
    yield "", "on `ap`", f"map: {switch}, `vector` {{int: int}}"


def _entries() -> Iterator[tuple[object, ...]]:
    bodies = {
        EntryKind.NOOP: "empty",
        EntryKind.COMMANDS: f"array of units, each an array: {fields_of(Unit)}",
        EntryKind.CONFIGURATION: f"array: {fields_of(Configuration)}",
        EntryKind.TICK: "empty",
        EntryKind.SETTINGS: f"map: {fields_of(Settings)}",
    }
    for kind in EntryKind:
        yield kind.value, kind.name, bodies[kind]


def _rows() -> Iterator[tuple[object, ...]]:
    yield rowkey.META, "META", "name", "see META rows"
    yield rowkey.KEY, "KEY", "place", f"`cp`, `ca`: {PLAIN_VALUE.text} payload; type 1 is a string. `ap`: the state"
    yield rowkey.EXPIRY, "EXPIRY", "deadline u64 in ms, place", "empty"
    yield rowkey.CLEARED, "CLEARED", "place; `ap`: the state has wholly cleared counter entries", "empty"
    yield rowkey.HIDDEN, "HIDDEN", "place; `ap`: the state has several SETs, hidden ones among them", "empty"
    yield (
        rowkey.ONCE,
        "ONCE",
        "db u8, token; `cp`, `ca`: CAP ONCE",
        (f"{ONCE_VALUE.text}, that reply (none: too long to keep), the RESP3 reply where it differs"),
    )
    yield rowkey.AGE, "AGE", "log time u64 in ms, db u8, token; `cp`, `ca`: tokens by age", "empty"


def _meta() -> Iterator[tuple[object, ...]]:
    yield "`applied`", "`cp`, `ca`: what the rows reflect", f"array: {fields_of(Applied)}"
    yield (
        "`applied`",
        "`ap`: what the rows reflect, and a stamp that nothing in it exceeds",
        (f"array: {fields_of(Reflected)}"),
    )
    yield "`count`, db u8", "how many keys the db has", "u64"
    yield "`gone`, bucket u16", "`cp`, `ca`: the newest version at which a key of the bucket vanished, for WATCH", "u64"
    yield "`flushed`", "`cp`, `ca`: the version of the newest flush", "u64"
    yield "`once`", "`cp`, `ca`: tokens, and their bytes", "u64, u64"
    yield "`catalogue`", "`_system`: the catalogue", f"map: {fields_of(CatalogueState)}"


def _frame_kinds() -> Iterator[tuple[object, ...]]:
    what = {
        Kind.HANDSHAKE: "a message of the handshake",
        Kind.NODE: "a frame of the node; faults of the lab apply",
        Kind.CONTROL: "a message of the lab, between shells; faults do not apply",
    }
    for kind in Kind:
        yield kind.value, what[kind]


def formats() -> str:
    """Return the page of formats."""
    return "\n".join(
        [HEADER, "# Formats: bytes on disk and wire\n", text.INTRO, *_log(), *_disk(), *_wire(), text.TOKENS]
    )


def _log() -> Iterator[str]:
    yield text.SEGMENTS
    yield _layouts((SEGMENT, "groups, then zeros"), (GROUP, "records"), (RECORD, "the body"))
    yield from (text.SEGMENTS_RULES, text.RECORDS, table(("kind", "record", "body"), _records()))
    yield from (text.ENTRIES, _layouts((ENTRY, "the body")), table(("kind", "entry", "body"), _entries()))
    yield from (text.UNITS, _messages(Change), text.BATCHES)


def _disk() -> Iterator[str]:
    yield text.DIRECTORY
    yield _structs(
        ("`identity.json`", "map in JSON", directory.Identity),
        ("Founding", "map in JSON", Founding),
        ("of a peer in `peers.json`", "map in JSON", known_disks.KnownDisk),
    )
    yield from (text.DIRECTORY_RULES, text.ROWS, _layouts((ROW_HEAD, "by kind, see below")))
    yield table(("kind", "row", "key behind that", "value"), _rows())
    yield from (text.ROWS_VALUES, text.META, table(("name", "what", "value"), _meta()))
    yield _structs(("Keyspace", "map", Keyspace), ("Prepared", "map", Prepared))


def _wire() -> Iterator[str]:
    yield from (
        text.PEERS,
        _layouts((PEER_FRAME, "the body")),
        table(("kind", "body"), _frame_kinds()),
        text.PEERS_RULES,
    )
    yield _messages(handshake.Hello | handshake.Challenge | handshake.Proof | handshake.Refusal)
    yield from (text.FRAMES, _structs(("frame", "array", Frame)))
    for name, union in (
        ("Raft (1–39)", RaftMessage),
        ("Leaderless (40–69)", LeaderlessMessage),
        ("Transfer (70–79)", TransferMessage),
        ("Status and forwarded batches (80–99)", Status | Forward | ForwardReply),
    ):
        yield from (f"### {name}\n", _messages(union))
        if union is TransferMessage:
            yield from (text.TRANSFER_LABELS, _structs(("label", "map", Label), ("label of `ap`", "array", Reflected)))
    yield from ("### Lab (kind 3)\n", _messages(Rules | Following))
