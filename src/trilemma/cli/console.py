"""How commands print and end."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

CANNOT = 2
DEFAULT_DIRECTORY = Path("trilemma-cluster")

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

Directory = Annotated[Path, typer.Option("--dir", help="The cluster's directory.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Address = Annotated[
    str, typer.Option("--node", help="A node: its name in --dir, or host:port; without it, any of --dir that answers.")
]


def refuse(sentence: str, as_json: bool = False) -> NoReturn:
    """End the command because it cannot be done: with a line for people, or an object with `error` for programs."""
    if as_json:
        print_json({"error": sentence})
        raise typer.Exit(CANNOT)
    errors.print(f"[bold red]trilemma:[/] {escape(sentence)}", soft_wrap=True)
    raise typer.Exit(CANNOT)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
