"""A node that was away while very much was written comes back by a snapshot, and nobody's disk grows without bound."""

import time
from collections.abc import Callable

from trilemma.client.processes import ProcessCluster
from trilemma.trial.report import Report, patiently, seconds_until, send_pairs

BATCH = 2_000
KEYS = 100_000
GIVE_UP_S = 300.0
MIB = 1 << 20
KEYSPACES = {"bank": "cp", "shop": "ap"}


def absence(writes: int, say: Callable[[str], None] = lambda text: None) -> Report:
    """Kill n3, write `writes` into a `cp` and an `ap` keyspace each, start n3, wait for equal digests."""
    report = Report("absence")
    with ProcessCluster() as cluster:
        for name, mode in KEYSPACES.items():
            cluster.create(name, mode)
        cluster.process("kill", "n3")
        for name in KEYSPACES:
            began = time.monotonic()
            highest = _write(cluster, name, writes)
            spent = time.monotonic() - began
            say(f"{writes} writes to {name} while n3 was away: {spent:.0f} s")
            report.figures[f"{name}: writes/s"] = round(writes / spent)
            report.figures[f"{name}: highest MiB on n1's disk"] = round(highest / MIB)
        cluster.process("start", "n3")
        for name in KEYSPACES:
            spent_back = seconds_until(lambda name=name: _agree(cluster, name), GIVE_UP_S)  # type: ignore[misc]
            report.require(spent_back is not None, f"n3 does not come to agree on {name} within {GIVE_UP_S:.0f} s")
            report.figures[f"{name}: seconds until equal digests"] = round(spent_back or GIVE_UP_S, 1)
        for node in cluster.names:
            report.figures[f"MiB on {node}'s disk after it"] = round(cluster.disk_bytes(node) / MIB)
    return report


def _write(cluster: ProcessCluster, keyspace: str, writes: int) -> int:
    """Write over KEYS keys again and again; return the most that n1 had on its disk."""
    highest = 0
    with cluster.client("n1") as client:
        for start in range(0, writes, BATCH):
            numbers = range(start, min(start + BATCH, writes))
            pairs = {f"{keyspace}:k{number % KEYS}": f"{number:064d}" for number in numbers}
            patiently(lambda pairs=pairs: send_pairs(client, pairs))  # type: ignore[misc]
            if start % (50 * BATCH) == 0:
                highest = max(highest, cluster.disk_bytes("n1"))
    return highest


def _agree(cluster: ProcessCluster, keyspace: str) -> bool:
    try:
        return len(cluster.digests(keyspace)) == 1
    except Exception:  # noqa: BLE001 - while it starts it may refuse in any way; what counts is that it agrees in time
        return False
