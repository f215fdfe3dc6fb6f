"""The other end of the supervisor's socket, and what else is known of a cluster from its directory."""

import json
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from trilemma.client.layout import CLUSTER, CONTROL
from trilemma.client.leftover import LeftNode, left_nodes
from trilemma.runtime.address import split_address

ANSWER_S = 15.0
READY_S = 20.0
CREATE_S = 10.0
POLL_S = 0.03
PASSWORD = "REDISCLI_AUTH"
"""The environment variable that nodes' password comes from where nothing else tells it, as redis-cli's does."""


class NoClusterError(Exception):
    """There is no cluster where one was expected; the text says what to do."""


def ask(directory: Path, action: str, node: str | None = None) -> dict[str, Any]:
    """Ask the supervisor of a directory for something.

    Raises:
        NoClusterError: no supervisor runs there, or it refuses.
    """
    answer = answer_of(directory, action, node)
    if answer is None:
        raise NoClusterError(why_not_running(directory))
    if "error" in answer:
        raise NoClusterError(str(answer["error"]))
    return answer


def answer_of(directory: Path, action: str, node: str | None = None) -> dict[str, Any] | None:
    """Return what the supervisor of a directory answers; None where none does."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_S)
        try:
            connection.connect(str(directory / CONTROL))
            connection.sendall(json.dumps({"do": action, "node": node}).encode() + b"\n")
            line = connection.makefile().readline()
        except OSError:
            return None
    answer: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
    return answer


def why_not_running(directory: Path) -> str:
    """Return what there is in a directory whose supervisor does not answer, and what to do."""
    left = left_nodes(directory)
    if left:
        return of_left(directory, left)
    if (directory / CLUSTER).exists():
        return f"the cluster in {directory} is not running; `trilemma up --dir {directory}` starts it"
    return why_no_cluster(directory)


def of_left(directory: Path, left: Sequence[LeftNode]) -> str:
    """Return what to do about nodes that run in a directory whose supervisor does not answer."""
    named, run = ", ".join(map(str, left)), "runs" if len(left) == 1 else "run"
    end = f"`trilemma down --dir {directory}` ends {'it' if len(left) == 1 else 'them'}"
    silent = next((node.supervisor for node in left if node.supervisor is not None), None)
    if silent is not None:
        return (
            f"the supervisor of the cluster in {directory}, process {silent}, does not answer, and {named} {run} under "
            f"it: end it (`kill -9 {silent}`), then {end}"
        )
    return f"the cluster in {directory} has lost its supervisor, but {named} still {run}; {end}"


def why_no_cluster(directory: Path) -> str:
    """Return what a directory without cluster.json is, and what to do; the same for every command."""
    members = sorted(file.parent.name for file in directory.glob("*/node.toml"))
    if members and any(directory.glob("*/data")):
        return (
            f"{directory} holds the directories of {', '.join(members)}, but has lost {CLUSTER}: put that file back "
            f"(it holds cluster_id and, as nodes, name and address of each, as {members[0]}/node.toml says them)"
        )
    if members:
        return f"{directory} was left by an `up` that was cut off, before any node ran: remove it and try again"
    held = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
    if held:
        return f"{directory} is not empty and holds no cluster (it holds {held[0]}); name another --dir"
    return f"{directory} holds no cluster; `trilemma up --dir {directory}` makes one"


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
        found: dict[str, Any] = json.loads((directory / CLUSTER).read_text())
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise NoClusterError(why_no_cluster(directory)) from problem
    except OSError as problem:
        raise NoClusterError(f"{directory / CLUSTER}: {problem.strerror}") from problem
    except ValueError as problem:
        raise NoClusterError(f"{directory / CLUSTER} is damaged: {problem}") from problem
    return found


def connect(address: str, **options: Any) -> redis.Redis:
    """Return a client that never retries: what happened is told as it is.

    Without a `password` it gives the one of the environment; as with redis-cli, a node that has none is used without.
    """
    host, port = split_address(address)
    chosen: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "decode_responses": True, **options}
    if not chosen.get("password") and os.environ.get(PASSWORD):
        chosen |= {"password": os.environ[PASSWORD], "redis_connect_func": _log_in}
    return redis.Redis(host=host, port=port, **chosen)


def _log_in(connection: Any) -> None:
    """Begin a connection, without the password where the node has none: it is meant for another."""
    try:
        connection.on_connect()
    except redis.AuthenticationError as problem:
        if "without any password configured" not in str(problem):
            raise
        connection.credential_provider = connection.username = connection.password = None
        connection.on_connect()


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
