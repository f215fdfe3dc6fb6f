"""The commands, put together."""

import typer

from trilemma.cli import check, cluster, demo, keyspaces, labs, simulator, trials
from trilemma.cli.guard import GuardedGroup
from trilemma.cli.lint import lint
from trilemma.cli.status import status
from trilemma.version import __version__

app = typer.Typer(
    cls=GuardedGroup,
    help="A key-value store in which the CAP trade-off is a setting of each keyspace.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def version(show: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    """Say which version this is."""
    if show:
        typer.echo(f"trilemma {__version__}")
        raise typer.Exit


app.command()(cluster.serve)
app.command()(cluster.up)
app.command()(cluster.down)
app.command()(status)
app.command()(demo.demo)
app.add_typer(check.app, name="check")
app.add_typer(keyspaces.app, name="keyspace")
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(labs.lab)
app.command()(lint)
app.add_typer(simulator.app, name="sim")
app.add_typer(trials.app, name="trial")
app.command()(trials.bench)
