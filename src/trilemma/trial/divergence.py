"""Convergence of `ap`: many different writes on both sides of a cut, and how long after healing all replicas agree.

Every node is asked to say when it holds all that either side wrote (CAP WAIT), then for its digest. To ask for digests
over and over instead would be to measure oneself: a digest reads every row, on the cores on which the writes arrive.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import redis

from trilemma.client.processes import ProcessCluster
from trilemma.trial.report import Report, send_pairs

AGREE_S_MAX = 2.0
GIVE_UP_S = 60.0
BATCH = 500
SHARED = 2
"""Each side writes every second key in common with the other, and each other one alone."""


@dataclass(frozen=True, slots=True)
class _Agreement:
    """What one node said after the heal."""

    held_s: float
    """After how many seconds it held what all tokens name."""

    digested_s: float
    """After how many seconds its digest, asked for then, was read."""

    is_held: bool
    digests: set[bytes]


def divergence(writes: int, say: Callable[[str], None] = lambda text: None) -> Report:
    """Write `writes` on each side of a cut; half of the keys are written on both."""
    report = Report("divergence")
    with ProcessCluster() as cluster:
        cluster.create("shop", "ap")
        cluster.command("n1", "LAB", "CUT", "n3")
        tokens = []
        for node in ("n1", "n3"):
            began = time.monotonic()
            tokens.append(_write(cluster, node, writes))
            say(f"{writes} writes at {node} in {time.monotonic() - began:.1f} s")
        report.require(len(cluster.digests("shop")) > 1, "the sides did not diverge")
        cluster.command("n1", "LAB", "HEAL")
        healed = time.monotonic()
        with ThreadPoolExecutor(len(cluster.names)) as pool:
            found = list(pool.map(lambda node: _agreement(cluster, node, tokens, healed), cluster.names))
    digested_s = max(each.digested_s for each in found)
    report.figures |= {
        "writes a side": writes,
        "seconds until every node holds all": round(max(each.held_s for each in found), 2),
        "seconds until equal digests": round(digested_s, 2),
    }
    report.require(all(each.is_held for each in found), f"after {GIVE_UP_S:.0f} s some node does not hold all")
    report.require(len({digest for each in found for digest in each.digests}) == 1, "the digests differ")
    report.require(digested_s <= AGREE_S_MAX, f"the replicas agree later than after {AGREE_S_MAX} s")
    return report


def _write(cluster: ProcessCluster, node: str, writes: int) -> bytes:
    """Write at one node; return the token of the session that wrote."""
    with cluster.client(node, single_connection_client=True) as client:
        for start in range(0, writes, BATCH):
            numbers = range(start, min(start + BATCH, writes))
            send_pairs(
                client, {f"shop:{'both' if each % SHARED else node}:{each}": f"{node}={each}" for each in numbers}
            )
        token: bytes = client.execute_command("CAP", "TOKEN")
        return token


def _agreement(cluster: ProcessCluster, node: str, tokens: Sequence[bytes], healed: float) -> _Agreement:
    """Wait until a node holds what tokens name, then ask for its digest; `healed` is when the cut was."""
    with cluster.client(node, single_connection_client=True, socket_timeout=2 * GIVE_UP_S) as client:
        is_held = all(_waits(client, token) for token in tokens)
        held_s = time.monotonic() - healed
    digests = cluster.digests("shop", [node])
    return _Agreement(held_s, time.monotonic() - healed, is_held, digests)


def _waits(client: redis.Redis, token: bytes) -> bool:
    """Wait until a node holds what a token names; return False where it does not in time."""
    try:
        client.execute_command("CAP", "WAIT", token, int(GIVE_UP_S * 1e3))  # type: ignore[no-untyped-call]
    except redis.ResponseError:
        return False
    return True
