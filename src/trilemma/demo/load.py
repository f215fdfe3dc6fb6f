"""Load: one thread per node, keyspace and kind, each with a connection of its own that never retries."""

import threading
import time
from random import Random

import redis

from trilemma.check.history import Operation
from trilemma.check.recorder import Recorder
from trilemma.client.processes import ProcessCluster
from trilemma.workload.register import Registers
from trilemma.workload.step import Generator

THINK_S = 0.012
PATIENCE_S = 5.0
RECONNECT_S = 0.05
STALE = "stale_"


def now_us() -> int:
    """Return the clock of the history."""
    return time.monotonic_ns() // 1_000


class Load:
    """All clients, and the history of what they were told."""

    def __init__(self, cluster: ProcessCluster, keyspaces: dict[str, str]) -> None:
        """Args: keyspaces: modes by name."""
        self.recorders = {name: Recorder() for name in keyspaces}
        self._cluster = cluster
        self._keyspaces = keyspaces
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._generators: dict[str, Generator] = {
            name: Registers(Random(name), f"{name}:".encode(), keys=6) for name in keyspaces
        }
        self._threads: list[threading.Thread] = []
        self._next_process = 1

    def start(self) -> None:
        """Start all clients."""
        for node in self._cluster.names:
            for keyspace, mode in self._keyspaces.items():
                self._begin(node, keyspace, readonly=False)
                if mode == "cp":
                    self._begin(node, keyspace, readonly=True)

    def _begin(self, node: str, keyspace: str, *, readonly: bool) -> None:
        thread = threading.Thread(target=self._drive, args=(node, keyspace, readonly), daemon=True)
        thread.start()
        self._threads.append(thread)

    def stop(self) -> None:
        """Let what is under way end, and stop."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _take_process(self) -> int:
        with self._lock:
            self._next_process += 1
            return self._next_process - 1

    def _drive(self, node: str, keyspace: str, readonly: bool) -> None:
        while not self._stopped.is_set():
            try:
                self._session(node, keyspace, readonly)
            except (redis.RedisError, OSError):
                self._stopped.wait(RECONNECT_S)

    def _session(self, node: str, keyspace: str, readonly: bool) -> None:
        """Drive one connection until it breaks."""
        process = self._take_process()
        with self._cluster.client(node, socket_timeout=PATIENCE_S, single_connection_client=True) as client:
            if readonly:
                client.execute_command("READONLY")
            while not self._stopped.is_set():
                if not self._one(client, process, node, keyspace, readonly):
                    return
                time.sleep(THINK_S)

    def _one(self, client: redis.Redis, process: int, node: str, keyspace: str, readonly: bool) -> bool:
        """Send one step; return whether the connection can go on."""
        recorder, generator = self.recorders[keyspace], self._generators[keyspace]
        with self._lock:
            step = generator.next(process)
            while readonly and step.kind != "read":
                step = generator.next(process)
            kind = STALE + step.kind if readonly else step.kind
            number = recorder.invoke(
                Operation(
                    process, now_us(), None, kind, step.key, step.argument,
                    node=node, keyspace=keyspace, mode=self._keyspaces[keyspace],
                )
            )  # fmt: skip
        replies: list[object] = []
        is_alive = True
        try:
            said = client.execute_command(*step.commands[0])  # type: ignore[no-untyped-call]
            replies.append(b"OK" if said is True else said)
        except redis.ConnectionError as problem:
            is_alive = False
            if str(problem).startswith("Error") and "refused" in str(problem):
                # Nobody listens: nothing was sent.
                replies.append("CLUSTERDOWN the node is down")
        except redis.TimeoutError:
            is_alive = False
        except redis.ResponseError as problem:
            replies.append(_text(problem))
        recorded = generator.record(step, replies)
        with self._lock:
            recorder.complete(number, now_us(), recorded.outcome, recorded.result)
        return is_alive


def _text(problem: redis.ResponseError) -> str:
    """Return an error's text with the code that redis-py takes off."""
    text = str(problem)
    if isinstance(problem, redis.exceptions.ClusterDownError):
        return text if text.startswith("CLUSTERDOWN") else f"CLUSTERDOWN {text}"
    return text
