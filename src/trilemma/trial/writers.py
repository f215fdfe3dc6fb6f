"""Writers whose every acknowledged write is known: unique keys, and counters with bounds from both sides.

A reply that never came, or says UNCERTAIN, is neither acknowledged nor refused: it may be there or not.
"""

import threading
import time
from dataclasses import dataclass, field

import redis

from trilemma.client.processes import ProcessCluster

RECONNECT_S = 0.02
PATIENCE_S = 5.0
ROUND_TRIPS_APART_S = 0.0005


@dataclass(slots=True)
class Acknowledged:
    """What one writer was told. `at_most` counts attempts that were not refused."""

    keys: dict[str, str] = field(default_factory=dict)
    counted: int = 0
    at_most: int = 0


class Writer(threading.Thread):
    """Writes to one node and keyspace until it is stopped; a broken connection is opened anew."""

    def __init__(self, cluster: ProcessCluster, node: str, keyspace: str, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.told = Acknowledged()
        self.node = node
        self.keyspace = keyspace
        self.counter = f"{keyspace}:count"
        self._cluster = cluster
        self._stopping = threading.Event()
        self._next = 0

    def stop(self) -> None:
        """End after the command under way."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        """See Thread."""
        while not self._stopping.is_set():
            try:
                with self._cluster.client(
                    self.node, socket_timeout=PATIENCE_S, single_connection_client=True
                ) as client:
                    self._write(client)
            except (redis.RedisError, OSError):
                self._stopping.wait(RECONNECT_S)

    def _write(self, client: redis.Redis) -> None:
        while not self._stopping.is_set():
            key, value = f"{self.keyspace}:{self.name}:{self._next}", f"{self.name}={self._next}"
            self._next += 1
            try:
                if client.set(key, value):
                    self.told.keys[key] = value
            except redis.ResponseError:
                time.sleep(RECONNECT_S)
            self._count(client)
            time.sleep(ROUND_TRIPS_APART_S)

    def _count(self, client: redis.Redis) -> None:
        self.told.at_most += 1
        try:
            client.incr(self.counter)
            self.told.counted += 1
        except redis.exceptions.ClusterDownError:
            self.told.at_most -= 1
        except redis.ResponseError as problem:
            if str(problem).startswith("CLUSTERDOWN"):
                self.told.at_most -= 1
