"""etcd on three nodes, through its JSON gateway, with linearizable reads or serializable ones.

A client speaks to its own node, as an application beside it would, by plain HTTP on one kept connection that is never
reopened for the same step. Commands come in Redis' words: GET, SET, and CAS, which is one transaction of etcd's. etcd
has no reply that proves of a write that it did not and will not happen, so every error of a write is `info`.
Source: etcd.io, v3.4, "gRPC gateway", "KV API guarantees".
"""

import http.client
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from trilemma.target.machines import Machines, Place
from trilemma.target.port import Client, Keyspace, NotSentError, Target, TargetError
from trilemma.target.programs import find_binary, version_of
from trilemma.target.redis_server import holds_within
from trilemma.target.wire import PATIENCE_S, Dial
from trilemma.workload.step import Command, Reply

NODES: Final = ("n1", "n2", "n3")
PACKAGE: Final = "etcd-server"
FIRST_PORT: Final = 2379
START_S: Final = 30.0
BACK_S: Final = 15.0

Request = tuple[str, dict[str, Any]]
"""A path of the gateway, and the body to post."""


def _text(value: bytes) -> str:
    return b64encode(value).decode()


def request_of(command: Command, *, is_serializable: bool) -> Request:
    """Return what a command is in etcd's words.

    Raises:
        ValueError: it is none of GET, SET and CAS.
    """
    match command:
        case (b"GET", key):
            return "/v3/kv/range", {"key": _text(key), "serializable": is_serializable}
        case (b"SET", key, value):
            return "/v3/kv/put", {"key": _text(key), "value": _text(value)}
        case (b"CAS", key, expected, value):
            compare = (
                {"key": _text(key), "target": "VALUE", "result": "EQUAL", "value": _text(expected)}
                if expected
                else {"key": _text(key), "target": "VERSION", "result": "EQUAL", "version": "0"}
            )
            put = {"request_put": {"key": _text(key), "value": _text(value)}}
            return "/v3/kv/txn", {"compare": [compare], "success": [put]}
    raise ValueError(f"{command[0]!r} is not a command that etcd's client knows")


def reply_of(command: Command, status: int, body: Mapping[str, Any]) -> Reply:
    """Return etcd's answer in Redis' words."""
    if status != http.client.OK:
        said = f"{status} {body.get('error', '')}".strip()
        return f"CLUSTERDOWN etcd: {said}" if command[0] == b"GET" else f"UNCERTAIN etcd: {said}"
    if command[0] == b"GET":
        found = body.get("kvs", [])
        return b64decode(found[0].get("value", "")) if found else None
    if command[0] == b"CAS":
        return 1 if body.get("succeeded", False) else 0
    return b"OK"


class EtcdClient:
    """See `port.Client`."""

    def __init__(self, dial: Dial, *, is_serializable: bool, patience_s: float = PATIENCE_S) -> None:
        self._dial = dial
        self._is_serializable = is_serializable
        self._patience_s = patience_s
        self._http: http.client.HTTPConnection | None = None
        self._is_over = False

    def execute(self, commands: Sequence[Command]) -> Sequence[Reply]:
        """See `port.Client`. Commands go one by one; all workloads that etcd takes have one per step."""
        replies: list[Reply] = []
        connection = self._connect()
        try:
            for command in commands:
                path, body = request_of(command, is_serializable=self._is_serializable)
                status, answer = self._post(connection, path, body)
                replies.append(reply_of(command, status, answer))
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
        return replies

    def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask something of the run's own.

        Raises:
            NotSentError: no answer, or an error.
        """
        try:
            status, answer = self._post(self._connect(), path, body)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            self.close()
            raise NotSentError(f"etcd: {problem}") from problem
        if status != http.client.OK:
            raise NotSentError(f"etcd: {status} {answer.get('error', '')}")
        return answer

    def is_usable(self) -> bool:
        """See `port.Client`."""
        return not self._is_over

    def close(self) -> None:
        """See `port.Client`."""
        self._is_over = True
        if self._http is not None:
            self._http.close()
            self._http = None

    def _connect(self) -> http.client.HTTPConnection:
        if self._is_over:
            raise NotSentError("the connection is over")
        if self._http is None:
            try:
                opened = self._dial()
            except OSError as problem:
                self._is_over = True
                raise NotSentError(f"cannot connect: {problem}") from problem
            host, port = opened.getpeername()[:2]
            self._http = http.client.HTTPConnection(host, port)
            # A connection that broke is never reopened behind our back: nothing is sent twice.
            self._http.auto_open = 0
            self._http.sock = opened
        return self._http

    def _post(
        self, connection: http.client.HTTPConnection, path: str, body: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, Any]]:
        if connection.sock is None:
            raise ConnectionError("the other side closed the connection")
        connection.sock.settimeout(self._patience_s)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read() or b"{}")
        if not isinstance(answer, dict):
            raise ValueError("the answer is no object")
        return response.status, answer


class Etcd(Target):
    """See the module. Args: is_serializable: read what the node itself has."""

    name = "etcd"
    workloads = ("registers", "cas")
    cas_by = "command"

    def __init__(self, *, is_serializable: bool = False, has_links: bool = False, seed: int = 0) -> None:
        super().__init__()
        self.nodes = NODES
        self.machines = Machines(NODES, has_links=has_links, seed=seed)
        self.links = self.machines.network
        self._is_serializable = is_serializable
        self.name = "etcd-serializable" if is_serializable else "etcd"
        reads = "serializable reads" if is_serializable else "linearizable reads"
        self.keyspaces = (Keyspace(self.name, b"", settings=reads),)
        self._places: dict[str, Place] = {}
        self._binary = ""

    def start(self) -> None:
        """See `port.Target`."""
        self._binary = find_binary("etcd", PACKAGE)
        self.machines.open()
        self.processes = self.machines.programs
        places = self.machines.places(2, FIRST_PORT)
        self._places = {node: both[0] for node, both in places.items()}
        members = ",".join(f"{node}=http://{both[1]}" for node, both in places.items())
        for node, (place, peer) in places.items():
            self.machines.run(node, "etcd", self._command(node, place, peer, members))
        end = time.monotonic() + START_S
        for node in NODES:
            if not holds_within(lambda node=node: self._serves(node), end - time.monotonic()):  # type: ignore[misc]
                raise TargetError(f"{node} does not serve within {START_S:.0f} s. {self.machines.programs.explain()}")

    def _command(self, node: str, place: Place, peer: Place, members: str) -> list[str]:
        options = {
            "name": node,
            "data-dir": str(self.machines.home(node, "etcd")),
            "listen-client-urls": f"http://{place}",
            "advertise-client-urls": f"http://{place}",
            "listen-peer-urls": f"http://{peer}",
            "initial-advertise-peer-urls": f"http://{peer}",
            "initial-cluster": members,
            "initial-cluster-token": "trilemma-check",
            "initial-cluster-state": "new",
            "logger": "zap",
        }
        return [self._binary, *(f"--{option}={value}" for option, value in options.items())]

    def stop(self) -> None:
        """See `port.Target`."""
        self.machines.close()

    def client(self, node: str, keyspace: Keyspace) -> Client:
        """See `port.Target`."""
        return EtcdClient(self.machines.dial(self._places[node]), is_serializable=self._is_serializable)

    def replica(self, node: str, keyspace: Keyspace) -> Client:
        """See `port.Target`."""
        return EtcdClient(self.machines.dial(self._places[node]), is_serializable=True)

    def leader(self) -> str | None:
        """See `port.Target`."""
        for node in NODES:
            try:
                status = self._ask(node, "/v3/maintenance/status", {})
                leader = status.get("leader")
                members = self._ask(node, "/v3/cluster/member/list", {})["members"]
            except (NotSentError, KeyError):
                continue
            return next((each["name"] for each in members if each["ID"] == leader), None)
        return None

    def wait_until_served(self, node: str) -> bool:
        """See `port.Target`."""
        return holds_within(lambda: self._serves(node), BACK_S)

    def settle(self) -> bool:
        """See `port.Target`."""
        return all(self.wait_until_served(node) for node in NODES) and holds_within(self._is_even, BACK_S)

    def versions(self) -> Mapping[str, str]:
        """See `port.Target`."""
        return {"etcd": version_of(self._binary)}

    def _ask(self, node: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        client = EtcdClient(self.machines.dial(self._places[node]), is_serializable=True, patience_s=1.0)
        try:
            return client.post(path, body)
        finally:
            client.close()

    def _serves(self, node: str) -> bool:
        self._ask(node, "/v3/kv/range", {"key": _text(b"ready")})
        return True

    def _is_even(self) -> bool:
        """Whether all nodes have applied the same entries."""
        return len({self._ask(node, "/v3/maintenance/status", {}).get("raftAppliedIndex") for node in NODES}) == 1
