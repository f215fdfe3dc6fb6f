"""Nodes that leave by SIGTERM and SHUTDOWN, as processes, while another node's clients write what they lead."""

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from threading import Event, Thread

import pytest
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import ResponseError
from redis.retry import Retry

from trilemma.client import control
from trilemma.client.processes import ProcessCluster

pytestmark = pytest.mark.process

STOPS = 4
WRITERS = 2
PATIENCE_S = 15.0


class Writers:
    """Clients of n1 that write to `bank` until they are stopped; `found` counts what they were answered."""

    def __init__(self, cluster: ProcessCluster) -> None:
        self.found: Counter[str] = Counter()
        self._cluster = cluster
        self._is_over = Event()
        self._threads = [Thread(target=self._write, args=(f"bank:w{number}",)) for number in range(WRITERS)]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _write(self, key: str) -> None:
        with self._cluster.client("n1", retry=Retry(NoBackoff(), 0)) as client:
            number = 0
            while not self._is_over.is_set():
                number += 1
                try:
                    answer = "OK" if client.set(key, number) else "nil"
                except (ResponseError, Unreachable) as problem:
                    answer = str(problem)
                self.found[answer] += 1


def restart(cluster: ProcessCluster, name: str, by: str) -> None:
    """Have a node leave, and start it again once its process has ended."""
    pid = cluster.pid(name)
    if by == "SIGTERM":
        os.kill(pid, signal.SIGTERM)
    else:
        with pytest.raises(Unreachable), cluster.client(name, retry=Retry(NoBackoff(), 0)) as client:
            client.execute_command("SHUTDOWN")
    until_s = time.monotonic() + PATIENCE_S
    while os.path.exists(f"/proc/{pid}"):
        assert time.monotonic() < until_s, f"{name} has not left"
        time.sleep(0.02)
    while is_known_as(cluster, name, pid):
        time.sleep(0.02)
    cluster.process("start", name)


def is_known_as(cluster: ProcessCluster, name: str, pid: int) -> bool:
    """Whether the supervisor, which starts nothing that it takes for running, has not noticed that a process ended."""
    nodes = control.ask(cluster.directory, "status")["nodes"]
    return any(node["name"] == name and node["pid"] == pid for node in nodes)


def wait_for_links(cluster: ProcessCluster) -> None:
    """Wait until the nodes reach each other: without the one that leaves a majority has to be there."""
    until_s = time.monotonic() + PATIENCE_S
    for name in cluster.names:
        while not has_links(cluster, name):
            assert time.monotonic() < until_s, f"{name} lacks a link"
            time.sleep(0.05)


def has_links(cluster: ProcessCluster, name: str) -> bool:
    try:
        with cluster.client(name) as client:
            return "down" not in client.info("links").values()
    except Unreachable:
        return False  # it does not listen yet


def lead(cluster: ProcessCluster, name: str) -> None:
    """Have a node lead `bank`, soon after it has started perhaps."""
    until_s = time.monotonic() + PATIENCE_S
    while cluster.leader("bank") != name:
        assert time.monotonic() < until_s, f"{name} does not lead"
        with suppress(ResponseError):
            cluster.command("n1", "KEYSPACE", "LEAD", "bank", name)
        time.sleep(0.1)


def test_no_write_is_uncertain_where_its_leader_leaves() -> None:
    with ProcessCluster() as cluster:
        cluster.create("bank", "cp")
        with Writers(cluster) as writers:
            for turn in range(STOPS):
                leaver = ("n3", "n2")[turn % 2]
                wait_for_links(cluster)
                lead(cluster, leaver)
                restart(cluster, leaver, ("SIGTERM", "SHUTDOWN")[turn // 2 % 2])
    # On a busy machine a link may fall meanwhile: what is refused then is refused for good.
    assert [said for said in writers.found if said != "OK" and "nothing was written" not in said] == []
    assert writers.found["OK"] > 10 * STOPS
