"""The scene: what happens when, and what every keyspace must answer at every node then (the table of PROMISES §2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from trilemma.check.history import Operation

DETECTION_US = 1_000_000
"""The cut is known within this; before it a request may wait and end in any way."""

LEADERLESS_US = 2_000_000
"""After the loss of a leader writes go on within this."""

SERVED_US = 2_000_000
"""After healing everything serves again within this."""

LEASE_US = 1_500_000
"""A `ca` read may wait this long after the loss of the leader; a cut-off replica's lease ends within it."""

KEYSPACES = {"bank": "cp", "ledger": "cp", "site": "ca", "shop": "ap"}
SETTINGS = {"bank": (), "ledger": ("WRITE", "all"), "site": (), "shop": ()}


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the scene. `kind`: whole, cut (n3 has no links) or down (n3 was killed)."""

    name: str
    kind: str
    from_us: int
    until_us: int


class Row(NamedTuple):
    """One line of the promise, for one phase: who asks what where, what must come, what came."""

    phase: str
    keyspace: str
    request: str
    node: str
    expected: str
    answered: int
    refused: int
    uncertain: int
    p50_ms: float
    worst_ms: float
    holds: bool


SIDES = {"majority": ("n1", "n2"), "minority": ("n3",)}


def expected(keyspace: str, request: str, node: str, kind: str) -> tuple[str, int]:
    """Return what must come (`ok`, `refused`, `silent`), and how long after the phase began it must."""
    if kind == "whole":
        return "ok", SERVED_US
    cut_off = node == "n3"
    if kind == "down" and cut_off:
        return "silent", 0
    if keyspace == "shop":
        return "ok", 0
    if request == "stale_read":
        return "ok", DETECTION_US
    if request == "write" and keyspace in ("ledger", "site"):
        return "refused", LEASE_US
    if cut_off:
        return "refused", LEASE_US if keyspace == "site" else DETECTION_US
    return "ok", LEADERLESS_US


def judge_rows(phases: Iterable[Phase], operations: list[Operation]) -> list[Row]:
    """Return every row of the promise with what was measured; one that nothing exercised does not hold."""
    return [
        _row(phase, keyspace, request, node, operations)
        for phase in phases
        for keyspace, mode in KEYSPACES.items()
        for request in (("write", "read", "stale_read") if mode == "cp" else ("write", "read"))
        for node in ("n1", "n2", "n3")
    ]


def _row(phase: Phase, keyspace: str, request: str, node: str, operations: list[Operation]) -> Row:
    what, after_us = expected(keyspace, request, node, phase.kind)
    chosen = [
        each
        for each in operations
        if each.keyspace == keyspace
        and each.kind == request
        and each.node == node
        and phase.from_us + after_us <= each.invoke_us
        and each.complete_us is not None
        and each.complete_us <= phase.until_us
    ]
    counts = {outcome: sum(each.outcome == outcome for each in chosen) for outcome in ("ok", "fail", "info")}
    times_ms = sorted((each.complete_us - each.invoke_us) / 1_000 for each in chosen if each.complete_us is not None)
    holds = _holds(what, counts)
    middle = times_ms[len(times_ms) // 2] if times_ms else 0.0
    worst = times_ms[-1] if times_ms else 0.0
    return Row(
        phase.name, keyspace, request, node, what, counts["ok"], counts["fail"], counts["info"], middle, worst, holds
    )


def _holds(what: str, counts: dict[str, int]) -> bool:
    if what == "ok":
        return counts["ok"] > 0 and not counts["fail"] and not counts["info"]
    if what == "refused":
        return counts["fail"] > 0 and not counts["ok"] and not counts["info"]
    return counts["ok"] == 0
