"""The three letters, from the recorded history: C by a checker, A by counting, P by what was cut and when."""

from collections.abc import Mapping, Sequence

from trilemma.check.causal import check_causal
from trilemma.check.convergence import CHECKER as CONVERGENCE
from trilemma.check.convergence import check_convergence
from trilemma.check.history import Operation
from trilemma.check.lost import check_lost_writes
from trilemma.check.receipt import Terms, check_receipts, plainly
from trilemma.check.receipt_position import EXPLAINED
from trilemma.check.register import check_register
from trilemma.check.stale import STALE, check_stale
from trilemma.check.verdict import Verdict, unknown
from trilemma.demo.scene import KEYSPACES, NODES, Phase

WRITTEN = {"bank": 2, "ledger": 3, "site": 3}
"""On how many replicas what a keyspace has acknowledged is."""


def consistency(
    histories: Mapping[str, Sequence[Operation]], finals: Mapping[str, Sequence[Operation]]
) -> list[tuple[str, Verdict]]:
    """Return for each keyspace the verdict on its promise, and on what it had acknowledged.

    READONLY reads are held against what was current at some time on `cp`, and on `ca` against the newest.
    """
    found: list[tuple[str, Verdict]] = []
    for name, mode in KEYSPACES.items():
        if mode == "ap":
            found.append((name, check_causal([*histories[name], *finals[name]])))
            continue
        done = _done(histories[name], mode)
        fresh = [each for each in done if not each.kind.startswith(STALE)]
        found.append((name, check_register([*fresh, *finals[name]])))
        found.append((name, check_lost_writes(fresh, finals[name])))
        if mode == "cp":
            found.append((name, check_stale(done)))
        found.append((name, check_receipts(histories[name], Terms(len(NODES), WRITTEN[name], frozenset(NODES)))))
    return found


def _done(operations: Sequence[Operation], mode: str) -> list[Operation]:
    """Return what was done to registers, without receipts; where READONLY changes nothing, its reads are reads."""
    done = [*plainly(operations), *(each for each in operations if each.kind.startswith(STALE))]
    return done if mode == "cp" else [each._replace(kind=each.kind.removeprefix(STALE)) for each in done]


def convergence(digests: Mapping[str, Mapping[str, str]]) -> Verdict:
    """Return whether all replicas hold the same, of every keyspace and at every node."""
    for name in KEYSPACES:
        away = [node for node in NODES if node not in digests.get(name, {})]
        if away:
            return unknown(CONVERGENCE, f"no digest of {name} at {', '.join(away)}")
    return check_convergence(digests)


def availability(
    phases: Sequence[Phase], histories: Mapping[str, Sequence[Operation]]
) -> list[tuple[str, str, str, float, int]]:
    """Return (phase, keyspace, side, share answered, requests) of requests to live nodes."""
    found = []
    for phase in phases:
        for name in KEYSPACES:
            for side, nodes in (("n1 n2", ("n1", "n2")), ("n3", ("n3",))):
                if phase.kind == "down" and side == "n3":
                    continue
                chosen = [
                    each
                    for each in histories[name]
                    if each.node in nodes
                    and not each.kind.removeprefix(EXPLAINED).startswith(STALE)
                    and phase.from_us <= each.invoke_us
                    and (each.complete_us or 0) <= phase.until_us
                ]
                ok = sum(each.outcome == "ok" for each in chosen)
                found.append((phase.name, name, side, ok / len(chosen) if chosen else 0.0, len(chosen)))
    return found
