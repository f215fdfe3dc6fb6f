"""`trilemma demo`: the scene that must always work, on three real processes."""

import typer

from trilemma.cli.console import console
from trilemma.demo.play import play


def demo() -> None:
    """Start three nodes, cut one off, heal, kill it, and judge what every keyspace promised."""
    if not play(console):
        raise typer.Exit(1)
