"""A cluster for tests: cuts that heal by themselves, and waiting for what a cluster promises only once it is whole."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import redis

from trilemma.client.local import LocalCluster
from trilemma.client.probe import why_not_served

WHOLE_S: Final = 10.0
"""How long a healed cluster may take to serve everywhere: several elections."""

POLL_S: Final = 0.01


class StageCluster(LocalCluster):
    """Nodes n1, n2, ... in this process, with helpers for tests."""

    def __enter__(self) -> "StageCluster":
        self.start()
        return self

    @contextmanager
    def partitioned(self, *where: str) -> Iterator[None]:
        """Cut links for the length of a block, then heal them and wait until every node serves again.

        Args:
            where: `n3` (all of its links), `n1-n2` (both ways), `n1>n2` (one way).

        Raises:
            TimeoutError: after the block, if the cluster does not become whole.
        """
        try:
            for each in where:
                self.cut(each)
            yield
        finally:
            self.heal()
            self.wait_until_whole()

    @contextmanager
    def slowed(self, where: str, delay: str) -> Iterator[None]:
        """Slow links down for the length of a block, by `80ms` for example."""
        try:
            self.slow(where, delay)
            yield
        finally:
            self.heal(where)

    @contextmanager
    def down(self, name: str) -> Iterator[None]:
        """Have a node dead for the length of a block, then start it on its data and wait until every node serves."""
        self.kill(name)
        try:
            yield
        finally:
            self.restart(name)
            self.wait_until_whole()

    def keyspaces(self) -> list[str]:
        """Return the names of all keyspaces, as the first node knows them."""
        return [str(name) for name in self._ask(self.names[0], "KEYSPACE", "LIST")]

    def wait_until_whole(self) -> None:
        """Wait until every node answers a read and a write of every keyspace.

        Raises:
            TimeoutError: one does not within WHOLE_S.
        """
        for node in self.names:
            for keyspace in self.keyspaces():
                self._wait(partial(self._serves, node, keyspace), f"{node} on {keyspace}")

    def _serves(self, node: str, keyspace: str) -> bool:
        with self._client(node) as client:
            return why_not_served(client, keyspace) is None

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + WHOLE_S
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"{what} does not serve, {WHOLE_S:.0f} s after the heal")
            time.sleep(POLL_S)

    def _ask(self, node: str, *words: str) -> Any:
        host, port = self.address(node)
        with redis.Redis(host=host, port=port, decode_responses=True) as client:
            return client.execute_command(*words)

    def digests(self) -> dict[str, dict[str, str]]:
        """Return, per keyspace, each node's digest of its data."""
        found: dict[str, dict[str, str]] = {}
        for node in self.names:
            for row in self._ask(node, "CAP", "DIGEST"):
                found.setdefault(f"{row[0]} {row[1]}", {})[node] = str(row[3])
        return found
