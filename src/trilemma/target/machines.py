"""Machines: where the nodes of a target run, with the programs, addresses and disks of each.

Either every node has a network namespace of its own (`network`), so that links can be disturbed, or all are on
loopback. Owns the directory, and that nothing is left of it; knows no store.
"""

import shutil
import socket
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from trilemma.target import wire
from trilemma.target.network import Network
from trilemma.target.programs import Programs
from trilemma.target.wire import Dial

LOOPBACK: Final = "127.0.0.1"


class Place(NamedTuple):
    """Where a program listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def free_ports(number: int) -> list[int]:
    """Return ports of loopback that are free now, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


class Machines:
    """One machine per node. `open` it first, and `close` it in any case."""

    def __init__(self, nodes: Sequence[str], *, has_links: bool, seed: int = 0) -> None:
        """Args: has_links: whether links shall be disturbed; ignored where namespaces are not allowed."""
        self.nodes = tuple(nodes)
        self.network = Network(nodes, seed) if has_links and Network.is_allowed() else None
        self.directory = Path()
        self.programs = Programs(self.directory)
        self._is_open = False

    def open(self) -> None:
        """Make the directory, and the network where there is one.

        Raises:
            TargetError: the network cannot be made.
        """
        self.directory = Path(tempfile.mkdtemp(prefix="trilemma-check-"))
        self.programs = Programs(self.directory)
        self._is_open = True
        if self.network is not None:
            self.network.make()

    def close(self) -> None:
        """End all programs, and remove network and directory."""
        if self._is_open:
            self._is_open = False
            self.programs.stop()
            if self.network is not None:
                self.network.remove()
            shutil.rmtree(self.directory, ignore_errors=True)

    def places(self, per_node: int, first_port: int) -> dict[str, list[Place]]:
        """Return for each node so many places to listen at: ports from `first_port` on, or free ones on loopback."""
        if self.network is not None:
            network = self.network
            return {
                node: [Place(network.host(node), first_port + number) for number in range(per_node)]
                for node in self.nodes
            }
        ports = iter(free_ports(per_node * len(self.nodes)))
        return {node: [Place(LOOPBACK, next(ports)) for _ in range(per_node)] for node in self.nodes}

    def home(self, node: str, program: str) -> Path:
        """Make, and return, a directory for a program of a node."""
        home = self.directory / node / program
        home.mkdir(parents=True, exist_ok=True)
        return home

    def run(self, node: str, name: str, command: Sequence[str]) -> None:
        """Start a program on a node."""
        self.programs.run(node, name, command if self.network is None else self.network.wrap(node, command))

    def dial(self, place: Place) -> Dial:
        """Return what connects to a place."""
        network = self.network
        if network is None:
            return lambda: wire.dial(place.host, place.port)
        return lambda: network.dial(place.host, place.port)
