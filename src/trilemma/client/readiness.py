"""Whether the nodes that a supervisor started serve: they themselves, not whoever else answers at their addresses."""

import time
from pathlib import Path
from typing import Any

import redis

from trilemma.client import control
from trilemma.client.identity import NotOwnError, own_client

READY_S = 60.0
"""How long nodes may take to serve: recovery of a long log on a busy machine, and an election."""

POLL_S = 0.05
SOCKET_S = 3.0


class NotReadyError(control.NoClusterError):
    """A node does not serve; the text gives its own reason."""


def wait_until_own_serve(directory: Path, seconds: float = READY_S) -> None:
    """Wait until every node of a directory's supervisor answers for the keyspace `default`.

    Raises:
        NotReadyError: a node has ended, or does not serve in time, or the supervisor was stopped; at once where no
            waiting can help.
    """
    end = time.monotonic() + seconds
    for name, address in control.nodes(directory).items():
        while (why := _lack(directory, name, address)) is not None:
            nodes = _nodes_of_supervisor(directory)
            if time.monotonic() > end:
                raise NotReadyError(
                    f"{name} at {address} does not serve after {seconds:g} s: {why}{_said(nodes[name])}"
                )
            time.sleep(POLL_S)


def _lack(directory: Path, name: str, address: str) -> str | None:
    """Return why a node does not serve yet, None where it does."""
    try:
        with own_client(directory, name, address, socket_timeout=SOCKET_S) as client:
            client.exists("ready")
    except (NotOwnError, redis.RedisError) as problem:
        return str(problem)
    return None


def _nodes_of_supervisor(directory: Path) -> dict[str, dict[str, Any]]:
    """Return what the supervisor says of each node, while they all run."""
    try:
        answer = control.ask(directory, "status")
    except control.NoClusterError:
        answer = {"stopping": True}  # and it has ended since
    if answer["stopping"]:
        raise NotReadyError(f"the cluster in {directory} was stopped before it served")
    nodes = {str(node["name"]): node for node in answer["nodes"]}
    for name, node in nodes.items():
        if node["pid"] is None:
            raise NotReadyError(f"{name} did not start: {node['state']}{_said(node)}")
    return nodes


def _said(node: dict[str, Any]) -> str:
    return f"; the last that it logged: {node['said']}" if node["said"] else "; it logged nothing"
