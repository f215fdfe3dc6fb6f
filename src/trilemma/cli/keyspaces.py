"""`trilemma keyspace`: KEYSPACE for people at a shell."""

from pathlib import Path
from typing import Annotated, Any

import redis
import typer
from rich.markup import escape
from rich.table import Table

from trilemma.cli.console import DEFAULT_DIRECTORY, Address, AsJson, Directory, console, print_json, refuse
from trilemma.cli.nodes import reached
from trilemma.client import control

PATIENCE = {"socket_timeout": 30, "socket_connect_timeout": 1}
"""In s. CREATE and DROP may wait for every node; a node that stands still is not waited for without end."""

COLUMNS = ("name", "mode", "replicas", "leader", "write", "read", "durability", "ms")
"""What `list` shows, in 80 columns; `ms` is the time-out. A list of five replicas takes two lines."""

app = typer.Typer(help="Make, change and look at keyspaces.", no_args_is_help=True)


def _ask(directory: Path, node: str, *words: str) -> Any:
    try:
        with reached(directory.resolve(), node, **PATIENCE) as client:
            return client.execute_command("KEYSPACE", *words)  # type: ignore[no-untyped-call]
    except (control.NoClusterError, redis.RedisError) as problem:
        refuse(str(problem))


def _options(**given: object) -> list[str]:
    return [word for name, value in given.items() if value is not None for word in (name.upper(), str(value))]


@app.command()
def create(
    name: str,
    mode: Annotated[str, typer.Option(help="cp, ap or ca.")],
    replicas: Annotated[int | None, typer.Option(help="How many nodes hold it.")] = None,
    write: Annotated[str | None, typer.Option(help="majority, all, or a number (ap).")] = None,
    read: Annotated[str | None, typer.Option(help="linearizable, lease, local; ap: majority, all, a number.")] = None,
    durability: Annotated[str | None, typer.Option(help="sync, or everysec (ap).")] = None,
    timeout: Annotated[int | None, typer.Option(help="How long a request may wait, in ms.")] = None,
    directory: Directory = DEFAULT_DIRECTORY,
    node: Address = "",
) -> None:
    """Make a keyspace."""
    options = _options(replicas=replicas, write=write, read=read, durability=durability, timeout=timeout)
    console.print(_ask(directory, node, "CREATE", name, "MODE", mode, *options))


@app.command()
def alter(
    name: str,
    write: Annotated[str | None, typer.Option(help="majority, all, or a number (ap).")] = None,
    read: Annotated[str | None, typer.Option(help="linearizable, lease, local; ap: majority, all, a number.")] = None,
    durability: Annotated[str | None, typer.Option(help="sync, or everysec (ap).")] = None,
    timeout: Annotated[int | None, typer.Option(help="How long a request may wait, in ms.")] = None,
    directory: Directory = DEFAULT_DIRECTORY,
    node: Address = "",
) -> None:
    """Change settings of a keyspace."""
    options = _options(write=write, read=read, durability=durability, timeout=timeout)
    if not options:
        refuse("name a setting to change")
    console.print(_ask(directory, node, "ALTER", name, *options))


@app.command()
def drop(name: str, directory: Directory = DEFAULT_DIRECTORY, node: Address = "") -> None:
    """Delete a keyspace and its keys."""
    console.print(_ask(directory, node, "DROP", name))


@app.command()
def lead(name: str, leader: str, directory: Directory = DEFAULT_DIRECTORY, node: Address = "") -> None:
    """Have the node LEADER lead a keyspace, cp or ca; --node is who is asked."""
    console.print(_ask(directory, node, "LEAD", name, leader))


@app.command("list")
def list_(directory: Directory = DEFAULT_DIRECTORY, node: Address = "", as_json: AsJson = False) -> None:
    """Name all keyspaces, with who holds and leads them and their settings; ms is the time-out."""
    found = [_info(directory, node, name) for name in _ask(directory, node, "LIST")]
    if as_json:
        print_json(found)
        return
    table = Table(padding=(0, 1, 0, 0), pad_edge=False)
    for column in COLUMNS:
        is_wrapped = column in ("name", "replicas", "leader")
        table.add_column(column, no_wrap=not is_wrapped, overflow="fold" if is_wrapped else "ellipsis")
    for facts in found:
        table.add_row(*map(escape, _row(facts)))
    console.print(table)


def _row(facts: dict[str, Any]) -> list[str]:
    leaders = "-" if facts["mode"] == "ap" else " ".join(name or "?" for name in facts["leaders"])
    settings = [str(facts[field]) for field in ("write", "read", "durability", "timeout-ms")]
    return [facts["name"], facts["mode"], " ".join(facts["replicas"]), leaders, *settings]


@app.command()
def info(name: str, directory: Directory = DEFAULT_DIRECTORY, node: Address = "", as_json: AsJson = False) -> None:
    """Show one keyspace."""
    facts = _info(directory, node, name)
    if as_json:
        print_json(facts)
    else:
        for field, value in facts.items():
            console.print(f"{field:12} {' '.join(map(str, value)) if isinstance(value, list) else value}")


def _info(directory: Path, node: str, name: str) -> dict[str, Any]:
    found = _ask(directory, node, "INFO", name)
    return found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))
