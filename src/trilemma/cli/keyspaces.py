"""`trilemma keyspace`: KEYSPACE for people at a shell."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import redis
import typer
from rich.table import Table

from trilemma.cli.console import DEFAULT_DIRECTORY, Address, AsJson, Directory, console, print_json, refuse
from trilemma.client import control
from trilemma.client.identity import own_client

app = typer.Typer(help="Make, change and look at keyspaces.", no_args_is_help=True)


def _ask(directory: Path, node: str, *words: str) -> Any:
    try:
        with _client(directory.resolve(), node) as client:
            return client.execute_command("KEYSPACE", *words)  # type: ignore[no-untyped-call]
    except KeyError:
        refuse(f"no node {node!r} in {directory}")
    except (control.NoClusterError, redis.RedisError) as problem:
        refuse(str(problem))


def _client(directory: Path, node: str) -> AbstractContextManager[redis.Redis]:
    if ":" in node:
        return control.connect(node)
    return own_client(directory, node, control.nodes(directory)[node])


def _options(**given: object) -> list[str]:
    return [word for name, value in given.items() if value is not None for word in (name.upper(), str(value))]


@app.command()
def create(
    name: str,
    mode: Annotated[str, typer.Option(help="cp, ap or ca.")],
    replicas: Annotated[int | None, typer.Option(help="How many nodes hold it.")] = None,
    write: Annotated[str | None, typer.Option(help="majority, all, or a number (ap).")] = None,
    read: Annotated[str | None, typer.Option(help="linearizable, lease, local, or a number (ap).")] = None,
    durability: Annotated[str | None, typer.Option(help="sync, or everysec (ap).")] = None,
    timeout: Annotated[int | None, typer.Option(help="How long a request may wait, in ms.")] = None,
    directory: Directory = DEFAULT_DIRECTORY,
    node: Address = "n1",
) -> None:
    """Make a keyspace."""
    options = _options(replicas=replicas, write=write, read=read, durability=durability, timeout=timeout)
    console.print(_ask(directory, node, "CREATE", name, "MODE", mode, *options))


@app.command()
def alter(
    name: str,
    write: Annotated[str | None, typer.Option(help="majority, all, or a number (ap).")] = None,
    read: Annotated[str | None, typer.Option(help="linearizable, lease, local, or a number (ap).")] = None,
    durability: Annotated[str | None, typer.Option(help="sync, or everysec (ap).")] = None,
    timeout: Annotated[int | None, typer.Option(help="How long a request may wait, in ms.")] = None,
    directory: Directory = DEFAULT_DIRECTORY,
    node: Address = "n1",
) -> None:
    """Change settings of a keyspace."""
    options = _options(write=write, read=read, durability=durability, timeout=timeout)
    if not options:
        refuse("name a setting to change")
    console.print(_ask(directory, node, "ALTER", name, *options))


@app.command()
def drop(name: str, directory: Directory = DEFAULT_DIRECTORY, node: Address = "n1") -> None:
    """Delete a keyspace and its keys."""
    console.print(_ask(directory, node, "DROP", name))


@app.command("list")
def list_(directory: Directory = DEFAULT_DIRECTORY, node: Address = "n1", as_json: AsJson = False) -> None:
    """Name all keyspaces, with their settings."""
    found = [_info(directory, node, name) for name in _ask(directory, node, "LIST")]
    if as_json:
        print_json(found)
        return
    columns = ("name", "mode", "write", "read", "durability", "timeout-ms")
    table = Table(*columns)
    for facts in found:
        table.add_row(*(str(facts[column]) for column in columns))
    console.print(table)


@app.command()
def info(name: str, directory: Directory = DEFAULT_DIRECTORY, node: Address = "n1", as_json: AsJson = False) -> None:
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
