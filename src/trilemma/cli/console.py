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

console = Console(highlight=False, emoji=False)
errors = Console(stderr=True, highlight=False, emoji=False)

Directory = Annotated[Path, typer.Option("--dir", help="The cluster's directory.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Address = Annotated[
    str, typer.Option("--node", help="A node: its name in --dir, or host:port; without it, any of --dir that answers.")
]


class Refusal(typer.Exit):
    """A command cannot be done. It is said in one place (`guard`), which knows who reads it."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(status)
        self.sentence = sentence


def refuse(sentence: str, status: int = CANNOT) -> NoReturn:
    """End the command because it cannot be done."""
    raise Refusal(sentence, status)


def say_why(sentence: str, as_json: bool) -> None:
    """Say why a command failed: with a line for people, or an object with `error` for programs."""
    if as_json:
        print_json({"error": sentence})
    else:
        errors.print(f"[bold red]trilemma:[/] {escape(sentence)}", soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
