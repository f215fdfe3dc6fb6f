"""Files of histories as commands are given them: opened so that they can be read twice, options that are one of a few
words."""

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from trilemma.cli.judging import refuse

Word = TypeVar("Word", bound=str)


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
