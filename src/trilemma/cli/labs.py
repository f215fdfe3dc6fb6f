"""`trilemma lab`: faults on a live cluster, on links by the nodes, on processes by the supervisor."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import redis
import typer

from trilemma.cli.console import DEFAULT_DIRECTORY, Address, Directory, console, refuse
from trilemma.client import control
from trilemma.client.identity import NotOwnError, own_client

PATIENCE = {"socket_timeout": 3, "socket_connect_timeout": 1}
PROCESS_FAULTS = ("pause", "resume", "kill", "restart", "start")


def lab(context: typer.Context, directory: Directory = DEFAULT_DIRECTORY, node: Address = "") -> None:
    """Inject faults: cut, slow, loss, heal, status on links; pause, resume, kill, start, restart of a node.

    trilemma lab cut n3 · cut 'n1>n2' · slow n1-n2 80ms · loss n1-n2 10% · heal · status · kill n3 · start n3
    """
    words = list(context.args)
    directory = directory.resolve()
    if not words:
        refuse("say what to do: cut, slow, loss, heal, status, pause, resume, kill, start, restart")
    try:
        if words[0].lower() in PROCESS_FAULTS:
            _process(directory, words)
        else:
            _links(directory, node, words)
    except (control.NoClusterError, redis.RedisError) as problem:
        refuse(str(problem))


def _process(directory: Path, words: list[str]) -> None:
    if len(words) != 2:
        refuse(f"the form is: trilemma lab {words[0]} n3")
    answer = control.ask(directory, words[0].lower(), words[1])["node"]
    console.print(f"{answer['name']}: {answer['state']}")


def _links(directory: Path, node: str, words: list[str]) -> None:
    problem: redis.RedisError | control.NoClusterError | None = None
    for client_of in _clients(directory, node):
        try:
            with client_of as client:
                answer = client.execute_command("LAB", *words)  # type: ignore[no-untyped-call]
        except (redis.ConnectionError, redis.TimeoutError, NotOwnError) as found:
            problem = found
            continue
        for line in answer if isinstance(answer, list) else [answer]:
            console.print(line)
        return
    raise problem or control.NoClusterError("no node answers")


def _clients(directory: Path, node: str) -> Iterator[AbstractContextManager[redis.Redis]]:
    """Return clients of the node named, of all nodes for none."""
    addresses = control.nodes(directory)
    if node and node not in addresses:
        yield control.connect(node, **PATIENCE)
        return
    for name in [node] if node else addresses:
        yield own_client(directory, name, addresses[name], **PATIENCE)
