"""`serve`, `up`, `down`, `status`: nodes and local clusters."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import redis
import typer
from rich.live import Live

from trilemma.cli.console import DEFAULT_DIRECTORY, AsJson, Directory, console, print_json, refuse
from trilemma.cli.status_table import status_table as _table
from trilemma.client import control
from trilemma.client.layout import NodePlace, lay_out, places
from trilemma.client.supervisor import Supervisor
from trilemma.lab.desk import Desk
from trilemma.runtime.config import ConfigError, load, member_ids
from trilemma.runtime.listening import StartRefused
from trilemma.runtime.process import serve as run_node

NODES_MAX = 9
STATUS_INTERVAL_S = 1.0
DETACH_S = 25.0


def serve(
    config: Annotated[Path, typer.Option(help="The node's TOML file (docs/configuration.md).")],
) -> None:
    """Run one node until SIGTERM or SHUTDOWN."""
    try:
        found = load(config)
        desk = Desk(found.me.id, member_ids(found)) if found.lab else None
        run_node(found, desk, config)
    except (ConfigError, StartRefused) as problem:
        refuse(str(problem))


def up(
    nodes: Annotated[int, typer.Option(min=1, max=NODES_MAX, help="How many nodes.")] = 3,
    directory: Directory = DEFAULT_DIRECTORY,
    base_port: Annotated[int, typer.Option(min=1, max=50_000, help="Client ports count up from here.")] = 7001,
    default_mode: Annotated[str, typer.Option(help="The mode of the keyspace `default`: cp, ap or ca.")] = "cp",
    lab: Annotated[bool, typer.Option("--lab", help="Allow LAB: cut, slow and lossy links.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running; `trilemma down` ends it.")] = False,
    as_json: AsJson = False,
    segment_bytes: Annotated[int, typer.Option(hidden=True)] = 16 << 20,
) -> None:
    """Start a local cluster: node processes with disks of their own, under a supervisor."""
    if default_mode not in ("cp", "ap", "ca"):
        refuse("--default-mode is cp, ap or ca")
    directory = directory.resolve()
    members = places(nodes, base_port)
    try:
        control.ask(directory, "status")
    except control.NoClusterError:
        pass
    else:
        refuse(f"a cluster runs in {directory} already; `trilemma down --dir {directory}` ends it")
    if detach:
        _detach(directory, members, sys.argv[1:])
        _greet(directory, members, as_json)
        return
    lay_out(directory, members, default_mode, lab=lab, segment_bytes=segment_bytes)
    addresses = {member.name: member.address for member in members}

    async def run() -> None:
        loop = asyncio.get_running_loop()

        def ready() -> None:
            loop.run_in_executor(None, _announce, directory, members, addresses, as_json)

        await Supervisor(directory, members).run(ready)

    asyncio.run(run())


def _announce(directory: Path, members: list[NodePlace], addresses: dict[str, str], as_json: bool) -> None:
    try:
        control.wait_until_ready(addresses)
        _greet(directory, members, as_json)
    except control.NoClusterError as problem:
        console.print(f"[red]{problem}[/]; see the logs in {directory}")


def _detach(directory: Path, members: list[NodePlace], words: list[str]) -> None:
    rest = [word for word in words if word != "--detach"]
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "supervisor.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "trilemma", *rest], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    try:
        control.wait_until_ready({member.name: member.address for member in members}, DETACH_S)
    except control.NoClusterError as problem:
        ended = child.poll()
        refuse(
            f"{problem}"
            + (f"; the supervisor ended with {ended}" if ended is not None else "")
            + f"; logs: {directory}"
        )


def _greet(directory: Path, members: list[NodePlace], as_json: bool) -> None:
    if as_json:
        print_json({"dir": str(directory), "nodes": {member.name: member.address for member in members}})
        return
    console.print(f"[bold green]{len(members)} nodes are up.[/] Any Redis client, any node:")
    for member in members:
        console.print(f"  {member.name}  redis-cli -p {member.port}")
    console.print(f"[dim]trilemma status --dir {directory} · trilemma down --dir {directory}[/]", soft_wrap=True)


def down(directory: Directory = DEFAULT_DIRECTORY) -> None:
    """Stop a local cluster: every node hands over and flushes."""
    directory = directory.resolve()
    try:
        control.ask(directory, "stop")
    except control.NoClusterError as problem:
        refuse(str(problem))
    end = time.monotonic() + DETACH_S
    while time.monotonic() < end:
        try:
            control.ask(directory, "status")
        except control.NoClusterError:
            console.print("The cluster is down.")
            return
        time.sleep(0.05)
    refuse(f"the cluster in {directory} does not stop; see its logs")


def status(
    directory: Directory = DEFAULT_DIRECTORY,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every second.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show nodes, keyspaces, leaders, lag and links; exit status 1 where no node answers."""
    directory = directory.resolve()
    try:
        if watch:
            with Live(_table(gather(directory)), console=console) as live:
                while True:
                    time.sleep(STATUS_INTERVAL_S)
                    live.update(_table(gather(directory)))
        found = gather(directory)
    except control.NoClusterError as problem:
        refuse(str(problem))
    except KeyboardInterrupt:
        raise typer.Exit from None
    if as_json:
        print_json(found)
    else:
        console.print(_table(found))
    if not any(node["answers"] for node in found["nodes"].values()):
        raise typer.Exit(1)


def gather(directory: Path) -> dict[str, Any]:
    """Return what every node says of itself, and what the supervisor says of its process."""
    try:
        processes = {node["name"]: node for node in control.ask(directory, "status")["nodes"]}
    except control.NoClusterError:
        processes = {}
    found: dict[str, Any] = {}
    for name, address in control.nodes(directory).items():
        found[name] = {"address": address, "process": processes.get(name, {}).get("state", "not supervised")}
        found[name] |= _ask_node(address)
    return {"dir": str(directory), "nodes": found}


def _ask_node(address: str) -> dict[str, Any]:
    try:
        with control.connect(address, socket_timeout=1, socket_connect_timeout=1) as client:
            sections = {name: client.info(name) for name in ("links", "keyspaces", "replication", "lag")}
    except redis.RedisError as problem:
        return {"answers": False, "why": str(problem)}
    return {"answers": True, **sections}
