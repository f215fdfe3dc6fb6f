"""Reading a history from a file of any format: which one it is, is seen from its beginning, or said.

Owns the table of formats. Opens nothing: the caller hands in a stream of bytes.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from trilemma.check.formats import events_edn, events_log, jsonlines
from trilemma.check.formats.conventions import DEFAULT, Conventions
from trilemma.check.formats.error import FormatError, shown
from trilemma.check.formats.event import Event, arrange
from trilemma.check.formats.jepsen import operations
from trilemma.check.formats.nemesis import faults
from trilemma.check.formats.recording import Recording
from trilemma.check.formats.stream import Readable, Source
from trilemma.check.history import Operation

_EVENTS: Final[dict[str, Callable[[Readable], Iterator[Event]]]] = {
    events_edn.NAME: events_edn.events,
    events_log.NAME: events_log.events,
}

FORMATS: Final = (jsonlines.NAME, *_EVENTS)
"""The names of the formats."""

_JSON: Final = re.compile(rb'\s*\{\s*"')
_LOG: Final = re.compile(
    rb"(?m)^(?:[^\n]*?(?:[-:]|\bjepsen\.util[^\S\n]))?"
    rb"[^\S\n]*(?:-?\d+|:nemesis)[^\S\n]+:(?:invoke|ok|fail|info)[^\S\n]+:\S"
)
_EDN: Final = re.compile(
    rb"(?:[\s,]|;[^\n]*\n)*+"
    rb"(?:[\[(](?:[\s,]|;[^\n]*\n)*+[{#^\])]|\{[\s,]*+[:#^;}]|#[A-Za-z_{^])"
)
"""A map, or a vector or list that begins with one; comments may come before. No text in it makes a log of it, though it
looks like a line of one."""

_LIKE_EDN: Final = re.compile(rb"[\s,]*[\[({;#]")
"""What may be EDN where nothing looks like a log, whose lines may begin so: `[main] INFO`."""


def recognise(beginning: bytes) -> str:
    """Return the name of the format of a file that begins so.

    Raises:
        FormatError: it is none that is known.
    """
    if _JSON.match(beginning):
        return jsonlines.NAME
    if _EDN.match(beginning):
        return events_edn.NAME
    if _LOG.search(beginning):
        return events_log.NAME
    if _LIKE_EDN.match(beginning):
        return events_edn.NAME
    first = beginning.lstrip()[:80].splitlines()[:1]
    what = f"the file begins with {shown(first[0].decode(errors='replace'))}" if first else "the file is empty"
    raise FormatError(1, 1, f"{what}, which is no history in a format known here ({', '.join(FORMATS)})")


def read_history(stream: Readable, name: str | None = None, conventions: Conventions = DEFAULT) -> Recording:
    """Read a history.

    Args:
        stream: a file opened in binary mode, at its beginning.
        name: of its format, one of FORMATS; None to recognise it.
        conventions: how to take what the file leaves open.

    Raises:
        FormatError: the file is bad; with line, column and reason.
        ValueError: there is no format of this name.
    """
    source = Source(stream)
    if name is None:
        name = recognise(source.peek())
    if name == jsonlines.NAME:
        recording = jsonlines.read(source)
    elif name in _EVENTS:
        course = arrange(list(_EVENTS[name](source)), conventions.order)
        recording = Recording(operations(course.pairs, conventions), faults(course.faults), name)
    else:
        raise ValueError(f"there is no format {name!r} (there are {', '.join(FORMATS)})")
    if conventions.nil_read == "unknown":
        return recording._replace(operations=[_forget_nil(each) for each in recording.operations])
    return recording


def _forget_nil(operation: Operation) -> Operation:
    """Return an operation without the reads of nil: nobody knows what those saw.

    Of several reads at one moment only those of nil are left out; one that is nothing else is of unknown outcome.
    """
    if operation.outcome != "ok":
        return operation
    result = operation.result
    if operation.kind in ("read", "get"):
        return operation if result is not None else operation._replace(outcome="info")
    if operation.kind not in ("multi_read", "txn") or not _are_pairs(operation.argument, result):
        return operation
    told = result if operation.kind == "multi_read" else [_read_of(micro) for micro in result]
    kept = [place for place, value in enumerate(told) if value is not None]
    if len(kept) == len(told):
        return operation
    argument, result = (tuple(each[place] for place in kept) for each in (operation.argument, result))
    return operation._replace(argument=argument, result=result, outcome="ok" if kept else "info")


def _are_pairs(argument: Any, result: Any) -> bool:
    return isinstance(argument, tuple) and isinstance(result, tuple) and len(argument) == len(result)


def _read_of(micro: Any) -> Any:
    """Return None for a read of nil; of anything else something that is not None."""
    is_read = isinstance(micro, tuple) and len(micro) == 3 and micro[0] == "r"
    return micro[2] if is_read else micro
