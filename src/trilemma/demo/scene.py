"""The scene: what happens when, and what every keyspace must answer at every node then (the table of PROMISES §2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from trilemma.check.history import Operation
from trilemma.check.receipt import NEWEST, promise
from trilemma.check.receipt_position import EXPLAINED, STALE

DETECTION_US = 1_000_000
"""The cut is known within this; before it a request may wait and end in any way."""

LEADERLESS_US = 2_000_000
"""After the loss of a leader writes go on within this."""

SERVED_US = 2_000_000
"""After healing everything serves again within this."""

LEASE_US = 1_500_000
"""A `ca` read may wait this long after the loss of the leader; a cut-off replica's lease ends within it."""

NODES = ("n1", "n2", "n3")
KEYSPACES = {"bank": "cp", "ledger": "cp", "site": "ca", "shop": "ap"}
SETTINGS = {"bank": (), "ledger": ("WRITE", "all"), "site": (), "shop": ()}

REQUESTS = {
    "cp": ("write", "read", "stale_read"),
    "ca": ("write", "read", "stale_read"),
    "ap": ("write", "read"),
}
"""What is asked of a keyspace, by its mode; a `stale_read` goes out on a READONLY connection."""

LABELS = {"cp": STALE, "ca": NEWEST}
"""What CAP EXPLAIN must say of a READONLY read, by mode."""

LED = ("bank", "ledger")
"""What n3 leads when it is cut off, and when it is killed."""

UNREACHED = "nobody listens at the node"
"""The result of a request for which no connection was to be had, so that nothing was sent."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the scene.

    `kind`: calm (nothing has happened yet), whole (after healing), cut (n3 has no links) or down (n3 was killed).
    `led`: the keyspaces of `LED` that n3 led when its fault struck.
    """

    name: str
    kind: str
    from_us: int
    until_us: int
    led: tuple[str, ...] = ()

    @property
    def is_fault(self) -> bool:
        """Whether n3 is away."""
        return self.kind in ("cut", "down")


class Row(NamedTuple):
    """One line of the promise, for one phase: who asks what where, what must come, what came.

    `labelled`: of the answers, how many bore the label that is due to them. The request `leader` stands for the
    condition that a fault strikes the leader: `answered` is then whether n3 led.
    """

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
    labelled: int = 0

    def describe(self) -> str:
        """Return what was due and what came, for people."""
        if self.request == "leader":
            return f"{self.phase}: {self.node} {'led' if self.holds else 'did not lead'} {self.keyspace}"
        came = f"{self.answered} ok, {self.refused} refused, {self.uncertain} uncertain"
        if self.request == "stale_read" and self.expected == "ok":
            came += f", {self.labelled} labelled as is due"
        return f"{self.phase}: {self.shown} on {self.keyspace} at {self.node}: expected {self.expected}, got {came}"

    @property
    def shown(self) -> str:
        """The request in words for people."""
        return "READONLY read" if self.request == "stale_read" else self.request


def expected(keyspace: str, request: str, node: str, kind: str) -> tuple[str, int]:
    """Return what must come (`ok`, `refused`, `silent`), and how long after the phase began it must."""
    if kind in ("calm", "whole"):
        return "ok", SERVED_US if kind == "whole" else 0
    cut_off = node == "n3"
    if kind == "down" and cut_off:
        return "silent", 0
    if keyspace == "shop":
        return "ok", 0
    if request == "stale_read" and keyspace != "site":
        return "ok", DETECTION_US
    if request == "write" and keyspace in ("ledger", "site"):
        return "refused", LEASE_US
    if cut_off:
        return "refused", LEASE_US if keyspace == "site" else DETECTION_US
    return "ok", LEADERLESS_US


def judge_rows(phases: Iterable[Phase], operations: list[Operation]) -> list[Row]:
    """Return every row of the promise with what was measured; one that nothing exercised does not hold."""
    rows = []
    for phase in phases:
        for keyspace, mode in KEYSPACES.items():
            if phase.is_fault and keyspace in LED:
                rows.append(_leader(phase, keyspace))
            rows += [_row(phase, keyspace, each, node, operations) for each in REQUESTS[mode] for node in NODES]
    return rows


def _leader(phase: Phase, keyspace: str) -> Row:
    led = keyspace in phase.led
    return Row(phase.name, keyspace, "leader", "n3", "leads", int(led), 0, 0, 0.0, 0.0, led)


def _row(phase: Phase, keyspace: str, request: str, node: str, operations: list[Operation]) -> Row:
    what, after_us = expected(keyspace, request, node, phase.kind)
    chosen = [
        each
        for each in operations
        if each.keyspace == keyspace
        and each.kind.removeprefix(EXPLAINED) == request
        and each.node == node
        and phase.from_us + after_us <= each.invoke_us
        and each.complete_us is not None
        and each.complete_us <= phase.until_us
    ]
    counts = {outcome: sum(each.outcome == outcome for each in chosen) for outcome in ("ok", "fail", "info")}
    times_ms = sorted((each.complete_us - each.invoke_us) / 1_000 for each in chosen if each.complete_us is not None)
    labels = [promise(each) == LABELS[each.mode] for each in chosen if _has_label(each)]
    holds = _came(what, chosen, counts)
    if request == "stale_read" and what == "ok":
        holds = holds and bool(labels) and all(labels)
    middle = times_ms[len(times_ms) // 2] if times_ms else 0.0
    worst = times_ms[-1] if times_ms else 0.0
    came = (counts["ok"], counts["fail"], counts["info"])
    return Row(phase.name, keyspace, request, node, what, *came, middle, worst, holds, sum(labels))


def _has_label(operation: Operation) -> bool:
    return operation.kind.startswith(EXPLAINED) and operation.outcome == "ok"


def _came(what: str, chosen: Sequence[Operation], counts: dict[str, int]) -> bool:
    """Say whether what came is what must, and came at all."""
    if what == "ok":
        return counts["ok"] > 0 and not counts["fail"] and not counts["info"]
    if what == "refused":
        return counts["fail"] > 0 and not counts["ok"] and not counts["info"]
    return bool(chosen) and all(each.outcome != "ok" and each.result in (None, UNREACHED) for each in chosen)
