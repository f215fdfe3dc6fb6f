"""The commands, put together: only what the words ask for, because loading all takes longer than most commands run."""

from collections.abc import Callable, Sequence
from typing import Final

import typer

from trilemma.cli.guard import GuardedGroup
from trilemma.version import __version__

VERSION: Final = "--version"


def version(show: bool = typer.Option(False, VERSION, help="Print the version.")) -> None:
    """Say which version this is."""
    if show:
        typer.echo(f"trilemma {__version__}")
        raise typer.Exit


def _serve(whole: typer.Typer) -> None:
    from trilemma.cli.serve import serve

    whole.command()(serve)


def _up(whole: typer.Typer) -> None:
    from trilemma.cli.cluster import up

    whole.command()(up)


def _down(whole: typer.Typer) -> None:
    from trilemma.cli.cluster import down

    whole.command()(down)


def _status(whole: typer.Typer) -> None:
    from trilemma.cli.status import status

    whole.command()(status)


def _demo(whole: typer.Typer) -> None:
    from trilemma.cli.demo import demo

    whole.command()(demo)


def _check(whole: typer.Typer) -> None:
    from trilemma.cli.check import app

    whole.add_typer(app, name="check")


def _keyspace(whole: typer.Typer) -> None:
    from trilemma.cli.keyspaces import app

    whole.add_typer(app, name="keyspace")


def _lab(whole: typer.Typer) -> None:
    from trilemma.cli.labs import lab

    whole.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(lab)


def _lint(whole: typer.Typer) -> None:
    from trilemma.cli.lint import lint

    whole.command()(lint)


def _sim(whole: typer.Typer) -> None:
    from trilemma.cli.simulator import app

    whole.add_typer(app, name="sim")


def _trial(whole: typer.Typer) -> None:
    from trilemma.cli.trials import app

    whole.add_typer(app, name="trial")


def _bench(whole: typer.Typer) -> None:
    from trilemma.cli.trials import bench

    whole.command()(bench)


PARTS: Final[dict[str, Callable[[typer.Typer], None]]] = {
    "serve": _serve,
    "up": _up,
    "down": _down,
    "status": _status,
    "demo": _demo,
    "check": _check,
    "keyspace": _keyspace,
    "lab": _lab,
    "lint": _lint,
    "sim": _sim,
    "trial": _trial,
    "bench": _bench,
}
"""What each command adds, in the order of the help."""


def build(words: Sequence[str] = ()) -> typer.Typer:
    """Return the command that the words begin with; all of them where they begin with none, as the help does."""
    app = typer.Typer(
        cls=GuardedGroup,
        help="A key-value store in which the CAP trade-off is a setting of each keyspace.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(version)
    first = words[0] if words else ""
    if first == VERSION:
        return app
    for add in [PARTS[first]] if first in PARTS else PARTS.values():
        add(app)
    return app
