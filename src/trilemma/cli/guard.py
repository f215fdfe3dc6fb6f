"""How a command's failure is told, to people or, with --json, to programs: as one object with `error`.

What nobody foresaw gets a sentence too, and an exit status that no verdict has. A traceback is for those who mend the
program: it is printed where the environment says so, and by `serve`, whose output is a node's log. The status is what
it is also where nobody can be told why: a disk that is full may be what failed. Source of the numbers: sysexits.h.
"""

import os
import sys
import traceback
from contextlib import suppress
from typing import Any, Final, TextIO

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from trilemma.cli.console import Refusal, say_why

INTERNAL: Final = 70
"""EX_SOFTWARE: a fault of this program."""

NOT_WRITTEN: Final = 74
"""EX_IOERR: what was found could not be written."""

TRACEBACK: Final = "TRILEMMA_TRACEBACK"
"""The environment variable that asks for tracebacks."""

AS_JSON: Final = "--json"
NO_OPTIONS_AFTER: Final = "--"

LOGGED: Final = ("serve",)
"""Commands that always show them."""


class GuardedGroup(TyperGroup):
    """The group of all commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember what a failure is told as: also that of a command whose own words are not understood."""
        ctx.obj = AS_JSON in args[: args.index(NO_OPTIONS_AFTER) if NO_OPTIONS_AFTER in args else None]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return self._invoke(ctx)
        finally:
            _flush(sys.stderr)

    def _invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            _tell(refusal.sentence, as_json=ctx.obj)
            raise
        except TyperException as problem:
            if not ctx.obj:
                raise  # it is shown with the command's usage
            _tell(problem.format_message(), as_json=True)
            raise typer.Exit(problem.exit_code) from problem
        except (typer.Exit, typer.Abort, EOFError):
            raise  # foreseen: these have an exit status of their own
        except BrokenPipeError:
            _leave(sys.stdout)
            raise typer.Exit(NOT_WRITTEN) from None
        except Exception as problem:  # it is for what nobody foresaw
            _say(problem, ctx.invoked_subcommand, as_json=ctx.obj)
            raise typer.Exit(INTERNAL) from problem


def _leave(output: TextIO) -> None:
    """Have nothing more be written to an output that nobody reads, or takes: also not when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())


def _flush(output: TextIO | None) -> None:
    """Have Python not find out as it ends that an output takes nothing: it has an exit status of its own for that.

    Args:
        output: None where it was closed by who started the program.
    """
    if output is not None:
        try:
            output.flush()
        except OSError:
            _leave(output)


def _tell(sentence: str, *, as_json: bool) -> None:
    with suppress(OSError):
        say_why(sentence, as_json)
    if as_json:
        _flush(sys.stdout)


def _say(problem: Exception, command: str | None, *, as_json: bool) -> None:
    told = f"{type(problem).__name__}: {problem}".splitlines()[0]
    if command in LOGGED or os.environ.get(TRACEBACK):
        with suppress(OSError):
            traceback.print_exception(problem)
    _tell(f"{told}. This is a fault of trilemma, not a verdict; {TRACEBACK}=1 shows where it is.", as_json=as_json)
