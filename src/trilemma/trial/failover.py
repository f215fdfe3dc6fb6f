"""Fail-over: the leader of a `cp` keyspace is killed with -9; how long until each other node writes again."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import redis

from trilemma.client import control
from trilemma.client.processes import ProcessCluster
from trilemma.trial.report import Report, seconds_until, spread

MEDIAN_S_MAX = 1.0
WORST_S_MAX = 2.0
PROBE_GAP_S = 0.002
GIVE_UP_S = 10.0
BACK_S = 10.0


def failover(rounds: int, say: Callable[[str], None] = lambda text: None) -> Report:
    """Kill the leader `rounds` times; measure from the kill to the first write acknowledged at each survivor."""
    report = Report("failover")
    measured: list[float] = []
    with ProcessCluster() as cluster:
        cluster.create("bank", "cp")
        for number in range(1, rounds + 1):
            seconds = _one(cluster, report)
            measured.extend(seconds)
            say(f"round {number}: " + ", ".join(f"{each:.2f} s" for each in seconds))
    if measured:
        found = spread(measured)
        report.figures |= {"measurements": len(measured), "median s": found["median"], "worst s": found["worst"]}
        report.require(found["median"] <= MEDIAN_S_MAX, f"the median is above {MEDIAN_S_MAX} s")
        report.require(found["worst"] <= WORST_S_MAX, f"the worst is above {WORST_S_MAX} s")
    return report


def _one(cluster: ProcessCluster, report: Report) -> list[float]:
    leader: str | None = None
    while leader is None:
        leader = cluster.leader("bank")
    survivors = [name for name in cluster.names if name != leader]
    ended: dict[str, float] = {}
    warm = threading.Barrier(len(survivors) + 1)
    killed = threading.Event()
    threads = [threading.Thread(target=_probe, args=(cluster, name, warm, killed, ended)) for name in survivors]
    for thread in threads:
        thread.start()
    warm.wait()
    began = time.monotonic()
    cluster.process("kill", leader)
    killed.set()
    for thread in threads:
        thread.join()
    for name in survivors:
        report.require(name in ended, f"{name} does not write within {GIVE_UP_S:.0f} s after {leader} was killed")
    cluster.process("start", leader)
    control.wait_until_ready(cluster.addresses)
    agreed = seconds_until(lambda: len(cluster.digests("bank")) == 1, BACK_S)
    report.require(agreed is not None, f"{leader} does not come to agree again")
    return [ended[name] - began for name in survivors if name in ended]


def _probe(
    cluster: ProcessCluster, name: str, warm: threading.Barrier, killed: threading.Event, ended: dict[str, float]
) -> None:
    with cluster.client(name, socket_timeout=GIVE_UP_S) as client:
        client.set(f"bank:{name}", "warm")
        warm.wait()
        killed.wait()
        end = time.monotonic() + GIVE_UP_S
        while time.monotonic() < end:
            with suppress(redis.RedisError):
                client.set(f"bank:{name}", "after")
                ended[name] = time.monotonic()
                return
            time.sleep(PROBE_GAP_S)
