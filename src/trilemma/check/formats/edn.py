"""EDN, the notation of Clojure's data: an exact parser that streams, counts lines, and has a bound for everything.

Gives nil as None, booleans, integers (`5N` too) and floats as such, ratios as Fraction, `1.5M` as Decimal, strings as
bytes (UTF-8), vectors and lists as tuple, sets as frozenset, maps as `Map`, tagged literals as `Tagged`. Keywords,
symbols and characters are str as they are written (`:f`, `x`, `\\a`): so nothing is equal that differs in the file.
Numbers of several types that Python takes for equal stay apart in a set as `Distinct`.
Comments, commas, `#_` and metadata are dropped. Knows nothing of histories.
Source: the edn format, github.com/edn-format/edn; where it is silent, Clojure's own reader.
"""

import re
from collections.abc import Iterator
from numbers import Number
from typing import Any, Final, NamedTuple, NoReturn

from trilemma.check.distinct import Distinct, distinct
from trilemma.check.formats import edn_atom
from trilemma.check.formats.edn_value import Tagged, make_map
from trilemma.check.formats.error import FormatError, shown
from trilemma.check.formats.stream import CHUNK_BYTES, Held, Readable, Text

DEPTH_MAX: Final = 64
"""How deep collections, tags and discards may be nested: as in our own format. Jepsen's need about eight levels."""

TOKEN_CHARS_MAX: Final = 1 << 24
"""The longest string or symbol."""


class Form(NamedTuple):
    """Something that was read, and where it begins."""

    value: Any
    line: int
    column: int


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
_ATOM, _OPEN, _CLOSE, _STRING, _CHARACTER, _PREFIX, _TAG, _END = range(1, 9)

_SYMBOLIC: Final = {"##Inf": float("inf"), "##-Inf": float("-inf"), "##NaN": float("nan")}
_ATOMS: Final = {_ATOM: edn_atom.word, _STRING: edn_atom.string, _CHARACTER: edn_atom.character}
"""How tokens that are values by themselves are read."""

_CLOSED_BY: Final = {"[": "]", "(": ")", "{": "}", "#{": "}"}


class _Frame:
    """Something begun: a collection, or a prefix that waits for what it applies to."""

    __slots__ = ("begin", "items", "offset")

    def __init__(self, begin: str, offset: int) -> None:
        self.begin = begin
        self.offset = offset
        self.items: list[Any] = []


def parse(text: str) -> Any:
    """Return the one value that a short text holds.

    Raises:
        FormatError: it holds none, or several, or is no EDN; the place is counted from the text's beginning.
    """
    forms = list(Parser(Held(text.encode("utf-8", "surrogatepass"))).forms(limit=2))
    if len(forms) != 1:
        raise FormatError(1, 1, "nothing to read" if not forms else "more than one value")
    return forms[0].value


def parse_all(text: str) -> list[Any]:
    """Return all values that a short text holds.

    Raises:
        FormatError: it is no EDN.
    """
    return [form.value for form in Parser(Held(text.encode("utf-8", "surrogatepass"))).forms()]


class Parser:
    """Reads one stream."""

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

    def forms(self, limit: int | None = None) -> Iterator[Form]:
        """Yield the top-level values; `limit` ends it after so many."""
        count = 0
        while limit is None or count < limit:
            form = self._next()
            if form is None:
                return
            yield form
            count += 1

    def elements(self) -> Iterator[Form]:
        """Yield the elements of a file: those of its vector or list, or else its top-level values.

        The vector is never held whole.

        Raises:
            FormatError: it is no EDN, or something follows the vector.
        """
        match = self._token()
        opened = match.lastindex == _OPEN and match[_OPEN] in ("[", "(")
        if not opened:
            yield from self.forms()
            return
        begin = _Frame(match[_OPEN], match.start(_OPEN))
        self._count_to(begin.offset)
        place = (self._line, self._column)
        self._position = match.end()
        while (form := self._next(begin.begin, place)) is not None:
            yield form
        rest = self._next()
        if rest is not None:
            raise FormatError(rest.line, rest.column, "something follows the end of the history")

    # --- tokens ---

    def _token(self) -> re.Match[str]:
        """Return the next token, read on if it may go on behind what is held. Does not use it up."""
        while True:
            match = _TOKEN.match(self._buffer, self._position)
            if self._ended and match is not None:
                return match
            if match is not None and match.end() < len(self._buffer):
                return match
            if self._ended:
                self._refuse_token()
            self._read_on()

    def _read_on(self) -> None:
        self._count_to(self._position)
        held = self._buffer[self._position :]
        if len(held) > TOKEN_CHARS_MAX:
            self._fail(self._position, f"a token is longer than {TOKEN_CHARS_MAX} characters")
        try:
            more = self._text.read(max(CHUNK_BYTES, len(held)))
        except UnicodeDecodeError as problem:
            before = problem.object[: problem.start].decode()
            self._buffer = held + before
            self._position = self._done = 0
            self._fail(len(self._buffer), "not UTF-8")
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
            self._fail(begin, "the string that begins here does not end")
        self._fail(begin, f"this begins no value: {shown(text[:20].strip())}")

    # --- places ---

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

    def _fail(self, position: int, reason: str) -> NoReturn:
        if position >= self._done:
            self._count_to(position)
        raise FormatError(self._line, self._column, reason)

    # --- values ---

    def _next(self, inside: str = "", place: tuple[int, int] = (1, 1)) -> Form | None:
        """Read the next value; None at the end of the file, or of the collection `inside` that began at `place`."""
        stack: list[_Frame] = []
        begun: tuple[int, int] | None = None
        while True:
            match = self._token()
            kind = match.lastindex or _END
            start = match.start(kind)
            if begun is None and kind != _END:
                self._count_to(start - (kind == _STRING))
                begun = (self._line, self._column)
            if kind == _CLOSE and not stack:
                if match[_CLOSE] != _CLOSED_BY.get(inside):
                    self._fail(start, f"{match[_CLOSE]} closes nothing")
                self._position = match.end()
                return None
            if kind == _END:
                self._refuse_end(stack, inside, place, begun)
                return None
            value, complete = self._take(match, kind, stack)
            self._position = match.end()
            if not complete:
                continue
            delivered, value = self._deliver(value, stack)
            if delivered:
                return Form(value, *begun) if begun is not None else None
            if not stack:
                begun = None  # something was discarded

    def _refuse_end(
        self, stack: list[_Frame], inside: str, place: tuple[int, int], begun: tuple[int, int] | None
    ) -> None:
        """Fail where the file ends although something is still open."""
        if stack:
            line, column = begun or place
            raise FormatError(line, column, f"the {stack[0].begin} that begins here does not end")
        if inside:
            raise FormatError(*place, f"the {inside} that begins here does not end")

    def _take(self, match: re.Match[str], kind: int, stack: list[_Frame]) -> tuple[Any, bool]:
        """Return the value of a token and True; or begin something, and return False."""
        if kind == _CLOSE:
            return self._close(match, stack), True
        if kind in _ATOMS:
            try:
                return _ATOMS[kind](match[kind]), True
            except ValueError as problem:
                self._fail(match.start(kind), str(problem))
        begin = match[kind]
        if begin.startswith("##"):
            if begin not in _SYMBOLIC:
                self._fail(match.start(kind), f"no such value: {shown(begin)}")
            return _SYMBOLIC[begin], True
        if len(stack) >= DEPTH_MAX:
            self._fail(match.start(kind), f"nested deeper than {DEPTH_MAX}")
        stack.append(_Frame(begin, match.start(kind)))
        return None, False

    def _deliver(self, value: Any, stack: list[_Frame]) -> tuple[bool, Any]:
        """Put a value where it belongs; return True and it once it belongs to nothing."""
        while stack:
            frame = stack[-1]
            if frame.begin in _CLOSED_BY:
                frame.items.append(value)
                return False, None
            if frame.begin == "#_":
                stack.pop()
                return False, None
            if frame.begin == "^":
                if not frame.items:
                    frame.items.append(value)
                    return False, None
            else:
                value = Tagged(frame.begin[1:], value)
            stack.pop()
        return True, value

    def _close(self, match: re.Match[str], stack: list[_Frame]) -> Any:
        frame = stack.pop()
        closed_by = _CLOSED_BY.get(frame.begin)
        if closed_by is None:
            self._fail(match.start(_CLOSE), f"nothing follows {frame.begin}")
        if closed_by != match[_CLOSE]:
            self._fail(match.start(_CLOSE), f"expected {closed_by}, found {match[_CLOSE]}")
        items = frame.items
        if frame.begin == "{":
            try:
                return make_map(items)
            except ValueError as problem:
                self._fail(match.start(_CLOSE), str(problem))
        return _make_set(items) if frame.begin == "#{" else tuple(items)


def _make_set(items: list[Any]) -> frozenset[Any]:
    """Return a set in which numbers of different types stay apart, though Python takes them for one."""
    made = frozenset(items)
    if len(made) == len(items):
        return made
    return frozenset(Distinct(each) if isinstance(each, Number) else distinct(each) for each in items)
