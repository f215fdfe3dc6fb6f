"""`trilemma check`: histories and running stores, judged. Exit status 0, 1 or 2: valid, invalid, unknown."""

import typer

from trilemma.cli import check_run

app = typer.Typer(help="What a store really promises: judge histories, or drive and disturb it.", no_args_is_help=True)

app.command()(check_run.run)
app.command()(check_run.compare)
