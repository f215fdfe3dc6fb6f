"""The three letters, from the recorded history: C by a checker, A by counting, P by what was cut and when."""

from collections.abc import Mapping, Sequence

from trilemma.check.causal import check_causal
from trilemma.check.convergence import check_convergence
from trilemma.check.history import Operation
from trilemma.check.lost import check_lost_writes
from trilemma.check.register import check_register
from trilemma.check.verdict import Verdict
from trilemma.demo.scene import KEYSPACES, Phase

STALE = "stale_"


def consistency(
    histories: Mapping[str, Sequence[Operation]], finals: Mapping[str, Sequence[Operation]]
) -> list[tuple[str, Verdict]]:
    """Return for each keyspace the verdict on its promise, and on what it had acknowledged."""
    found: list[tuple[str, Verdict]] = []
    for name, mode in KEYSPACES.items():
        fresh = [each for each in histories[name] if not each.kind.startswith(STALE)]
        if mode == "ap":
            found.append((name, check_causal([*fresh, *finals[name]])))
        else:
            found.append((name, check_register([*fresh, *finals[name]])))
            found.append((name, check_lost_writes(fresh, finals[name])))
    return found


def convergence(digests: Mapping[str, Mapping[str, str]]) -> Verdict:
    """Return whether all replicas hold the same."""
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
                    and not each.kind.startswith(STALE)
                    and phase.from_us <= each.invoke_us
                    and (each.complete_us or 0) <= phase.until_us
                ]
                ok = sum(each.outcome == "ok" for each in chosen)
                found.append((phase.name, name, side, ok / len(chosen) if chosen else 0.0, len(chosen)))
    return found
