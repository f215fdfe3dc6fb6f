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
from rich.markup import escape

from trilemma.cli.console import DEFAULT_DIRECTORY, AsJson, Directory, console, print_json, refuse
from trilemma.cli.status_table import status_table
from trilemma.client import control
from trilemma.client.identity import NotOwnError, own_client
from trilemma.client.layout import LayoutRefused
from trilemma.client.readiness import READY_S, wait_until_own_serve
from trilemma.client.standing import BASE_PORT, DEFAULT_MODE, NODES, Standing, Wanted, prepare
from trilemma.client.supervisor import Supervisor
from trilemma.lab.desk import Desk
from trilemma.runtime.config import ConfigError, load, member_ids
from trilemma.runtime.listening import StartRefused
from trilemma.runtime.process import serve as run_node

NODES_MAX = 9
STATUS_INTERVAL_S = 1.0
DOWN_S = 25.0
POLL_S = 0.05


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


def _new(default: object) -> str:
    """Return the end of an option's help: without it, a cluster that stands stays as it is."""
    return f"(A new cluster: {default}.)"


def up(
    nodes: Annotated[int | None, typer.Option(min=1, max=NODES_MAX, help=f"How many nodes. {_new(NODES)}")] = None,
    directory: Directory = DEFAULT_DIRECTORY,
    base_port: Annotated[
        int | None, typer.Option(min=1, max=50_000, help=f"Client ports count up from here. {_new(BASE_PORT)}")
    ] = None,
    default_mode: Annotated[
        str | None, typer.Option(help=f"The mode of the keyspace `default`: cp, ap or ca. {_new(DEFAULT_MODE)}")
    ] = None,
    lab: Annotated[
        bool | None, typer.Option(help=f"Allow LAB: cut, slow and lossy links. {_new('no')}", show_default=False)
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running; `trilemma down` ends it.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds that the nodes may take to serve; then all are stopped.")
    ] = READY_S,
    as_json: AsJson = False,
    segment_bytes: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Start a local cluster: node processes with disks of their own, under a supervisor.

    A cluster that --dir holds already is started again as it stands.
    """
    if default_mode not in (None, "cp", "ap", "ca"):
        refuse("--default-mode is cp, ap or ca")
    directory = directory.resolve()
    if _is_supervised(directory):
        refuse(f"a cluster runs in {directory} already; `trilemma down --dir {directory}` ends it")
    try:
        cluster = prepare(directory, Wanted(nodes, base_port, default_mode, lab, segment_bytes))
        if detach:
            _detach(directory, wait)
            _greet(directory, cluster, as_json)
        else:
            asyncio.run(_supervise(directory, cluster, wait, as_json))
    except (LayoutRefused, control.NoClusterError) as problem:
        refuse(str(problem))


async def _supervise(directory: Path, cluster: Standing, wait: float, as_json: bool) -> None:
    """Run the supervisor; greet when all nodes serve, stop them all when they do not."""
    supervisor = Supervisor(directory, cluster.members)
    watches: list[asyncio.Task[None]] = []

    async def watch() -> None:
        try:
            await asyncio.to_thread(wait_until_own_serve, directory, wait)
            supervisor.is_ready = True
            _greet(directory, cluster, as_json)
        except control.NoClusterError as problem:
            raise control.NoClusterError(f"{problem}; all nodes were stopped, their logs are in {directory}") from None
        finally:
            if not supervisor.is_ready:
                supervisor.stop()

    await supervisor.run(lambda: watches.append(asyncio.create_task(watch())))
    await asyncio.gather(*watches)


def _detach(directory: Path, wait: float) -> None:
    """Start a supervisor that outlives this command, and wait until it says that all nodes serve, or ends.

    Raises:
        NoClusterError: it has ended, and has stopped all nodes; with its last line.
    """
    with (directory / "supervisor.log").open("ab") as log:
        begin = log.tell()
        child = subprocess.Popen(
            [sys.executable, "-m", "trilemma", "up", "--dir", str(directory), "--wait", str(wait)],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    is_ready = False
    try:
        while not (is_ready := _is_ready(directory, child.pid)):
            if child.poll() is not None:
                said = (directory / "supervisor.log").read_bytes()[begin:].decode("utf-8", "replace").splitlines()
                sentence = said[-1].removeprefix("trilemma: ") if said else "it said nothing"
                raise control.NoClusterError(f"{sentence} (the supervisor ended with {child.returncode})")
            time.sleep(POLL_S)
    finally:
        # Also where the user gave up waiting: what is not up is not left behind. It stops its nodes before it ends.
        if not is_ready:
            child.terminate()
            child.wait()


def _is_supervised(directory: Path) -> bool:
    try:
        control.ask(directory, "status")
    except control.NoClusterError:
        return False
    return True


def _is_ready(directory: Path, supervisor: int) -> bool:
    try:
        told = control.ask(directory, "status")
    except control.NoClusterError:
        return False
    return bool(told["ready"]) and told["pid"] == supervisor


def _greet(directory: Path, cluster: Standing, as_json: bool) -> None:
    members = cluster.members
    if as_json:
        told = {"nodes": {member.name: member.address for member in members}, "default_mode": cluster.default_mode}
        print_json({"dir": str(directory), **told, "lab": cluster.lab, "new": cluster.is_new})
        return
    count = "1 node is" if len(members) == 1 else f"{len(members)} nodes are"
    console.print(f"[bold green]{count} up.[/] Any Redis client, any node:")
    for member in members:
        console.print(f"  {member.name}  redis-cli -p {member.port}")
    if not cluster.is_new:
        lab = f"LAB is {'allowed' if cluster.lab else 'switched off'}{' from now on' if cluster.is_lab_changed else ''}"
        console.print(f"The cluster stood in {directory}: default mode {cluster.default_mode}, {lab}.", soft_wrap=True)
    console.print(f"[dim]trilemma status --dir {directory} · trilemma down --dir {directory}[/]", soft_wrap=True)


def down(directory: Directory = DEFAULT_DIRECTORY) -> None:
    """Stop a local cluster: every node hands over and flushes."""
    directory = directory.resolve()
    try:
        control.ask(directory, "stop")
    except control.NoClusterError as problem:
        refuse(str(problem))
    end = time.monotonic() + DOWN_S
    while time.monotonic() < end:
        if not _is_supervised(directory):
            console.print("The cluster is down.")
            return
        time.sleep(POLL_S)
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
            with Live(status_table(gather(directory)), console=console) as live:
                while True:
                    time.sleep(STATUS_INTERVAL_S)
                    live.update(status_table(gather(directory)))
        found = gather(directory)
    except control.NoClusterError as problem:
        refuse(str(problem))
    except KeyboardInterrupt:
        raise typer.Exit from None
    if as_json:
        print_json(found)
    else:
        console.print(status_table(found))
        for node in found["nodes"].values():
            if node["is_taken"]:
                console.print(f"[red]{escape(node['why'])}[/]", soft_wrap=True)
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
        found[name] |= _ask_node(directory, name, address)
    return {"dir": str(directory), "nodes": found}


def _ask_node(directory: Path, name: str, address: str) -> dict[str, Any]:
    try:
        with own_client(directory, name, address, socket_timeout=1, socket_connect_timeout=1) as client:
            sections = {name: client.info(name) for name in ("links", "keyspaces", "replication", "lag")}
    except NotOwnError as problem:
        return {"answers": False, "why": str(problem), "is_taken": True}
    except redis.RedisError as problem:
        return {"answers": False, "why": str(problem), "is_taken": False}
    return {"answers": True, "is_taken": False, **sections}
