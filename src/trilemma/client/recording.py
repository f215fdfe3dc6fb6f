"""What recording clients did and were told: a history in the making, shared by any number of clients and threads.

Owns the clock (one monotonic clock of this machine) and the list of operations; `note` says what a reply means.
Commands are kept as they were sent, in the words of `check.redis_model`; checkers translate them.
Source: Jepsen, doc/tutorial/03-client.md; FAULTS §4, pitfalls 1, 3 and 6.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from trilemma.check.history import History, Operation, Outcome
from trilemma.check.redis_history import Command, commands_of, keys_of
from trilemma.client.attempts import REMEMBERED_US, Attempts, is_another
from trilemma.client.keyspaces import DEFAULT, WRONG_SHAPE, ask_any, is_unknown, modes_of, prefix_of
from trilemma.client.note import Processes

if TYPE_CHECKING:
    from trilemma.client.recorded_asyncio import AsyncRecordedRedis
    from trilemma.client.recorded_redis import RecordedRedis

FINAL_S: Final = 10.0
"""How long a final read is tried again where it is refused: an election may still be under way."""

FINAL_POLL_S: Final = 0.02

_LETS_IN: Final = ("username", "password")

FINAL_PROCESS: Final = 1_000_000
"""The process number of the first final reader, far from those of clients."""


class Cluster(Protocol):
    """What a recording needs of a cluster: nodes by name."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the nodes."""
        ...

    def address(self, name: str) -> tuple[str, int]:
        """Return a node's host and port for clients."""
        ...


class Recording:
    """A history in the making. Give its clients to the application under test, then judge it.

    history = Recording()
    client = history.client(cluster, "n1")
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.finals: list[Operation] = []
        """Reads of every key at every node, made by `read_finals`."""
        self.modes: dict[str, str] = {}
        """The mode of each keyspace, as a node told last (`learn_modes`, `read_finals`); empty where none has."""
        self.attempts: dict[tuple[bytes, Command], Attempts] = {}
        """The attempts of each command under its token of CAP ONCE."""
        self.retold: list[tuple[Operation, Operation]] = []
        """Of commands that are executed once (CAP ONCE): what was told first, and another reply to a later attempt."""
        self._told_us: int | None = None
        """When `modes` were asked for."""
        self._places: dict[str, dict[str, Any]] = {}
        """The addresses that clients were made for, each with the options by which they are let in there."""
        self._operations: list[Operation] = []
        self._processes = 0
        self._origin_ns = time.monotonic_ns()
        self._clients: list[RecordedRedis] = []

    def __len__(self) -> int:
        return len(self._operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    @property
    def operations(self) -> list[Operation]:
        """Everything recorded so far, in order of invocation; what is still open is unknown."""
        with self.lock:
            return sorted(self._operations, key=lambda each: each.invoke_us)

    def operation(self, number: int) -> Operation:
        """Return what is known of an operation by now."""
        return self._operations[number]

    def history(self) -> History:
        """Return everything recorded so far."""
        return History(self.operations)

    def describe(self) -> str:
        """Return one line per operation."""
        return "\n".join(each.describe() for each in self.operations)

    # Clients

    def client(self, cluster: Cluster, node: str, **options: Any) -> "RecordedRedis":
        """Return a redis-py client of a node that records every command and never retries; closed by `close`."""
        host, port = cluster.address(node)
        return self.connect(f"{host}:{port}", node, **options)

    def connect(self, address: str, name: str = "", **options: Any) -> "RecordedRedis":
        """Return such a client of any Redis-speaking address; `name` is what the history calls the node."""
        from trilemma.client.recorded_redis import RecordedRedis

        host, _, port = address.rpartition(":")
        self._remember(host, int(port), options)
        client = RecordedRedis(Processes(self, name or address), host=host, port=int(port), **options)
        self._clients.append(client)
        return client

    def async_client(self, cluster: Cluster, node: str, **options: Any) -> "AsyncRecordedRedis":
        """Return a recording client for asyncio; whoever made it closes it (`async with`, or `aclose`)."""
        from trilemma.client.recorded_asyncio import AsyncRecordedRedis

        host, port = cluster.address(node)
        self._remember(host, port, options)
        return AsyncRecordedRedis(Processes(self, node), host=host, port=port, **options)

    def _remember(self, host: str, port: int, options: dict[str, Any]) -> None:
        self._places[f"{host}:{port}"] = {name: options[name] for name in _LETS_IN if name in options}

    def close(self) -> None:
        """Close all clients that are not asyncio's."""
        for client in self._clients:
            client.close()
        self._clients.clear()

    # What clients tell

    def now_us(self) -> int:
        """Return the time since this recording began, in microseconds."""
        return (time.monotonic_ns() - self._origin_ns) // 1_000

    def new_process(self) -> int:
        """Return a number that no process has had."""
        with self.lock:
            self._processes += 1
            return self._processes

    def invoke(self, process: int, node: str, kind: str, argument: Any, first: Command) -> int:
        """Add an operation that begins now; return its number."""
        key = _first_key(first)
        with self.lock:
            keyspace = prefix_of(key)
            begun = Operation(process, self.now_us(), None, kind, key, argument, None, "info", node, keyspace)
            self._operations.append(begun)
            return len(self._operations) - 1

    def complete(self, number: int, outcome: Outcome, result: Any) -> None:
        """Say what became of an operation, now."""
        now_us = self.now_us()
        with self.lock:
            begun = self._operations[number]
            self._operations[number] = begun._replace(complete_us=now_us, outcome=outcome, result=result)

    def tell_again(self, number: int, begun_us: int, result: Any) -> None:
        """Take note of a further reply, now, to an operation that is executed once, by an attempt that began then."""
        now_us = self.now_us()
        with self.lock:
            first = self._operations[number]
            if is_another(first.result, result) and now_us - first.invoke_us < REMEMBERED_US:
                self.retold.append((first, first._replace(invoke_us=begun_us, complete_us=now_us, result=result)))

    def divide(self, number: int, commands: Sequence[Command]) -> list[int]:
        """Make of an open transaction its commands, each an operation that began when it did; return their numbers."""
        with self.lock:
            begun = self._operations[number]
            parts = []
            for command in commands:
                key = _first_key(command)
                named = begun._replace(kind="command", key=key, keyspace=prefix_of(key), argument=command)
                parts.append(named)
            self._operations[number] = parts[0]
            self._operations += parts[1:]
            return [number, *range(len(self._operations) - len(parts) + 1, len(self._operations))]

    # Keyspaces

    def learn_modes(self) -> None:
        """Ask the nodes that clients were made for which keyspaces there are, where somebody may have made one since.

        Blocks for `keyspaces.ASK_S` per node that does not answer. What was known stays known where none does.
        """
        if self._told_us is None or self._begun_since(self._told_us):
            told_us = self.now_us()
            modes = ask_any(list(self._places.items()))
            if modes:
                self._told_us, self.modes = told_us, modes

    def untold(self) -> list[str]:
        """Return names before colons of which no node has told whether they are keyspaces, where that matters."""
        if not self.modes:
            names = sorted({prefix_of(key) for key in self.keys()})
            return names if len(names) > 1 else []
        since = [] if self._told_us is None else self._begun_since(self._told_us)
        keys = (key for each in since for command in commands_of(each) for key in keys_of(command))
        return sorted({prefix_of(key) for key in keys} - {*self.modes, DEFAULT})

    def _begun_since(self, at_us: int) -> list[Operation]:
        return [each for each in self.operations if each.invoke_us >= at_us]

    # The end

    def keys(self) -> list[bytes]:
        """Return the keys of all recorded commands, in order of first appearance."""
        found = (key for each in self.operations for command in commands_of(each) for key in keys_of(command))
        return list(dict.fromkeys(found))

    def read_finals(self, cluster: Cluster) -> list[Operation]:
        """Read every key at every node, once the cluster is whole; needed to look for lost writes.

        Waits before, for FINAL_S at most, until the replicas hold the same: those of `ap` do not, right after a heal. A
        store that knows no digests is not waited for. The modes of keyspaces stay as known where no node tells them.

        Raises:
            redis.RedisError: a node does not answer for FINAL_S, or a key holds no string.
        """
        from redis.exceptions import RedisError

        from trilemma.client.control import connect

        self._await_agreement(cluster)
        finals = []
        for number, node in enumerate(cluster.names):
            host, port = cluster.address(node)
            with connect(f"{host}:{port}", decode_responses=False) as client:
                for key in self.keys():
                    begun_us, value = self._read_final(client, key)
                    read = Operation(
                        FINAL_PROCESS + number, begun_us, self.now_us(), "command", key, (b"GET", key), value
                    )
                    finals.append(read._replace(node=node, keyspace=prefix_of(key)))
                with suppress(RedisError):  # it does not tell: where it matters and nobody does, assertions say so
                    self._told_us, self.modes = self.now_us(), modes_of(client)
        self.finals = finals
        return finals

    def _await_agreement(self, cluster: Cluster) -> None:
        from redis.exceptions import RedisError

        end_us = self.now_us() + int(FINAL_S * 1_000_000)
        while self.now_us() < end_us:
            with suppress(RedisError):  # a node does not answer yet; the reads will tell if it never does
                if _agree(cluster):
                    return
            time.sleep(FINAL_POLL_S)

    def _read_final(self, client: Any, key: bytes) -> tuple[int, Any]:
        """Read a key, patiently; return when the read that succeeded began, and what it showed."""
        from redis.exceptions import RedisError

        end_us = self.now_us() + int(FINAL_S * 1_000_000)
        while True:
            begun_us = self.now_us()
            try:
                return begun_us, client.get(key)
            except RedisError:
                if begun_us > end_us:
                    raise
                time.sleep(FINAL_POLL_S)


def _first_key(command: Command) -> bytes:
    keys = keys_of(command)
    return keys[0] if keys else b""


def _agree(cluster: Cluster) -> bool:
    """Ask all nodes for the digests of what they hold; return whether all replicas of each shard have the same.

    Of a store that has no digests nothing else can be asked, and nothing will be told later.
    """
    from redis.exceptions import ResponseError

    from trilemma.client.control import connect

    digests: dict[tuple[Any, Any], set[Any]] = {}
    for node in cluster.names:
        host, port = cluster.address(node)
        with connect(f"{host}:{port}", decode_responses=False) as client:
            try:
                for keyspace, shard, _, digest in client.execute_command("CAP", "DIGEST"):
                    digests.setdefault((keyspace, shard), set()).add(digest)
            except ResponseError as problem:
                if not is_unknown(problem):
                    raise
            except WRONG_SHAPE:
                continue
    return all(len(each) == 1 for each in digests.values())
