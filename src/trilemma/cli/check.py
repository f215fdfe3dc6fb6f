"""`trilemma check`: histories and running stores, judged. Exit status 0, 1 or 2: valid, invalid, unknown."""

import typer

from trilemma.cli import check_history, check_run

app = typer.Typer(
    help="What a store really promises: judge a history, or drive and disturb a store and judge what came of it.",
    no_args_is_help=True,
)

app.command(cls=check_history.JudgingCommand)(check_history.history)
app.command()(check_run.run)
app.command()(check_run.compare)
