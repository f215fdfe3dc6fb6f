"""The cut for real: nodes in network namespaces, the link of one taken down by the kernel.

What the lab's cuts show at the transport must hold when it is TCP that finds out. Clients reach every node over
another network, which stays. Fails, rather than skips, where it runs as root and cannot make a namespace.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ClusterDownError, RedisError

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]

TIMEOUT_S = 20.0
NODES = (1, 2, 3)
PROGRAM = """
import sys
from pathlib import Path
from trilemma.runtime.config import load
from trilemma.runtime.process import serve
serve(load(Path(sys.argv[1])))
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Cluster:
    """Three namespaces, a hub between them for peers, a wire to each for clients."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = f"{os.getpid() % 100_000}"
        self._hub = f"tri{self._mark}h"
        self._spaces = {node: f"tri{self._mark}n{node}" for node in NODES}
        self._children: list[subprocess.Popen[bytes]] = []

    def make(self) -> None:
        ip("netns", "add", self._hub)
        ip("-n", self._hub, "link", "add", "hub", "type", "bridge")
        ip("-n", self._hub, "link", "set", "hub", "up")
        for node, space in self._spaces.items():
            ip("netns", "add", space)
            ip("-n", space, "link", "set", "lo", "up")
            self._wire_peers(node, space)
            self._wire_clients(node, space)

    def _wire_peers(self, node: int, space: str) -> None:
        port = f"port{node}"
        ip("-n", self._hub, "link", "add", port, "type", "veth", "peer", "name", "peers", "netns", space)
        ip("-n", self._hub, "link", "set", port, "master", "hub", "up")
        ip("-n", space, "addr", "add", f"10.77.0.{node}/24", "dev", "peers")
        ip("-n", space, "link", "set", "peers", "up")

    def _wire_clients(self, node: int, space: str) -> None:
        outer = f"tri{self._mark}c{node}"
        ip("link", "add", outer, "type", "veth", "peer", "name", "clients", "netns", space)
        ip("addr", "add", f"10.78.{node}.1/24", "dev", outer)
        ip("link", "set", outer, "up")
        ip("-n", space, "addr", "add", f"10.78.{node}.2/24", "dev", "clients")
        ip("-n", space, "link", "set", "clients", "up")

    def start(self) -> None:
        members = "".join(
            f'[[members]]\nid = {node}\nname = "n{node}"\naddress = "10.78.{node}.2:7001"\n'
            f'peer_address = "10.77.0.{node}:7002"\n'
            for node in NODES
        )
        for node, space in self._spaces.items():
            file = self._path / f"n{node}.toml"
            file.write_text(
                f'name = "n{node}"\ndir = "{self._path}/n{node}"\ncluster_id = "c"\nprotected_mode = false\n'
                f'secret = "sixteen bytes or more"\n{members}'
            )
            command = ["ip", "netns", "exec", space, sys.executable, "-c", PROGRAM, str(file)]
            self._children.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))

    def take_down(self) -> None:
        for child in self._children:
            child.kill()
        for child in self._children:
            child.wait(TIMEOUT_S)
        for space in (self._hub, *self._spaces.values()):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)

    def client(self, node: int) -> Redis:
        return Redis(f"10.78.{node}.2", 7001, socket_timeout=5, retry=None)

    def set_link(self, node: int, state: str) -> None:
        ip("-n", self._hub, "link", "set", f"port{node}", state)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    try:
        cluster.make()
        cluster.start()
        yield cluster
    finally:
        cluster.take_down()


def until_answered(ask: Callable[[], object]) -> object:
    """Ask until there is an answer other than an error, within a bound."""
    end_s = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return ask()
        except RedisError:
            if time.monotonic() > end_s:
                raise


def until_refused(ask: Callable[[], object]) -> float:
    """Ask until the answer is CLUSTERDOWN; return how long that took."""
    start_s = time.monotonic()
    while time.monotonic() - start_s < TIMEOUT_S:
        try:
            ask()
        except ClusterDownError:
            return time.monotonic() - start_s
        except RedisError:
            continue
    raise AssertionError("never refused")


def test_a_link_that_the_kernel_takes_down_cuts_a_node_off_and_coming_up_brings_it_back(cluster: Cluster) -> None:
    one, two, three = (cluster.client(node) for node in NODES)
    until_answered(lambda: one.set("k", "before"))
    until_answered(lambda: one.execute_command("KEYSPACE", "CREATE", "shop", "MODE", "ap"))
    until_answered(lambda: three.incrby("shop:hits", 1))

    cluster.set_link(3, "down")
    until_refused(lambda: three.get("k"))
    with pytest.raises(ClusterDownError, match="n3 reaches 1 of 3 replicas"):
        three.set("k", "lost")
    until_answered(lambda: one.set("k", "during"))
    assert until_answered(lambda: two.get("k")) == b"during"
    assert three.incrby("shop:hits", 10) >= 10
    assert one.incrby("shop:hits", 100) >= 100

    cluster.set_link(3, "up")
    start_s = time.monotonic()
    assert until_answered(lambda: three.get("k")) == b"during"
    while {one.get("shop:hits"), two.get("shop:hits"), three.get("shop:hits")} != {b"111"}:
        assert time.monotonic() - start_s < TIMEOUT_S
    print(f"served again {time.monotonic() - start_s:.2f} s after the link came up")
    for client in (one, two, three):
        client.close()
