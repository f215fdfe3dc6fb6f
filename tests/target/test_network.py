"""The network of a run's own: cut, one-way and slow links between programs in namespaces, and nothing left behind."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from trilemma.target.machines import Machines, Place
from trilemma.target.port import Link, LinkFault

pytestmark = [
    pytest.mark.netns,
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]

NODES = ("n1", "n2", "n3")
PORT = 7000
TIMEOUT_S = 10.0
CUT = LinkFault(is_cut=True)

# Each node counts, per peer, the datagrams that it hears, and sends one to every peer every 5 ms.
PROGRAM = """
import json, socket, sys, threading, time
me, *peers = sys.argv[1:]
heard = dict.fromkeys(peers, 0)
late = dict.fromkeys(peers, 0.0)
talk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
talk.bind((me, 7001))
def listen():
    while True:
        said, (host, _) = talk.recvfrom(100)
        heard[host] += 1
        late[host] = time.monotonic() - float(said)
def speak():
    while True:
        for peer in peers:
            try:
                talk.sendto(str(time.monotonic()).encode(), (peer, 7001))
            except OSError:
                pass
        time.sleep(0.005)
for each in (listen, speak):
    threading.Thread(target=each, daemon=True).start()
with socket.create_server((me, 7000)) as server:
    while True:
        connection, _ = server.accept()
        with connection:
            connection.sendall(json.dumps([heard, late]).encode())
"""


class Talkers:
    """Three nodes that talk to each other."""

    def __init__(self) -> None:
        self.machines = Machines(NODES, has_links=True)
        self.places: dict[str, Place] = {}

    def start(self) -> None:
        self.machines.open()
        self.places = {node: places[0] for node, places in self.machines.places(1, PORT).items()}
        for node, place in self.places.items():
            peers = [other.host for other in self.places.values() if other != place]
            self.machines.run(node, "talker", [sys.executable, "-c", PROGRAM, place.host, *peers])

    def ask(self, node: str, peer: str) -> tuple[int, float]:
        """Return how many datagrams a node has heard of a peer, and how late the last one was (s)."""
        with self.machines.dial(self.places[node])() as connection:
            heard, late = json.loads(connection.makefile().read())
        return heard[self.places[peer].host], late[self.places[peer].host]

    def hears(self, node: str, peer: str, more: int = 20) -> bool:
        """Whether a node hears a peer: another `more` datagrams, before it has heard ten times as many of the third."""
        third = next(each for each in NODES if each not in (node, peer))
        return self._gains(node, peer, more, third)

    def _gains(self, node: str, peer: str, more: int, clock: str) -> bool:
        start, ticks = self.ask(node, peer)[0], self.ask(node, clock)[0]
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end:
            if self.ask(node, peer)[0] >= start + more:
                return True
            if self.ask(node, clock)[0] >= ticks + 5 * more:
                return False
        raise AssertionError(f"{node} hears nobody")

    def apply(self, faults: dict[Link, LinkFault]) -> None:
        network = self.machines.network
        assert network is not None
        network.apply(faults)


def names() -> set[str]:
    said = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in said.splitlines() if line.startswith(f"tri{os.getpid()}x")}


@pytest.fixture(scope="module")
def talkers() -> Iterator[Talkers]:
    made = Talkers()
    try:
        made.start()
        end = time.monotonic() + TIMEOUT_S
        for node in NODES:
            while time.monotonic() < end:
                with suppress(OSError):
                    if all(made.ask(node, peer)[0] for peer in NODES if peer != node):
                        break
        yield made
    finally:
        directory = made.machines.directory
        made.machines.close()
        assert not directory.exists()
        assert not names()


def test_a_cut_direction_is_silent_and_all_others_go_on(talkers: Talkers) -> None:
    talkers.apply({("n1", "n3"): CUT})
    assert not talkers.hears("n3", "n1")
    assert talkers.hears("n1", "n3")
    assert talkers.hears("n2", "n1")
    talkers.apply({})
    assert talkers.hears("n3", "n1")


def test_faults_are_replaced_by_others_without_a_trace(talkers: Talkers) -> None:
    talkers.apply({("n1", "n3"): CUT, ("n3", "n1"): CUT})
    assert not talkers.hears("n1", "n3")
    talkers.apply({("n2", "n3"): CUT})
    assert talkers.hears("n1", "n3")
    assert not talkers.hears("n3", "n2")
    talkers.apply({})
    assert talkers.hears("n3", "n2")


def test_a_slow_direction_is_late_and_a_lossy_one_loses_and_the_way_back_is_neither(talkers: Talkers) -> None:
    talkers.apply({("n1", "n2"): LinkFault(delay_ms=120)})
    assert talkers.hears("n2", "n1", 40)
    assert talkers.ask("n2", "n1")[1] >= 0.12
    assert talkers.ask("n1", "n2")[1] < 0.12
    talkers.apply({("n1", "n2"): LinkFault(loss_percent=100)})
    # What was held goes on all the same: wait until it has.
    assert talkers.hears("n2", "n3", 60)
    assert not talkers.hears("n2", "n1")
    talkers.apply({("n1", "n2"): LinkFault(loss_percent=50)})
    assert talkers.hears("n2", "n1")
    talkers.apply({})
