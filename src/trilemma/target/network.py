"""A network of the run's own: a namespace per node, a hub that routes between them, and links that the kernel cuts.

Every node has the one address 10.77.N.2 in its own namespace and a wire to the hub, another namespace, which also holds
the clients' end. The machine's own network gets no address and no route: the run's threads step into the hub to open
their connections. A direction is cut by a routing rule of the hub that drops its packets without a word to either side;
clients are not on those routes. Slow and lossy directions go through `relay`.
Source: Linux ip-netns(8), ip-rule(8), setns(2).
"""

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from trilemma.target import wire
from trilemma.target.port import Link, LinkFault, TargetError
from trilemma.target.relay import DEVICE, Relay, Route

NODES_MAX: Final = 100
"""Nodes of one network: a byte of the address tells them apart."""

_COMMAND_S: Final = 10.0
_RELAY_TABLE: Final = 100
_RULE_PRIORITY: Final = 100
_CLONE_NEWNET: Final = 0x40000000
_NAMES: Final = count()

Rule = tuple[Link, str]
"""A direction, and what happens to its packets: `blackhole`, or the relay's table."""


def address_of(number: int) -> str:
    """Return the address of the node with a number, 1 to NODES_MAX."""
    return f"10.77.{number}.2"


def rules_of(faults: Mapping[Link, LinkFault]) -> set[Rule]:
    """Return the hub's rules that bring faults about."""
    relayed = f"lookup {_RELAY_TABLE}"
    return {(link, "blackhole" if fault.is_cut else relayed) for link, fault in faults.items() if fault != LinkFault()}


class Network:
    """See `port.Links`. `make` it, start nodes by `wrap`, connect by `dial`, and `remove` it in any case."""

    means = (
        "Links were cut by the kernel: every node ran in a network namespace of its own, and a routing rule of the hub "
        "between them dropped the packets of a cut direction. Slow and lossy directions went through a packet relay of "
        "ours (a TUN device in the hub; tc netem was not used). Clients reached every node all the time."
    )

    def __init__(self, nodes: Sequence[str], seed: int = 0) -> None:
        mark = f"tri{os.getpid()}x{next(_NAMES)}"
        self._hub = f"{mark}h"
        self._numbers = {node: number for number, node in enumerate(nodes, start=1)}
        self._spaces = {node: f"{mark}n{number}" for node, number in self._numbers.items()}
        self._seed = seed
        self._rules: set[Rule] = set()
        self._relay: Relay | None = None
        self._made: list[str] = []

    @staticmethod
    def is_allowed() -> bool:
        """Whether this process may make network namespaces."""
        return os.geteuid() == 0 and shutil.which("ip") is not None

    def make(self) -> None:
        """Make namespaces and wires.

        Raises:
            TargetError: the kernel does not allow it.
        """
        try:
            for space in (self._hub, *self._spaces.values()):
                # Noted first: to remove what was not made does no harm, to leave what was made does.
                self._made.append(space)
                _ip("netns", "add", space)
            for node, space in self._spaces.items():
                self._wire(self._numbers[node], space)
            with self._inside():
                Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        except (OSError, subprocess.SubprocessError) as problem:
            said = problem.stderr if isinstance(problem, subprocess.CalledProcessError) else problem
            raise TargetError(f"no network namespaces can be made here: {said}") from problem

    def _wire(self, number: int, space: str) -> None:
        port = f"port{number}"
        _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", self._hub, "link", "add", port, "type", "veth", "peer", "name", "hub", "netns", space)
        _ip("-n", self._hub, "addr", "add", f"10.77.{number}.1/24", "dev", port)
        _ip("-n", self._hub, "link", "set", port, "up")
        _ip("-n", space, "addr", "add", f"{address_of(number)}/24", "dev", "hub")
        _ip("-n", space, "link", "set", "hub", "up")
        _ip("-n", space, "route", "add", "default", "via", f"10.77.{number}.1")

    def remove(self) -> None:
        """Remove everything that was made; its programs must have ended."""
        if self._relay is not None:
            self._relay.stop()
            self._relay = None
        for space in self._made:
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True, timeout=_COMMAND_S)
        self._made.clear()

    def host(self, node: str) -> str:
        """Return a node's address."""
        return address_of(self._numbers[node])

    def wrap(self, node: str, command: Sequence[str]) -> list[str]:
        """Return the command that runs another one in a node's namespace (under the same process id)."""
        return ["ip", "netns", "exec", self._spaces[node], *command]

    def dial(self, host: str, port: int) -> socket.socket:
        """Open a connection from the hub; see `wire.dial`."""
        with self._inside():
            return wire.dial(host, port)

    def apply(self, faults: Mapping[Link, LinkFault]) -> None:
        """See `port.Links`.

        Raises:
            TargetError: links cannot be slowed here.
        """
        wanted = rules_of(faults)
        if any(what != "blackhole" for _, what in wanted) and self._relay is None:
            self._open_relay()
        if self._relay is not None:
            self._relay.apply({self._route(link): fault for link, fault in faults.items()})
        # New rules first: a direction that goes from one fault to another is never whole in between.
        lines = [f"rule add {self._rule(rule)}" for rule in sorted(wanted - self._rules)]
        lines += [f"rule del {self._rule(rule)}" for rule in sorted(self._rules - wanted)]
        if lines:
            self._tell_hub(lines)
        self._rules = wanted

    def _tell_hub(self, lines: Sequence[str]) -> None:
        try:
            _ip("-n", self._hub, "-batch", "-", text="\n".join(lines) + "\n")
        except subprocess.SubprocessError as problem:
            raise TargetError(f"the hub did not take new rules: {problem}") from problem

    def _rule(self, rule: Rule) -> str:
        (source, target), what = rule
        port = f"port{self._numbers[source]}"
        return f"pref {_RULE_PRIORITY} from {self.host(source)} to {self.host(target)} iif {port} {what}"

    def _route(self, link: Link) -> Route:
        return socket.inet_aton(self.host(link[0])), socket.inet_aton(self.host(link[1]))

    def _open_relay(self) -> None:
        try:
            with self._inside():
                self._relay = Relay(self._seed)
        except OSError as problem:
            raise TargetError(f"links cannot be made slow or lossy here: no TUN device ({problem})") from problem
        _ip("-n", self._hub, "link", "set", DEVICE, "up")
        _ip("-n", self._hub, "route", "add", "default", "dev", DEVICE, "table", str(_RELAY_TABLE))

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """Have this thread's new sockets be in the hub; what is opened inside stays there."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            there = os.open(f"/run/netns/{self._hub}", os.O_RDONLY)
            try:
                _enter(there)
                try:
                    yield
                finally:
                    _enter(before)
            finally:
                os.close(there)
        finally:
            os.close(before)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _ip(*words: str, text: str | None = None) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, input=text, timeout=_COMMAND_S)
