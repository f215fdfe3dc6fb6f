"""`status`: what every node says of itself, and what there is of its process."""

import time
from pathlib import Path
from typing import Annotated, Any

import redis
import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from trilemma.base.sentence_field import with_reasons
from trilemma.cli.console import DEFAULT_DIRECTORY, AsJson, Directory, console, print_json, refuse
from trilemma.cli.nodes import wants_password
from trilemma.cli.status_table import status_table
from trilemma.client import control
from trilemma.client.identity import NotOwnError, own_client
from trilemma.client.leftover import left_nodes
from trilemma.runtime.address import join_address, split_address

STATUS_INTERVAL_S = 1.0
ANSWER_S = 1.0
SECTIONS = ("links", "peers", "keyspaces", "replication", "lag")


def status(
    directory: Directory = DEFAULT_DIRECTORY,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every second.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show nodes, keyspaces, leaders, lag and links; exit status 1 where no node answers."""
    directory = directory.resolve()
    try:
        if watch:
            with Live(_shown(gather(directory)), console=console) as live:
                while True:
                    time.sleep(STATUS_INTERVAL_S)
                    live.update(_shown(gather(directory)))
        found = gather(directory)
    except control.NoClusterError as problem:
        refuse(str(problem))
    except KeyboardInterrupt:
        raise typer.Exit from None
    if as_json:
        print_json(found)
    else:
        console.print(status_table(found))
        console.print(_asides(found), soft_wrap=True)  # so that paths and commands stay whole
    if not any(node["answers"] for node in found["nodes"].values()):
        raise typer.Exit(1)


def _shown(found: dict[str, Any]) -> RenderableType:
    return Group(status_table(found), _asides(found))


def _asides(found: dict[str, Any]) -> RenderableType:
    """Return who answers in a node's place, who asks for a password, and what to do where no supervisor runs."""
    told = [node for node in found["nodes"].values() if node["is_taken"] or node.get("is_locked")]
    return Group(
        *(Text(node["why"], style="red") for node in told),
        *([Text(found["advice"], style="yellow")] if found["advice"] else []),
    )


def gather(directory: Path) -> dict[str, Any]:
    """Return what every node says of itself, what there is of its process, and what to do where no supervisor runs.

    Raises:
        NoClusterError: the directory is none of a cluster.
    """
    addresses = control.nodes(directory)
    told = control.answer_of(directory, "status")
    processes = _supervised(told["nodes"]) if told is not None else _unsupervised(directory)
    found: dict[str, Any] = {}
    for name, address in addresses.items():
        process = processes.get(name, {"process": "down", "pid": None, "said": ""})
        found[name] = {"address": address} | process | _ask_node(directory, name, address)
        if told is None and found[name]["answers"] and found[name]["pid"] is None:
            found[name]["process"] = "not seen here"  # it runs elsewhere, or as another user
    is_down = told is None and not any(node["answers"] for node in found.values())
    advice = control.why_not_running(directory) if is_down or (told is None and processes) else ""
    return {"dir": str(directory), "supervised": told is not None, "advice": advice, "nodes": found}


def _supervised(nodes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {node["name"]: {"process": node["state"], "pid": node["pid"], "said": node["said"]} for node in nodes}


def _unsupervised(directory: Path) -> dict[str, dict[str, Any]]:
    left = left_nodes(directory)
    return {node.name: {"process": "left over", "pid": node.pid, "said": ""} for node in left}


def _ask_node(directory: Path, name: str, address: str) -> dict[str, Any]:
    try:
        with own_client(directory, name, address, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S) as client:
            sections = {name: with_reasons(client.info(name)) for name in SECTIONS}
            port = client.info("server").get("metrics_port", 0)
    except NotOwnError as problem:
        return {"answers": False, "why": str(problem), "is_taken": True}
    except redis.AuthenticationError as problem:
        return {
            "answers": False,
            "why": wants_password(f"{name} at {address}", problem),
            "is_taken": False,
            "is_locked": True,
        }
    except redis.RedisError as problem:
        return {"answers": False, "why": str(problem), "is_taken": False}
    metrics = join_address(split_address(address)[0], port) if port else None
    return {"answers": True, "is_taken": False, "metrics": metrics, **sections}
