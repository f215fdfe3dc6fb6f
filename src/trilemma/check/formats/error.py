"""What is wrong with a file, and where: the one exception of all readers."""

from typing import Final

from trilemma.check.history import HistoryError

SHOWN_CHARS: Final = 60
"""How much of a bad piece of text a reason quotes (characters)."""


class FormatError(HistoryError):
    """A file is not what its format asks for.

    `line` and `column` count from 1, columns in characters; `reason` is the sentence without the place.
    """

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.line = line
        self.column = column
        self.reason = reason


def shown(text: str) -> str:
    """Return a piece of a file as a reason quotes it: on one line, and not too long."""
    clipped = text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."
    return repr(clipped)


def column_of(line: bytes, byte: int) -> int:
    """Return the column of a byte of a line, counted from 1 in characters."""
    return len(line[:byte].decode(errors="replace")) + 1
