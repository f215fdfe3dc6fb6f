"""The lines of Jepsen's log and of its history.txt, as events: process, type, function, value, and perhaps an error.

`INFO  jepsen.util - 4 :invoke :read nil`, with spaces or tabs, with or without what comes before the process; or
`INFO [2017-03-30 15:28:17,423] jepsen worker 4 - jepsen.util 4  :invoke :read nil`. Lines that are nothing like it are
other messages of the log. Values are EDN. Times are not read: places serve as such.
Source: Jepsen `util.clj` (log-op); Porcupine `test_data/jepsen`.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from trilemma.check.formats.edn import Form, Parser, parse_all
from trilemma.check.formats.edn_value import write
from trilemma.check.formats.error import FormatError, shown
from trilemma.check.formats.event import Event
from trilemma.check.formats.jepsen import KINDS, TAKES
from trilemma.check.formats.jepsen_words import WordlessError
from trilemma.check.formats.stream import Held, Readable, decode_line, lines_of, pieces

NAME: Final = "log"

LINE: Final = re.compile(
    r"(?:^|[-:]|\bjepsen\.util\s)\s*"
    r"(?P<process>-?\d+|:nemesis)\s+:(?P<type>invoke|ok|fail|info)\s+:(?P<function>\S+)\s*(?P<rest>.*)"
)
"""What an event looks like; what stands before the process ends with a dash, a colon, or the name of the logger."""

SHOWING: Final = (*TAKES, "txn")
"""What must say in its answer what it was shown: without that it would have been shown that there is nothing."""

_FUNCTION: Final = re.compile(r"\S+")


def events(source: Readable) -> Iterator[Event]:
    """Yield the events of a file.

    Raises:
        FormatError: a value is no EDN, a read was answered with none, or no line is an event.
    """
    number = found = 0
    watched = _Watched(source)
    for piece in pieces(watched):
        for line in lines_of(piece):
            number += 1
            match = LINE.search(decode_line(line, number))
            if match is not None:
                found += 1
                event = _event(match, number)
                yield _without_answer(event, match, watched.is_over) if _shows_nothing(event, match) else event
    if not found:
        raise FormatError(1, 1, "no line looks like an operation: process, :invoke, :read, value")


class _Watched:
    """A stream of which is known whether its end was seen: what is then left of it is a line without a line feed."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self.is_over = False

    def read(self, size: int, /) -> bytes:
        given = self._source.read(size)
        self.is_over = not given
        return given


def line(event: Event) -> str:
    """Return the line for an event, as Jepsen prints it.

    Raises:
        WordlessError: its function is no word, or it names a key beside its value.
    """
    if not _FUNCTION.fullmatch(event.function):
        raise WordlessError(f"in a line of a log {event.function!r} cannot be what is done")
    if event.has_key:
        raise WordlessError("a line of a log names no key, and here its value cannot be taken for key and value either")
    error = "" if event.error is None else f" {write(event.error)}"
    return f"INFO  jepsen.util - {event.process} :{event.type} :{event.function} {write(event.value)}{error}"


def _event(match: re.Match[str], line: int) -> Event:
    process = match["process"]
    value, error = _columns(match, line)
    return Event(
        line,
        match.start("process") + 1,
        process if process.startswith(":") else int(process),
        match["type"],
        match["function"],
        value,
        error=error,
    )


def _shows_nothing(event: Event, match: re.Match[str]) -> bool:
    """Say whether an answer that must show something has no column for it."""
    return event.type == "ok" and KINDS.get(event.function, event.function) in SHOWING and not match["rest"].strip()


def _without_answer(event: Event, match: re.Match[str], is_cut: bool) -> Event:
    """Refuse an answer that shows nothing; but where the file may have been cut off in it nobody knows what it was."""
    if is_cut:
        return event._replace(type="info")
    reason = f"an :ok :{event.function} needs a value: what it showed, or nil"
    raise FormatError(event.line, match.end("function") + 1, reason)


def _columns(match: re.Match[str], line: int) -> tuple[Any, Any]:
    """Return the value, and what follows it: prose may, of which only the value must be EDN."""
    rest = match["rest"].rstrip()
    try:
        return _value_and_error(rest, parse_all(rest))
    except FormatError as problem:
        before, mark, prose = rest.partition("\t")
        if mark:
            try:
                forms = parse_all(before)
            except FormatError:
                forms = []
            if forms:
                return _value_and_error(rest, [*forms, Form(prose.encode(), 1, len(before) + 2)])
        if match["type"] == "fail":
            return _value_and_prose(rest)
        if match["type"] == "info":
            return None, rest.encode()
        column = match.start("rest") + problem.column
        raise FormatError(line, column, f"the value {shown(rest)} is no EDN: {problem.reason}") from problem


def _value_and_error(text: str, forms: Sequence[Form]) -> tuple[Any, Any]:
    """Return the first column, and all behind it: several as the text that they are."""
    if not forms:
        return None, None
    if len(forms) <= 2:
        return forms[0].value, forms[-1].value if len(forms) == 2 else None
    return forms[0].value, text[forms[1].column - 1 :].encode()


def _value_and_prose(text: str) -> tuple[Any, Any]:
    """Return the value that a text begins with, if it is several in brackets, and the rest; else all as the error."""
    parser = Parser(Held(text.encode()))
    try:
        first = next(parser.forms(limit=1), None)
    except FormatError:
        first = None
    if first is None or not isinstance(first.value, tuple):
        return None, text.encode()
    return first.value, text[parser.column - 1 :].strip().encode()
