"""How commands end whose exit status is a verdict: 0 valid, 1 invalid, 2 unknown.

Whatever could not be judged because of what was asked (a bad option, a bad file, a target that there is not, or that
cannot be disturbed so) ends with 64 (sysexits.h, EX_USAGE), so that no refusal can be taken for a verdict. A fault of
this program ends with 70, a finding that could not be written with 74: see `guard`.
"""

from typing import Any, Final, NoReturn

from typer.core import TyperCommand
from typer.exceptions import TyperException

from trilemma.cli.console import Refusal

BAD_INPUT: Final = 64


class JudgingCommand(TyperCommand):
    """A command whose exit status is a verdict: 2 means unknown, so a misspelt option must end otherwise."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the command line."""
        try:
            return super().make_context(*arguments, **options)
        except TyperException as problem:
            problem.exit_code = BAD_INPUT
            raise


def refuse(sentence: str) -> NoReturn:
    """End the command because there is nothing to judge."""
    raise Refusal(sentence, BAD_INPUT)
