"""`trilemma lab`: faults on a live cluster, on links by the nodes, on processes by the supervisor."""

from pathlib import Path

import redis
import typer
from rich.markup import escape

from trilemma.cli.console import DEFAULT_DIRECTORY, Address, Directory, console, refuse
from trilemma.cli.nodes import reached
from trilemma.client import control

PATIENCE = {"socket_timeout": 3, "socket_connect_timeout": 1}
LINK_WORDS = {
    "cut": "<where>           nothing passes",
    "slow": "<where> 80ms      what passes is that late",
    "loss": "<where> 10%       so much is lost",
    "heal": "[<where>]         as if nothing had been",
    "status": "                 faults in force, nodes that do not run",
}
PROCESS_WORDS = {
    "pause": "<node>            it stands still (SIGSTOP)",
    "resume": "<node>            it goes on",
    "kill": "<node>            it ends at once (SIGKILL)",
    "start": "<node>            it runs again",
    "restart": "<node>            kill, then start",
}
PLACES = "<where>: n3 (all its links), n1-n2 (both ways), 'n1>n2' (one way)"


def lab(context: typer.Context, directory: Directory = DEFAULT_DIRECTORY, node: Address = "") -> None:
    """Inject faults: cut, slow, loss, heal, status on links; pause, resume, kill, start, restart of a node.

    Faults need a cluster started with `up --lab`; resume, start and restart do not. Faults of links go to any node of
    --dir, or to --node; those of processes to the supervisor of --dir, and are refused with --node.

    trilemma lab cut n3 · cut 'n1>n2' · slow n1-n2 80ms · loss n1-n2 10% · heal · status · kill n3 · start n3 · help
    """
    words = list(context.args)
    directory = directory.resolve()
    known = ", ".join([*LINK_WORDS, *PROCESS_WORDS])
    if not words:
        refuse(f"say what to do: {known}; `trilemma lab help` explains them")
    verb = words[0].lower()
    try:
        if verb == "help":
            _help()
        elif verb in PROCESS_WORDS:
            _process(directory, node, verb, words[1:])
        elif verb in LINK_WORDS:
            _links(directory, node, words)
        else:
            refuse(f"{words[0]!r} is none of {known}; `trilemma lab help` explains them")
    except (control.NoClusterError, redis.RedisError) as problem:
        refuse(str(problem))


def _help() -> None:
    for verb, rest in (LINK_WORDS | PROCESS_WORDS).items():
        console.print(f"trilemma lab {verb:7} {rest}", markup=False)
    console.print(PLACES, markup=False)


def _process(directory: Path, node: str, verb: str, words: list[str]) -> None:
    """Have the supervisor of a directory do it. A node given by --node may be of another cluster, and rules no process.

    What was meant for that one must not happen to the cluster of a directory that nobody named.
    """
    if node:
        refuse(
            f"{verb} is done by the supervisor of a cluster that `trilemma up` started, named by --dir; {node} cannot "
            "do it: leave out --node. What is under no supervisor, stop by its process id"
        )
    if len(words) != 1:
        refuse(f"the form is: trilemma lab {verb} n3")
    answer = control.ask(directory, verb, words[0])["node"]
    console.print(escape(f"{answer['name']}: {answer['state']}"))


def _links(directory: Path, node: str, words: list[str]) -> None:
    with reached(directory, node, **PATIENCE) as client:
        answer = client.execute_command("LAB", *words)  # type: ignore[no-untyped-call]
    lines = list(answer) if isinstance(answer, list) else [str(answer)]
    if [word.lower() for word in words] == ["status"]:
        lines = [*lines, *_not_running(directory, node)] or ["no faults"]
    for line in lines:
        console.print(line, markup=False)


def _not_running(directory: Path, node: str) -> list[str]:
    """Return the processes that do not run, as the supervisor tells; none where an address says whom to ask."""
    told = None if ":" in node else control.answer_of(directory, "status")
    nodes = told["nodes"] if told is not None else []
    return [f"{each['name']}: {each['state']}" for each in nodes if each["state"] != "running"]
