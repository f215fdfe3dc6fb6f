"""`serve`: one node."""

from pathlib import Path
from typing import Annotated

import typer

from trilemma.cli.console import refuse
from trilemma.lab.desk import Desk
from trilemma.runtime.config import ConfigError, load, member_ids
from trilemma.runtime.listening import StartRefused
from trilemma.runtime.process import serve as run_node
from trilemma.runtime.refusal import DataDamaged


def serve(
    config: Annotated[Path, typer.Option(help="The node's TOML file (docs/configuration.md).")],
) -> None:
    """Run one node until SIGTERM or SHUTDOWN."""
    try:
        found = load(config)
        desk = Desk(found.me.id, member_ids(found)) if found.lab else None
        run_node(found, desk, config)
    except (ConfigError, StartRefused, DataDamaged) as problem:
        refuse(str(problem))
