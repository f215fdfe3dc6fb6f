"""What the command line does with what nobody foresaw: a sentence, and an exit status that no verdict has.

Commands say what they foresee by themselves. A traceback is for those who mend the program: it is printed where the
environment says so, and by `serve`, whose output is a node's log. Source of the numbers: sysexits.h.
"""

import os
import sys
import traceback
from typing import Any, Final

import typer
from rich.markup import escape
from typer.core import TyperGroup
from typer.exceptions import TyperException

from trilemma.cli.console import errors

INTERNAL: Final = 70
"""EX_SOFTWARE: a fault of this program."""

NOT_WRITTEN: Final = 74
"""EX_IOERR: what was found could not be written."""

TRACEBACK: Final = "TRILEMMA_TRACEBACK"
"""The environment variable that asks for tracebacks."""

LOGGED: Final = ("serve",)
"""Commands that always show them."""


class GuardedGroup(TyperGroup):
    """The group of all commands."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, TyperException, EOFError):
            raise  # foreseen: these have an exit status of their own
        except BrokenPipeError:
            _leave_output()
            raise typer.Exit(NOT_WRITTEN) from None
        except Exception as problem:  # it is for what nobody foresaw
            _say(problem, ctx.invoked_subcommand)
            raise typer.Exit(INTERNAL) from problem


def _leave_output() -> None:
    """Have nothing more be written to an output that nobody reads: also not when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(problem: Exception, command: str | None) -> None:
    told = f"{type(problem).__name__}: {problem}".splitlines()[0]
    if command in LOGGED or os.environ.get(TRACEBACK):
        traceback.print_exception(problem)
    errors.print(
        f"[bold red]trilemma:[/] {escape(told)}. This is a fault of trilemma, not a verdict; "
        f"{TRACEBACK}=1 shows where it is.",
        soft_wrap=True,
    )
