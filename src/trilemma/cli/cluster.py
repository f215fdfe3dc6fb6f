"""`up`, `down`: local clusters."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from trilemma.cli.console import DEFAULT_DIRECTORY, AsJson, Directory, console, print_json, refuse
from trilemma.client import control
from trilemma.client.layout import LayoutRefused
from trilemma.client.leftover import STOP_S, LeftNode, end, left_nodes
from trilemma.client.readiness import READY_S, wait_until_own_serve
from trilemma.client.standing import BASE_PORT, DEFAULT_MODE, NODES, Standing, Wanted, prepare
from trilemma.client.supervisor import Supervisor

NODES_MAX = 9
DEGRADED = 1
"""The exit status of `up` where a majority serves, and others do not."""
DOWN_S = 25.0
POLL_S = 0.05


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
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=50_000, help=f"Ports of /metrics count up from here; 0 for none. {_new('none')}"),
    ] = None,
    lab: Annotated[
        bool | None,
        typer.Option(
            help=f"Allow faults: LAB (cut, slow, lossy links), `lab kill`, `lab pause`. {_new('no')}",
            show_default=False,
        ),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running; `trilemma down` ends it.")] = False,
    wait: Annotated[
        float,
        typer.Option(min=0, help="Seconds that the nodes may take to serve. Without a majority then, all are stopped."),
    ] = READY_S,
    as_json: AsJson = False,
    segment_bytes: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Start a local cluster: node processes with disks of their own, under a supervisor.

    A cluster that --dir holds already is started again as it stands. Exit status: 0 where all nodes serve, 1 where a
    majority does and the others are named, 2 where no majority does and all were stopped.
    """
    directory = directory.resolve()
    try:
        if default_mode not in (None, "cp", "ap", "ca"):
            raise LayoutRefused("--default-mode is cp, ap or ca")
        _check_none_runs(directory)
        cluster = prepare(directory, Wanted(nodes, base_port, default_mode, lab, segment_bytes, metrics_port))
        if detach:
            lacking = _detach(directory, wait)
            _greet(directory, cluster, lacking, as_json)
        else:
            lacking = asyncio.run(_supervise(directory, cluster, wait, as_json))
    except (LayoutRefused, control.NoClusterError) as problem:
        refuse(str(problem))
    if lacking:
        raise typer.Exit(DEGRADED)


def _check_none_runs(directory: Path) -> None:
    """Refuse where the directory's cluster runs, or nodes of it do that have lost their supervisor."""
    if control.answer_of(directory, "status") is not None:
        raise control.NoClusterError(
            f"a cluster runs in {directory} already; `trilemma down --dir {directory}` ends it"
        )
    left = left_nodes(directory)
    if left:
        raise control.NoClusterError(control.of_left(directory, left))


async def _supervise(directory: Path, cluster: Standing, wait: float, as_json: bool) -> dict[str, str]:
    """Run the supervisor; greet when a majority serves, stop all nodes when none does.

    Returns:
        Why nodes did not serve when it greeted, by name.
    """
    supervisor = Supervisor(directory, cluster.members, has_lab=cluster.lab)
    watches: list[asyncio.Task[None]] = []

    async def watch() -> None:
        try:
            supervisor.lacking = await asyncio.to_thread(wait_until_own_serve, directory, wait)
            supervisor.is_ready = True
            _greet(directory, cluster, supervisor.lacking, as_json)
        except control.NoClusterError as problem:
            raise control.NoClusterError(f"{problem}; all nodes were stopped, their logs are in {directory}") from None
        finally:
            if not supervisor.is_ready:
                supervisor.stop()

    await supervisor.run(lambda: watches.append(asyncio.create_task(watch())))
    await asyncio.gather(*watches)
    return supervisor.lacking


def _detach(directory: Path, wait: float) -> dict[str, str]:
    """Start a supervisor that outlives this command, and wait until it says that a majority serves, or ends.

    Returns:
        Why the other nodes do not serve, by name.

    Raises:
        NoClusterError: it has ended, and has stopped all nodes; with its last line.
    """
    with (directory / "supervisor.log").open("ab") as log:
        begin = log.tell()
        child = subprocess.Popen(
            [sys.executable, "-m", "trilemma", "up", "--dir", str(directory), "--wait", str(wait)],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    lacking: dict[str, str] | None = None
    try:
        while (lacking := _lacking(directory, child.pid)) is None:
            if child.poll() is not None:
                said = (directory / "supervisor.log").read_bytes()[begin:].decode("utf-8", "replace").splitlines()
                sentence = said[-1].removeprefix("trilemma: ") if said else "it said nothing"
                raise control.NoClusterError(f"{sentence} (the supervisor ended with {child.returncode})")
            time.sleep(POLL_S)
    finally:
        # Also where the user gave up waiting: what is not up is not left behind. It stops its nodes before it ends.
        if lacking is None:
            child.terminate()
            child.wait()
    return lacking


def _lacking(directory: Path, supervisor: int) -> dict[str, str] | None:
    """Return what a supervisor says of nodes that do not serve; None while it does not say that a majority does."""
    told = control.answer_of(directory, "status")
    if told is None or not told["ready"] or told["pid"] != supervisor:
        return None
    return dict(told["lacking"])


def _greet(directory: Path, cluster: Standing, lacking: dict[str, str], as_json: bool) -> None:
    members = cluster.members
    if as_json:
        told: dict[str, Any] = {"nodes": {member.name: member.address for member in members}}
        told["default_mode"] = cluster.default_mode
        told["metrics"] = {member.name: member.metrics_address for member in members if member.metrics_port}
        stands = {"lab": cluster.lab, "new": cluster.is_new, "degraded": bool(lacking), "lacking": lacking}
        print_json({"dir": str(directory), **told, **stands})
        return
    serving = [member for member in members if member.name not in lacking]
    if lacking:
        console.print(f"[bold yellow]{len(serving)} of {len(members)} nodes are up.[/] Any Redis client, any of them:")
    else:
        count = "1 node is" if len(members) == 1 else f"{len(members)} nodes are"
        console.print(f"[bold green]{count} up.[/] Any Redis client, any node:")
    for member in serving:
        metrics = f"  http://{member.metrics_address}/metrics" if member.metrics_port else ""
        console.print(f"  {member.name}  redis-cli -p {member.port}{metrics}", soft_wrap=True)
    for why in lacking.values():
        console.print(f"[yellow]{escape(why)}[/]", soft_wrap=True)
    if not cluster.is_new:
        lab = f"LAB is {'allowed' if cluster.lab else 'switched off'}{' from now on' if cluster.is_lab_changed else ''}"
        console.print(f"The cluster stood in {directory}: default mode {cluster.default_mode}, {lab}.", soft_wrap=True)
    console.print(f"[dim]trilemma status --dir {directory} · trilemma down --dir {directory}[/]", soft_wrap=True)


def down(directory: Directory = DEFAULT_DIRECTORY) -> None:
    """Stop a local cluster: every node hands over and flushes; also nodes that have lost their supervisor."""
    directory = directory.resolve()
    is_told = control.answer_of(directory, "stop") is not None
    if is_told:
        _wait_until_down(directory)
    left = left_nodes(directory)
    if left:
        _end(directory, left)
    elif not is_told:
        refuse(control.why_not_running(directory))
    console.print("The cluster is down.")


def _wait_until_down(directory: Path) -> None:
    end_s = time.monotonic() + DOWN_S
    while control.answer_of(directory, "status") is not None:
        if time.monotonic() > end_s:
            refuse(f"the cluster in {directory} does not stop; see its logs")
        time.sleep(POLL_S)


def _end(directory: Path, left: list[LeftNode]) -> None:
    """End nodes that have lost their supervisor, and say so."""
    if any(node.supervisor is not None for node in left):
        refuse(control.of_left(directory, left))
    named = ", ".join(map(str, left))
    console.print(
        f"The supervisor is gone, but {named} still {'runs' if len(left) == 1 else 'run'}: told to hand over and end.",
        soft_wrap=True,
    )
    try:
        killed = end(directory, left)
    except OSError as problem:
        refuse(f"{named}: {problem.strerror}")
    for node in killed:
        console.print(f"{node} had not ended after {STOP_S:g} s and was killed.", soft_wrap=True)
