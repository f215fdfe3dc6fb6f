"""What recording clients did and were told: a history in the making, shared by any number of clients and threads.

Owns the clock (one monotonic clock of this machine), process numbers, and what a reply says of its command. Commands
are kept as they were sent, in the words of `check.redis_model`; checkers translate them. A process is one client's
sequence of commands: after an unknown outcome the client goes on under a new number, and what overlaps within one
client has numbers of its own. Source: Jepsen, doc/tutorial/03-client.md; FAULTS §4, pitfalls 1, 3 and 6.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from trilemma.check.history import History, Operation, Outcome
from trilemma.check.redis_history import Command, commands_of, keys_of
from trilemma.workload.reply import judge

if TYPE_CHECKING:
    from trilemma.client.recorded_asyncio import AsyncRecordedRedis
    from trilemma.client.recorded_redis import RecordedRedis

FINAL_S: Final = 10.0
"""How long a final read is tried again where it is refused: an election may still be under way."""

FINAL_POLL_S: Final = 0.02

FINAL_PROCESS: Final = 1_000_000
"""The process number of the first final reader, far from those of clients."""

UNRECORDED: Final = frozenset(
    {b"AUTH", b"CAP", b"CLIENT", b"CLUSTER", b"COMMAND", b"CONFIG", b"DBSIZE", b"ECHO", b"HELLO", b"INFO", b"KEYS"}
    | {b"KEYSPACE", b"LAB", b"LATENCY", b"MEMORY", b"OBJECT", b"PING", b"QUIT", b"RANDOMKEY", b"ROLE", b"SCAN", b"TIME"}
    | {b"UNWATCH", b"WAIT", b"WATCH"}
)
"""Commands that change no data and are not judged. All others are recorded, whether a checker knows them or not."""

TELLING: Final = (
    *("WRONGTYPE", "ERR value is not an integer", "ERR value is not a valid float", "ERR no such key"),
    *("ERR increment ", "ERR decrement ", "ERR offset is out of range", "ERR source and destination"),
)
"""How the error replies begin that depend on data, and that the model gives too."""


class Cluster(Protocol):
    """What a recording needs of a cluster: nodes by name."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the nodes."""
        ...

    def address(self, name: str) -> tuple[str, int]:
        """Return a node's host and port for clients."""
        ...


class Note:
    """One operation under way: closed once, by what became of it."""

    __slots__ = ("_client", "_number", "_recording", "process")

    def __init__(self, recording: "Recording", client: "Processes", process: int, number: int) -> None:
        self._recording = recording
        self._client = client
        self._number = number
        self.process = process

    def close(self, outcome: Outcome, result: Any = None) -> None:
        """Note the outcome, now; the process number is free again unless the outcome is unknown."""
        self._recording.complete(self._number, outcome, result)
        if outcome != "info":
            self._client.free(self.process)

    def unsent(self) -> None:
        """Note that no byte has left: it did not happen and never will."""
        self.close("fail")

    def lost(self) -> None:
        """Note that it was sent and not answered: it may have happened, or may yet."""
        self.close("info")

    def answered(self, reply: Any) -> None:
        """Note what the reply says; an error reply is its text. One that only the command is to blame for, as for too
        many arguments, did nothing and says nothing of the data."""
        recorded = judge(reply)
        if recorded.outcome == "ok" and isinstance(reply, str) and not reply.startswith(TELLING):
            self.close("fail")
            return
        self.close(recorded.outcome, recorded.result if recorded.outcome == "ok" else None)

    def executed(self, seen: Sequence[Any], replies: Sequence[Any], commands: int) -> None:
        """Note what became of a transaction.

        Args:
            seen: replies to guarded reads, which belong to it.
            replies: to MULTI, to each command, to EXEC, as far as they came.
            commands: how many were queued.
        """
        if len(replies) < commands + 2:
            self.lost()
            return
        recorded = judge(replies[-1])
        if recorded.outcome != "ok":
            self.close(recorded.outcome)
        elif not isinstance(recorded.result, tuple):  # aborted, because a watched key has changed, or an error
            self.close("fail")
        elif any(judge(each).outcome != "ok" for each in recorded.result):
            self.lost()
        else:
            self.close("ok", (*seen, *recorded.result))


class Processes:
    """The process numbers of one client."""

    def __init__(self, recording: "Recording", node: str) -> None:
        self._recording = recording
        self._free: list[int] = []
        self.node = node

    def begin(self, kind: str, argument: Any, first: Command) -> Note:
        """Note that an operation begins, now, before its first byte leaves."""
        with self._recording.lock:
            process = self._free.pop() if self._free else self._recording.new_process()
            return Note(
                self._recording, self, process, self._recording.invoke(process, self.node, kind, argument, first)
            )

    def begin_once(self, token: bytes, command: Command) -> Note | None:
        """Note that a command begins which is executed at most once, however often it is sent (CAP ONCE).

        Attempts whose fate is unknown and the one that is answered at last are one operation. Returns None for one that
        was answered before: it is only told again.
        """
        with self._recording.lock:
            number = self._recording.attempts.get(token)
            known = None if number is None else self._recording.operations[number]
            if number is not None and known is not None and known.outcome == "info":
                return Note(self._recording, self, known.process, number)
            if known is not None and known.outcome == "ok":
                return None
            note = self.begin("command", command, command)
            self._recording.attempts[token] = len(self._recording) - 1
            return note

    def begin_all(self, commands: Sequence[Command]) -> list[Note]:
        """Note that commands of one pipeline begin together; they share a process, because their order is sure."""
        notes = [self.begin("command", commands[0], commands[0])]
        process = notes[0].process
        with self._recording.lock:
            for command in commands[1:]:
                number = self._recording.invoke(process, self.node, "command", command, command)
                notes.append(Note(self._recording, self, process, number))
        return notes

    def free(self, process: int) -> None:
        """Give a process number back."""
        with self._recording.lock:
            if process not in self._free:
                self._free.append(process)


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
        """The mode of each keyspace, as `read_finals` met it."""
        self.attempts: dict[bytes, int] = {}
        """Which operation each token of CAP ONCE stands for."""
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
            return list(self._operations)

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
        client = RecordedRedis(Processes(self, name or address), host=host, port=int(port), **options)
        self._clients.append(client)
        return client

    def async_client(self, cluster: Cluster, node: str, **options: Any) -> "AsyncRecordedRedis":
        """Return a recording client for asyncio; whoever made it closes it (`async with`, or `aclose`)."""
        from trilemma.client.recorded_asyncio import AsyncRecordedRedis

        host, port = cluster.address(node)
        return AsyncRecordedRedis(Processes(self, node), host=host, port=port, **options)

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
        keys = keys_of(first)
        key = keys[0] if keys else b""
        with self.lock:
            keyspace = keyspace_of(key)
            begun = Operation(process, self.now_us(), None, kind, key, argument, None, "info", node, keyspace)
            self._operations.append(begun)
            return len(self._operations) - 1

    def complete(self, number: int, outcome: Outcome, result: Any) -> None:
        """Say what became of an operation, now."""
        now_us = self.now_us()
        with self.lock:
            begun = self._operations[number]
            self._operations[number] = begun._replace(complete_us=now_us, outcome=outcome, result=result)

    # The end

    def keys(self) -> list[bytes]:
        """Return the keys of all recorded commands, in order of first appearance."""
        found = (key for each in self.operations for command in commands_of(each) for key in keys_of(command))
        return list(dict.fromkeys(found))

    def read_finals(self, cluster: Cluster) -> list[Operation]:
        """Read every key at every node, once the cluster is whole and at rest; needed to look for lost writes.

        Raises:
            redis.RedisError: a node does not answer for FINAL_S, or a key holds no string.
        """
        from trilemma.client.control import connect

        finals = []
        for number, node in enumerate(cluster.names):
            host, port = cluster.address(node)
            with connect(f"{host}:{port}", decode_responses=False) as client:
                for key in self.keys():
                    begun_us, value = self._read_final(client, key)
                    read = Operation(
                        FINAL_PROCESS + number, begun_us, self.now_us(), "command", key, (b"GET", key), value
                    )
                    finals.append(read._replace(node=node, keyspace=keyspace_of(key)))
                self.modes = _modes(client)
        self.finals = finals
        return finals

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


def keyspace_of(key: bytes) -> str:
    """Return the name before the first colon, which names the keyspace if there is one of that name."""
    name, colon, _ = key.partition(b":")
    return name.decode("utf-8", "replace") if colon else "default"


def _modes(client: Any) -> dict[str, str]:
    """Ask a node for its keyspaces and their modes."""
    found = {}
    for name in client.execute_command("KEYSPACE", "LIST"):
        described = client.execute_command("KEYSPACE", "INFO", name)
        facts = described if isinstance(described, dict) else dict(zip(described[::2], described[1::2], strict=True))
        found[name.decode()] = facts[b"mode"].decode()
    return found
