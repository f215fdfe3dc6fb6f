"""Record one workload on a `cp` and an `ap` keyspace while a node is cut off, judge it, and write the report.

python examples/report_of_a_cut.py report.html

Each keyspace is judged by what its mode promises, and `ap` also, beyond its promise, by linearizability.
"""

import sys
import threading
import time
from pathlib import Path
from random import Random

import redis

from trilemma.check.causal import check_causal
from trilemma.check.convergence import check_convergence
from trilemma.check.fault import Fault
from trilemma.check.history import Operation
from trilemma.check.redis_history import as_registers
from trilemma.check.register import check_register
from trilemma.check.report.data import Report, SideShare, Subject
from trilemma.check.report.page import render
from trilemma.check.report.plots import percentile
from trilemma.client.assertions import assert_converged
from trilemma.client.recording import Recording
from trilemma.client.stage import StageCluster

MODES = {"shop": "ap", "bank": "cp"}
SIDES = (("n1", "n2"), ("n3",))
STRETCHES_S = (1.5, 2.5, 1.5)
PAUSE_S = 0.012


def use(recording: Recording, cluster: StageCluster, node: str, keyspace: str, stop: threading.Event) -> None:
    """Read and write three registers at one node until told to stop."""
    rng = Random(f"{node} {keyspace}")
    client = recording.client(cluster, node)
    number = 0
    while not stop.is_set():
        key = f"{keyspace}:r{rng.randrange(3)}"
        number += 1
        try:
            if rng.random() < 0.5:
                client.set(key, f"{node}.{number}")
            else:
                client.get(key)
        except redis.RedisError:
            pass  # the recording has it
        stop.wait(PAUSE_S)


def perform(recording: Recording, cluster: StageCluster) -> Fault:
    """Drive both keyspaces at all nodes, and cut n3 off for a while."""
    stop = threading.Event()
    clients = [
        threading.Thread(target=use, args=(recording, cluster, node, keyspace, stop))
        for node in cluster.names
        for keyspace in MODES
    ]
    for client in clients:
        client.start()
    time.sleep(STRETCHES_S[0])
    begun_us = recording.now_us()
    cluster.cut("n3")
    time.sleep(STRETCHES_S[1])
    cluster.heal()
    cut = Fault("cut", "n3 from n1 n2", begun_us, recording.now_us(), ("n3",), SIDES)
    time.sleep(STRETCHES_S[2])
    stop.set()
    for client in clients:
        client.join()
    return cut


def shares(operations: list[Operation], cut: Fault) -> list[SideShare]:
    """Count who was answered, before the cut, during it, after it, on either side."""
    found = []
    stretches = {
        "before": (0, cut.from_us),
        "F1: n3 is cut off": (cut.from_us, cut.until_us),
        "after": (cut.until_us, sys.maxsize),
    }
    for name, (begin_us, end_us) in stretches.items():
        for side in SIDES:
            asked = [each for each in operations if each.node in side and begin_us <= each.invoke_us < end_us]
            took = sorted((each.complete_us or 0) - each.invoke_us for each in asked if each.outcome == "ok")
            counts = [sum(each.outcome == outcome for each in asked) for outcome in ("ok", "fail", "info")]
            times = (percentile(took, 0.5), percentile(took, 0.99), percentile(took, 1.0))
            found.append(SideShare(name, " ".join(side), *counts, *times))
    return found


def subject(recording: Recording, keyspace: str, cut: Fault, digests: dict[str, str]) -> Subject:
    """Judge one keyspace."""
    recorded = [each for each in recording.operations if each.keyspace == keyspace]
    operations = as_registers(recorded) or []
    linearizable = check_register(operations)
    converged = check_convergence({keyspace: digests})
    if MODES[keyspace] == "ap":
        kept, observed = [check_causal(operations), converged], [linearizable]
    else:
        kept, observed = [linearizable, converged], []
    holds, breaks = ("linearizable", "") if linearizable.is_valid else ("causal convergence", "linearizable")
    return Subject(
        keyspace,
        MODES[keyspace],
        "register",
        operations,
        kept,
        observed,
        [holds],
        [breaks] if breaks else [],
        shares(operations, cut),
        {},
        digests,
    )


def main(path: Path) -> None:
    """Make the page."""
    recording = Recording()
    with StageCluster() as cluster:
        for name, mode in MODES.items():
            cluster.create(name, mode, "TIMEOUT", "800")
        cut = perform(recording, cluster)
        recording.close()
        cluster.wait_until_whole()
        assert_converged(cluster)
        digests = {name.partition(" ")[0]: found for name, found in cluster.digests().items()}
    report = Report(
        "A cut, seen from both sides",
        "trilemma, three nodes in one process",
        "registers: SET of unique values and GET, three keys a keyspace",
        "n3 cut off once",
        [subject(recording, name, cut, digests[name]) for name in MODES],
        [cut],
        {
            "clients": "one per node and keyspace",
            "pause between requests": f"{1_000 * PAUSE_S:.0f} ms",
            "TIMEOUT": "800 ms",
        },
        ["The cut drops all frames between nodes, in both directions; clients still reach every node."],
    )
    path.write_text(render(report), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("report.html"))
