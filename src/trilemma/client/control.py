"""The other end of the supervisor's socket, and what else is known of a cluster from its directory."""

import json
import socket
import time
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from trilemma.client.layout import CONTROL

ANSWER_S = 15.0
READY_S = 20.0
CREATE_S = 10.0
POLL_S = 0.03


class NoClusterError(Exception):
    """There is no cluster where one was expected; the text says what to do."""


def ask(directory: Path, action: str, node: str | None = None) -> dict[str, Any]:
    """Ask the supervisor of a directory for something.

    Raises:
        NoClusterError: no supervisor runs there, or it refuses.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_S)
        try:
            connection.connect(str(directory / CONTROL))
        except OSError as problem:
            raise NoClusterError(
                f"no cluster runs in {directory}: start one with `trilemma up --dir {directory}`"
            ) from problem
        connection.sendall(json.dumps({"do": action, "node": node}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(connection.makefile().readline() or '{"error": "no answer"}')
    if "error" in answer:
        raise NoClusterError(str(answer["error"]))
    return answer


def nodes(directory: Path) -> dict[str, str]:
    """Return the nodes' addresses by name, running or not.

    Raises:
        NoClusterError: the directory is none of a cluster.
    """
    return {str(node["name"]): str(node["address"]) for node in _known(directory)["nodes"]}


def cluster_id(directory: Path) -> str:
    """Return what tells the directory's cluster from any other.

    Raises:
        NoClusterError: the directory is none of a cluster.
    """
    return str(_known(directory)["cluster_id"])


def _known(directory: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((directory / "cluster.json").read_text())
    except OSError as problem:
        raise NoClusterError(f"{directory} holds no cluster: `trilemma up --dir {directory}` makes one") from problem
    except ValueError as problem:
        raise NoClusterError(f"{directory / 'cluster.json'} is damaged: {problem}") from problem
    return found


def connect(address: str, **options: Any) -> redis.Redis:
    """Return a client that never retries: what happened is told as it is."""
    host, _, port = address.rpartition(":")
    chosen: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "decode_responses": True, **options}
    return redis.Redis(host=host, port=int(port), **chosen)


def create(client: redis.Redis, name: str, mode: str, *settings: str) -> None:
    """Make a keyspace; asked again where nothing was done because a node has not been heard of for a moment.

    Raises:
        redis.RedisError: any other refusal, or this one for `CREATE_S`.
    """
    end = time.monotonic() + CREATE_S
    while True:
        try:
            client.execute_command("KEYSPACE", "CREATE", name, "MODE", mode, *settings)  # type: ignore[no-untyped-call]
            return
        except redis.exceptions.ClusterDownError:
            if time.monotonic() > end:
                raise
            time.sleep(POLL_S)


def wait_until_ready(addresses: dict[str, str], seconds: float = READY_S) -> None:
    """Wait until every node answers for the keyspace `default`.

    Raises:
        NoClusterError: one does not in time.
    """
    end = time.monotonic() + seconds
    for name, address in addresses.items():
        with connect(address, socket_timeout=3) as client:
            while True:
                try:
                    client.exists("ready")
                    break
                except redis.RedisError as problem:
                    if time.monotonic() > end:
                        raise NoClusterError(f"{name} at {address} does not serve: {problem}") from problem
                    time.sleep(POLL_S)
