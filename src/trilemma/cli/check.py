"""`trilemma check`: histories and running stores, judged. Exit status: see `judging`."""

import typer

from trilemma.cli import check_convert, check_history, check_run
from trilemma.cli.judging import JudgingCommand

app = typer.Typer(
    help="What a store really promises: judge a history, or drive and disturb a store and judge what came of it.",
    no_args_is_help=True,
)

for command in (check_history.history, check_convert.convert, check_run.run, check_run.compare):
    app.command(cls=JudgingCommand)(command)
