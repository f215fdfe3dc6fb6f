"""The tokens of EDN: where one ends, whatever way the bytes come in, and at which line and column it begins.

Owns the text that is held, and the bound of a token. Knows nothing of what tokens mean together. Source: see `edn`.
"""

import re
from typing import Final, NoReturn

from trilemma.check.formats.error import FormatError, shown
from trilemma.check.formats.stream import CHUNK_BYTES, Readable, Text

TOKEN_CHARS_MAX: Final = 1 << 24
"""The longest string or symbol."""

_TOKEN: Final = re.compile(
    r"""
    [\s,]*+(?:;[^\n]*+\n[\s,]*+)*+            # what separates
    (?:
      ([^\s,()\[\]{}";^`~@\\#][^\s,()\[\]{}";^`~@\\]*)   # 1: number, keyword, symbol
    | ([\[({]|\#\{)                           # 2: a collection begins
    | ([\])}])                                # 3: and ends
    | "([^"\\]*+(?:\\.[^"\\]*+)*+)"          # 4: string
    | (\\(?:[^\s,()\[\]{}";]+|.))             # 5: character
    | (\#_|\^)                                # 6: discard, metadata
    | (\#\#?[^\s,()\[\]{}";^`~@\\\#_{][^\s,()\[\]{}";^`~@\\]*)  # 7: tag, symbolic value
    | (\Z)                                    # 8: nothing more
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_SEPARATORS: Final = re.compile(r"[\s,]*+(?:;[^\n]*+\n[\s,]*+)*+")
ATOM, OPEN, CLOSE, STRING, CHARACTER, PREFIX, TAG, END = range(1, 9)
"""The kinds of tokens: the group of a match that holds one."""


class Tokens:
    """The tokens of one stream, one after the other."""

    __slots__ = ("_buffer", "_column", "_done", "_ended", "_line", "_position", "_text")

    def __init__(self, source: Readable) -> None:
        self._text = Text(source)
        self._buffer = ""
        self._position = 0
        self._ended = False
        # Where the character at `_done` of the buffer is in the file: all before it has been counted.
        self._done = 0
        self._line = 1
        self._column = 1

    def next(self) -> re.Match[str]:
        """Return the next token, read on if it may go on behind what is held. Does not use it up.

        Raises:
            FormatError: what comes next is none, is too long, or is not UTF-8.
        """
        while True:
            match = _TOKEN.match(self._buffer, self._position)
            if self._ended and match is not None:
                return match
            if match is not None and match.end() < len(self._buffer):
                return match
            if self._ended:
                self._refuse_token()
            self._read_on()

    def use(self, match: re.Match[str]) -> None:
        """Go on behind a token."""
        self._position = match.end()

    @property
    def column(self) -> int:
        """The column right behind what has been used up."""
        return self.place(self._position)[1]

    def _read_on(self) -> None:
        self._count_to(self._position)
        held = self._buffer[self._position :]
        if len(held) > TOKEN_CHARS_MAX:
            self.fail(self._position, f"a token is longer than {TOKEN_CHARS_MAX} characters")
        try:
            more = self._text.read(max(CHUNK_BYTES, len(held)))
        except UnicodeDecodeError as problem:
            before = problem.object[: problem.start].decode()
            self._buffer = held + before
            self._position = self._done = 0
            self.fail(len(self._buffer), "not UTF-8")
        if not more:
            self._ended = True
            more = "\n"  # so that a comment at the end has one
        self._buffer = held + more
        self._position = self._done = 0

    def _refuse_token(self) -> NoReturn:
        skipped = _SEPARATORS.match(self._buffer, self._position)
        begin = self._position if skipped is None else skipped.end()
        text = self._buffer[begin:]
        if text.startswith('"'):
            self.fail(begin, "the string that begins here does not end")
        self.fail(begin, f"this begins no value: {shown(text[:20].strip())}")

    def place(self, position: int) -> tuple[int, int]:
        """Return the line and the column of a position of the newest token, none before the last one asked about."""
        self._count_to(position)
        return self._line, self._column

    def _count_to(self, position: int) -> None:
        """Advance line and column to a position in the buffer."""
        buffer, done = self._buffer, self._done
        lines = buffer.count("\n", done, position)
        if lines:
            self._line += lines
            self._column = position - buffer.rfind("\n", done, position)
        else:
            self._column += position - done
        self._done = position

    def fail(self, position: int, reason: str) -> NoReturn:
        """Refuse what is at a position of the text that is held; of what lies before it, the last place is named.

        Raises:
            FormatError: always.
        """
        if position >= self._done:
            self._count_to(position)
        raise FormatError(self._line, self._column, reason)
