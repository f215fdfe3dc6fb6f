"""EDN, the notation of Clojure's data: an exact parser that streams and has a bound for everything.

Gives nil as None, booleans, integers (`5N` too) and floats as such, ratios as Fraction, `1.5M` as Decimal, strings as
bytes (UTF-8), vectors and lists as tuple, sets as frozenset, maps as `Map`, tagged literals as `Tagged`. Keywords and
symbols are str as they are written (`:f`, `x`), characters in one way (`\\a`): what Clojure tells apart differs.
Numbers of several types that Python takes for equal stay apart in a set as `Distinct`.
Comments, commas, `#_` and metadata are dropped. Knows nothing of histories; tokens and their places are `edn_token`'s.
Source: the edn format, github.com/edn-format/edn; where it is silent, Clojure's own reader.
"""

import re
from collections.abc import Iterator
from numbers import Number
from typing import Any, Final, NamedTuple

from trilemma.check.distinct import Distinct, distinct
from trilemma.check.formats import edn_atom
from trilemma.check.formats.edn_token import ATOM, CHARACTER, CLOSE, END, OPEN, STRING, Tokens
from trilemma.check.formats.edn_value import Tagged, make_map
from trilemma.check.formats.error import FormatError, shown
from trilemma.check.formats.stream import Held, Readable

DEPTH_MAX: Final = 64
"""How deep collections, tags and discards may be nested: as in our own format. Jepsen's need about eight levels."""


class Form(NamedTuple):
    """Something that was read, and where it begins."""

    value: Any
    line: int
    column: int


_SYMBOLIC: Final = {"##Inf": float("inf"), "##-Inf": float("-inf"), "##NaN": float("nan")}
_ATOMS: Final = {ATOM: edn_atom.word, STRING: edn_atom.string, CHARACTER: edn_atom.character}
"""How tokens that are values by themselves are read."""

_CLOSED_BY: Final = {"[": "]", "(": ")", "{": "}", "#{": "}"}


class _Frame:
    """Something begun: a collection, or a prefix that waits for what it applies to."""

    __slots__ = ("begin", "items")

    def __init__(self, begin: str) -> None:
        self.begin = begin
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


def parse_all(text: str) -> list[Form]:
    """Return all values that a short text holds.

    Raises:
        FormatError: it is no EDN.
    """
    return list(Parser(Held(text.encode("utf-8", "surrogatepass"))).forms())


class Parser:
    """Reads one stream."""

    __slots__ = ("_tokens",)

    def __init__(self, source: Readable) -> None:
        self._tokens = Tokens(source)

    @property
    def column(self) -> int:
        """The column right behind what has been read."""
        return self._tokens.column

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
        tokens = self._tokens
        match = tokens.next()
        opened = match.lastindex == OPEN and match[OPEN] in ("[", "(")
        if not opened:
            yield from self.forms()
            return
        begin, place = match[OPEN], tokens.place(match.start(OPEN))
        tokens.use(match)
        while (form := self._next(begin, place)) is not None:
            yield form
        rest = self._next()
        if rest is not None:
            raise FormatError(rest.line, rest.column, "something follows the end of the history")

    def _next(self, inside: str = "", place: tuple[int, int] = (1, 1)) -> Form | None:
        """Read the next value; None at the end of the file, or of the collection `inside` that began at `place`."""
        tokens = self._tokens
        stack: list[_Frame] = []
        begun: tuple[int, int] | None = None
        while True:
            match = tokens.next()
            kind = match.lastindex or END
            start = match.start(kind)
            if begun is None and kind != END:
                begun = tokens.place(start - (kind == STRING))
            if kind == CLOSE and not stack:
                if match[CLOSE] != _CLOSED_BY.get(inside):
                    tokens.fail(start, f"{match[CLOSE]} closes nothing")
                tokens.use(match)
                return None
            if kind == END:
                self._refuse_end(stack, inside, place, begun)
                return None
            value, complete = self._take(match, kind, stack)
            tokens.use(match)
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
        if kind == CLOSE:
            return self._close(match, stack), True
        if kind in _ATOMS:
            try:
                return _ATOMS[kind](match[kind]), True
            except ValueError as problem:
                self._tokens.fail(match.start(kind), str(problem))
        begin = match[kind]
        if begin.startswith("##"):
            if begin not in _SYMBOLIC:
                self._tokens.fail(match.start(kind), f"no such value: {shown(begin)}")
            return _SYMBOLIC[begin], True
        if len(stack) >= DEPTH_MAX:
            self._tokens.fail(match.start(kind), f"nested deeper than {DEPTH_MAX}")
        stack.append(_Frame(begin))
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
            self._tokens.fail(match.start(CLOSE), f"nothing follows {frame.begin}")
        if closed_by != match[CLOSE]:
            self._tokens.fail(match.start(CLOSE), f"expected {closed_by}, found {match[CLOSE]}")
        items = frame.items
        if frame.begin == "{":
            try:
                return make_map(items)
            except ValueError as problem:
                self._tokens.fail(match.start(CLOSE), str(problem))
        return _make_set(items) if frame.begin == "#{" else tuple(items)


def _make_set(items: list[Any]) -> frozenset[Any]:
    """Return a set in which numbers of different types stay apart, though Python takes them for one."""
    made = frozenset(items)
    if len(made) == len(items):
        return made
    return frozenset(Distinct(each) if isinstance(each, Number) else distinct(each) for each in items)
