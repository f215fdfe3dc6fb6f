"""Trilemma as a target: a local cluster of real processes with LAB on its links, or one that runs already.

Each mode is a keyspace of the run's own, so that one run shows all three side by side. Clients speak Redis' wire to
their own node. A cluster that runs already keeps its processes; its links are disturbed where it allows LAB, and the
run's keyspaces are dropped at the end.
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from trilemma.client.control import NoClusterError, ask, wait_until_ready
from trilemma.client.processes import ProcessCluster
from trilemma.target.address import read_place
from trilemma.target.lab_links import LabLinks
from trilemma.target.machines import Place
from trilemma.target.port import (
    Client,
    Keyspace,
    NotSentError,
    Promise,
    Target,
    TargetError,
)
from trilemma.target.redis_server import holds_within
from trilemma.target.wire import RespConnection, dial
from trilemma.version import __version__

PROMISES: Final[Mapping[str, tuple[Promise, ...]]] = {
    "cp": ("linearizable", "nothing lost"),
    "ca": ("linearizable", "nothing lost"),
    "ap": ("causal", "nothing lost", "convergent", "available"),
}
START_S: Final = 40.0
AGREE_S: Final = 10.0
CREATE_S: Final = 10.0
LAB_S: Final = 10.0
SERVED_S: Final = 15.0
POLL_S: Final = 0.1
ANSWER_S: Final = 3.0


class _Supervised:
    """See `port.Processes`: by the supervisor of the local cluster, which knows its own children."""

    def __init__(self, cluster: ProcessCluster) -> None:
        self._cluster = cluster

    def pause(self, node: str) -> None:
        """See `port.Processes`."""
        self._do("pause", node)

    def resume(self, node: str) -> None:
        """See `port.Processes`."""
        self._do("resume", node)

    def kill(self, node: str) -> None:
        """See `port.Processes`."""
        self._do("kill", node)

    def start(self, node: str) -> None:
        """See `port.Processes`."""
        self._do("start", node)

    def _do(self, action: str, node: str) -> None:
        try:
            self._cluster.process(action, node)
        except (NoClusterError, OSError) as problem:
            raise TargetError(f"{node} could not be told to {action}: {problem}") from problem


class Trilemma(Target):
    """See the module. Args: modes: of cp, ca, ap; addresses: of a cluster that runs; command: how a node is started."""

    name = "trilemma"

    def __init__(
        self, modes: Sequence[str] = ("cp", "ca", "ap"), addresses: Sequence[str] = (), command: Sequence[str] = ()
    ) -> None:
        super().__init__()
        mark = "check-" if addresses else ""
        self.keyspaces = tuple(
            Keyspace(f"{mark}{mode}", f"{mark}{mode}:".encode(), mode, PROMISES[mode]) for mode in modes
        )
        self._given = [read_place(address) for address in addresses]
        self._command = command
        self._places: dict[str, Place] = {}
        self._cluster: ProcessCluster | None = None
        self._founded: list[Keyspace] = []

    def start(self) -> None:
        """See `port.Target`."""
        if self._given:
            self._meet()
        else:
            self._cluster = ProcessCluster(self._command) if self._command else ProcessCluster()
            self._open(self._cluster)
        self.nodes = tuple(self._places)
        for keyspace in self.keyspaces:
            self._found(keyspace)

    def _open(self, cluster: ProcessCluster) -> None:
        try:
            cluster.__enter__()
        except NoClusterError:
            # Its supervisor runs all the same; on a machine that is busy with other things nodes take longer.
            self._wait_longer(cluster)
        self._places = {name: read_place(address) for name, address in cluster.addresses.items()}
        self.links, self.processes = LabLinks(self._tell_lab), _Supervised(cluster)

    @staticmethod
    def _wait_longer(cluster: ProcessCluster) -> None:
        try:
            wait_until_ready(cluster.addresses, START_S)
        except NoClusterError as problem:
            raise TargetError(str(problem)) from problem

    def _meet(self) -> None:
        """Learn the names of nodes that run already, and whether they allow LAB."""
        for place in self._given:
            try:
                facts = self._ask_place(place, "INFO", "server").decode()
            except NotSentError as problem:
                raise TargetError(f"{place} does not answer: {problem}") from problem
            names = [line.removeprefix("node:") for line in facts.splitlines() if line.startswith("node:")]
            if not names:
                raise TargetError(f"{place} is no node of Trilemma")
            self._places[names[0]] = place
        with suppress(NotSentError):
            self._ask_place(self._given[0], "LAB", "STATUS")
            self.links = LabLinks(self._tell_lab)

    def _found(self, keyspace: Keyspace) -> None:
        """Make a keyspace; again where nothing was done because a node has not been heard of for a moment."""
        end = time.monotonic() + CREATE_S
        while True:
            try:
                self.ask(self.nodes[0], "KEYSPACE", "CREATE", keyspace.name, "MODE", keyspace.mode)
                self._founded.append(keyspace)
                return
            except NotSentError as problem:
                if "CLUSTERDOWN" not in str(problem) or time.monotonic() > end:
                    raise TargetError(f"keyspace {keyspace.name} cannot be made: {problem}") from problem
                time.sleep(POLL_S)

    def stop(self) -> None:
        """See `port.Target`."""
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            for node in cluster.names:
                with suppress(NoClusterError):
                    ask(cluster.directory, "resume", node)
            self._close(cluster)
        elif self._given:
            while self._founded:
                with suppress(NotSentError):
                    self.ask(self.nodes[0], "KEYSPACE", "DROP", self._founded.pop().name)

    @staticmethod
    def _close(cluster: ProcessCluster) -> None:
        try:
            cluster.__exit__()
        except NoClusterError:
            # Its supervisor never came up, so there is nobody to tell: only the directory is left.
            shutil.rmtree(cluster.directory, ignore_errors=True)

    def client(self, node: str, keyspace: Keyspace) -> Client:
        """See `port.Target`."""
        place = self._places[node]
        return RespConnection(lambda: dial(place.host, place.port))

    def leader(self) -> str | None:
        """See `port.Target`: of the first keyspace that has one."""
        for keyspace in self.keyspaces:
            for node in self.nodes if keyspace.mode != "ap" else ():
                with suppress(NotSentError):
                    words = self.ask(node, "KEYSPACE", "INFO", keyspace.name)
                    facts = dict(zip(words[::2], words[1::2], strict=True))
                    if facts[b"leaders"][0]:
                        return str(facts[b"leaders"][0].decode())
        return None

    def wait_until_served(self, node: str) -> bool:
        """See `port.Target`."""
        try:
            wait_until_ready({node: str(self._places[node])}, SERVED_S)
        except NoClusterError:
            return False
        return True

    def settle(self) -> bool:
        """See `port.Target`."""
        return all(self.wait_until_served(node) for node in self.nodes) and holds_within(self._agrees, AGREE_S)

    def _agrees(self) -> bool:
        return all(len(set(self.digests(keyspace).values())) == 1 for keyspace in self.keyspaces)

    def digests(self, keyspace: Keyspace) -> Mapping[str, str]:
        """See `port.Target`."""
        found: dict[str, str] = {}
        for node in self.nodes:
            with suppress(NotSentError):
                for name, _, reflects, digest in self.ask(node, "CAP", "DIGEST"):
                    if name.decode() == keyspace.name:
                        found[node] = f"{digest.decode()} ({reflects.decode()})"
        return found

    def _tell_lab(self, words: Sequence[str]) -> None:
        """Give a LAB command to any node: they tell each other.

        Raises:
            TargetError: no node took it.
        """
        end = time.monotonic() + LAB_S
        problem: NotSentError | None = None
        while time.monotonic() < end:
            for node in self.nodes:
                try:
                    self.ask(node, "LAB", *words)
                    return
                except NotSentError as found:
                    problem = found
        raise TargetError(f"no node took LAB {' '.join(words)}: {problem}")

    def versions(self) -> Mapping[str, str]:
        """See `port.Target`."""
        return {"trilemma": __version__}

    def ask(self, node: str, *words: str) -> Any:
        """Ask a node something of the run's own.

        Raises:
            NotSentError: no answer, or an error.
        """
        return self._ask_place(self._places[node], *words)

    @staticmethod
    def _ask_place(place: Place, *words: str) -> Any:
        connection = RespConnection(lambda: dial(place.host, place.port), ANSWER_S)
        try:
            return connection.ask(*words)
        finally:
            connection.close()
