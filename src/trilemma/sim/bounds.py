"""Bounds made tight: what no short schedule would reach is reached all the time (FoundationDB's buggified knobs).

Zhou et al., "FoundationDB: A Distributed Unbundled Transactional Key Value Store", SIGMOD 2021, §4.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from types import ModuleType

from trilemma.cluster import stream
from trilemma.node import (
    allowance,
    batch,
    causal_intake,
    donor,
    peers,
    proposals,
    raft_reads,
    raft_rows,
    reaper,
    replies,
    route,
)
from trilemma.node import log as node_log
from trilemma.replication.leaderless import delivery, early, retention, supply
from trilemma.replication.raft import log, replication, sender
from trilemma.sim.mutation import patched
from trilemma.storage import overlay

TIGHT: dict[str, tuple[ModuleType, str, int]] = {
    "raft tail": (log, "TAIL_BYTES_MAX", 300),
    "appends in flight": (replication, "APPENDS_IN_FLIGHT_MAX", 1),
    "append bytes in flight": (replication, "BYTES_IN_FLIGHT_MAX", 400),
    "appends per turn": (sender, "APPENDS_PER_TURN_MAX", 1),
    "batches in memory": (retention, "MEMORY_BYTES_MAX", 100),
    "batch bytes per read": (retention, "READ_BYTES_MAX", 150),
    "batch bytes per answer": (supply, "SEND_BYTES_MAX", 150),
    "early batches": (early, "EARLY_BATCHES_MAX", 2),
    "transfer chunk": (donor, "CHUNK_BYTES", 120),
    "transfer window": (donor, "WINDOW_CHUNKS", 1),
    "units per entry": (proposals, "UNITS_MAX", 2),
    "units per batch": (allowance, "UNITS_MAX", 2),
    "reply bytes per turn": (raft_reads, "REPLY_BYTES_PER_TURN", 60),
    "reply bytes per turn, ap": (allowance, "REPLY_BYTES_PER_TURN", 60),
    "keys reaped": (reaper, "REAP_KEYS_MAX", 1),
    "keys reaped by an entry": (raft_rows, "REAP_KEYS_MAX", 1),
    "replies ahead": (replies, "REPLIES_AHEAD_MAX", 2),
    "hot rows": (overlay, "HOT_ROWS_MAX", 4),
    "stream window": (stream, "STREAM_WINDOW", 2),
    "stream bytes": (stream, "STREAM_BYTES_MAX", 200),
    "forwarded bytes": (route, "UNIT_BYTES_PER_TURN", 200),
    "entry bytes": (proposals, "UNIT_BYTES_PER_TURN", 100),
    "transaction bytes per turn, ap": (allowance, "UNIT_BYTES_PER_TURN", 100),
    "value bytes per entry": (proposals, "VALUE_BYTES_PER_TURN", 40),
    "forwarded result bytes": (batch, "RESULT_BYTES_MAX", 100),
    "undurable bytes": (node_log, "UNDURABLE_BYTES_MAX", 4000),
    "undurable bytes, ap": (causal_intake, "UNDURABLE_BYTES_MAX", 2000),
    "arguments ahead": (replies, "ARGUMENTS_AHEAD_BYTES", 60),
    "frame bytes": (peers, "FRAME_BYTES", 400),
}
"""By name: where a bound stands, what it is called there, and how tight it is made."""

TIGHT_ALONE: dict[str, tuple[ModuleType, str, int]] = {
    "batch bytes delivered per turn": (delivery, "DELIVERED_BYTES_MAX", 60),
    "early batch bytes": (early, "EARLY_BYTES_MAX", 200),
}
"""Further ones of `ap`. Each is drawn for itself, so that other schedules stay what they were."""

ALL: dict[str, tuple[ModuleType, str, int]] = TIGHT | TIGHT_ALONE

ONE_BY_ONE = frozenset({"arguments ahead", "replies ahead", "stream bytes", "stream window"})
"""With one of these tight, what a client sends at once goes on its way one by one, each once another one is durable."""

BATCH_BY_BATCH = frozenset({"batch bytes per answer", "batch bytes per read"})
"""With one of these tight, who was away is sent a batch or two in each round trip: the more it lacks, the longer."""


def tightened(names: Iterable[str]) -> AbstractContextManager[None]:
    """Make some bounds tight while the block runs."""
    return patched([ALL[name] for name in names])
