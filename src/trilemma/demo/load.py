"""Load: one thread per node, keyspace and kind, each with a connection of its own that never retries."""

import threading
import time
from itertools import count
from random import Random

import redis

from trilemma.check.history import Operation
from trilemma.check.receipt_position import EXPLAINED
from trilemma.check.recorder import Recorder
from trilemma.check.stale import STALE
from trilemma.client.processes import ProcessCluster
from trilemma.demo.scene import REQUESTS, UNREACHED
from trilemma.workload.receipts import EXPLAIN
from trilemma.workload.register import Registers
from trilemma.workload.reply import plain
from trilemma.workload.step import Generator, Recorded, Step

THINK_S = 0.012
PATIENCE_S = 5.0
RECONNECT_S = 0.05
EXPLAINED_EVERY = 3
"""Of how many READONLY reads one asks for its receipt."""


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
        """Start all clients; after `stop` again, on new connections."""
        self._stopped.clear()
        for node in self._cluster.names:
            for keyspace, mode in self._keyspaces.items():
                self._begin(node, keyspace, readonly=False)
                if STALE + "read" in REQUESTS[mode]:
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
        self._threads.clear()

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
        try:
            client = self._connect(node, readonly)
        except (redis.RedisError, OSError):
            _, number = self._invoke(process, node, keyspace, readonly, turn=1)
            self._complete(keyspace, number, Recorded("fail", UNREACHED))
            self._stopped.wait(RECONNECT_S)
            return
        with client:
            for turn in count(1):
                if self._stopped.is_set() or not self._one(client, process, node, keyspace, readonly, turn):
                    return
                time.sleep(THINK_S)

    def _connect(self, node: str, readonly: bool) -> redis.Redis:
        client = self._cluster.client(node, socket_timeout=PATIENCE_S, single_connection_client=True)
        try:
            if readonly:
                client.execute_command("READONLY")  # type: ignore[no-untyped-call]
        except BaseException:
            client.close()
            raise
        return client

    def _one(self, client: redis.Redis, process: int, node: str, keyspace: str, readonly: bool, turn: int) -> bool:
        """Send one step; return whether the connection can go on."""
        step, number = self._invoke(process, node, keyspace, readonly, turn)
        replies: list[object] = []
        is_alive = True
        try:
            said = client.execute_command(*step.commands[0])  # type: ignore[no-untyped-call]
            replies.append(b"OK" if said is True else said)
        except (redis.ConnectionError, redis.TimeoutError):
            is_alive = False
        except redis.ResponseError as problem:
            replies.append(_text(problem))
        recorded = self._generators[keyspace].record(step, replies)
        if step.kind.startswith(EXPLAINED) and recorded.outcome == "ok":
            recorded = Recorded("ok", _with_receipt(replies[0]))
        self._complete(keyspace, number, recorded)
        return is_alive

    def _invoke(self, process: int, node: str, keyspace: str, readonly: bool, turn: int) -> tuple[Step, int]:
        """Draw a step, every so many READONLY reads one that asks for its receipt; return its number, too."""
        with self._lock:
            step = self._generators[keyspace].next(process)
            while readonly and step.kind != "read":
                step = self._generators[keyspace].next(process)
            if readonly:
                step = step._replace(kind=STALE + step.kind)
                if turn % EXPLAINED_EVERY == 0:
                    step = step._replace(kind=EXPLAINED + step.kind, commands=(EXPLAIN + step.commands[0],))
            number = self.recorders[keyspace].invoke(
                Operation(
                    process, now_us(), None, step.kind, step.key, step.argument,
                    node=node, keyspace=keyspace, mode=self._keyspaces[keyspace],
                )
            )  # fmt: skip
        return step, number

    def _complete(self, keyspace: str, number: int, recorded: Recorded) -> None:
        with self._lock:
            self.recorders[keyspace].complete(number, now_us(), recorded.outcome, recorded.result)


def _with_receipt(told: object) -> tuple[object, object]:
    """Return a reply and its receipt, a map of RESP3, in pairs; anything else is left to the checker."""
    match told:
        case [reply, dict() as receipt]:
            return plain(reply), tuple((plain(name), plain(fact)) for name, fact in receipt.items())
    return plain(told), ()


def _text(problem: redis.ResponseError) -> str:
    """Return an error's text with the code that redis-py takes off."""
    text = str(problem)
    if isinstance(problem, redis.exceptions.ClusterDownError):
        return text if text.startswith("CLUSTERDOWN") else f"CLUSTERDOWN {text}"
    return text
