"""Files of histories as commands are given them: opened so that they can be read twice, and the options that say
how one is read."""

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, TypeVar

import typer

from trilemma.check.formats.file import FORMATS
from trilemma.cli.judging import refuse

Word = TypeVar("Word", bound=str)

HistoryFile = Annotated[Path, typer.Argument(help="The history; - for the standard input.", show_default=False)]
FileFormat = Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}; else recognised.")]
CasFail = Annotated[str, typer.Option(help="A failed cas means mismatch, or never (EDN, log).")]
Keys = Annotated[str, typer.Option(help="Whether values are pairs of key and value: auto, split, whole (EDN, log).")]
Order = Annotated[str, typer.Option(help="What tells before from after: time, position (EDN).")]


def one_of(option: str, word: str, words: Sequence[Word]) -> Word:
    """Return a word if it is one of those that an option takes; else refuse."""
    chosen = next((each for each in words if each == word), None)
    if chosen is None:
        refuse(f"{option} is one of {', '.join(words)}; not {word!r}")
    return chosen


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """Open a file, or the standard input for -, so that it can be read twice."""
    if str(file) == "-":
        yield io.BytesIO(sys.stdin.buffer.read())
        return
    with file.open("rb") as stream:
        yield stream if stream.seekable() else io.BytesIO(stream.read())
