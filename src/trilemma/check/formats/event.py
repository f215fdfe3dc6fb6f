"""Events: the lines of a history in which an operation is one line when it begins and another when it ends.

Owns which two belong together, the numbers of processes, and times; what an operation means is not known here.
Rules: an operation without an end is of outcome `info`; a process that begins another one after an `info` is a new
process; in a history without beginnings each operation began as early as it can have. Of what ended as `info` a second
word may follow, which says nothing; an `info` of what was never begun may be the end of what was cut off.
Source: Jepsen, doc/tutorial/03-client.md; jepsen.history.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from trilemma.check.formats.conventions import Order
from trilemma.check.formats.error import FormatError

TYPES: Final = ("invoke", "ok", "fail", "info")

NEMESIS: Final = ":nemesis"
"""The process whose events are faults."""

NANOSECONDS: Final = 1_000
"""In a microsecond."""


class Event(NamedTuple):
    """One line of the file. `time_ns`, and `number` (its `:index`), are None where it says none."""

    line: int
    column: int
    process: Any
    type: str
    function: str
    value: Any
    key: Any = None
    has_key: bool = False
    time_ns: int | None = None
    number: int | None = None
    error: Any = None


class Pair(NamedTuple):
    """An operation: how it began and, if that is known, how it ended."""

    process: int
    begin: Event
    end: Event | None
    invoke_us: int
    complete_us: int | None


class Course(NamedTuple):
    """All that happened: what clients did, and the events of the nemesis with their times."""

    pairs: list[Pair]
    faults: list[tuple[Event, int]]


def arrange(events: Sequence[Event], order: Order) -> Course:
    """Put events in pairs.

    Raises:
        FormatError: an end has no beginning, a process begins two operations at once, or time runs backwards.
    """
    if events and all(event.number is not None for event in events):
        events = sorted(events, key=lambda event: event.number or 0)
    stamps = _stamps(events, order)
    faults = [(event, at_us) for event, at_us in zip(events, stamps, strict=True) if event.process == NEMESIS]
    begun = any(event.type == "invoke" for event in events)
    return Course(_pairs(events, stamps) if begun else _ends(events, stamps), faults)


def _stamps(events: Sequence[Event], order: Order) -> list[int]:
    """Return each event's time in microseconds.

    What was apart in nanoseconds stays apart: a time is moved on where rounding would make two the same.
    """
    if order == "position" or any(event.time_ns is None for event in events):
        return list(range(len(events)))
    times = [event.time_ns or 0 for event in events]
    zero = min([0, *times])
    rounded: dict[int, int] = {}
    last = -1
    for time_ns in sorted(set(times)):
        last = max((time_ns - zero) // NANOSECONDS, last + 1)
        rounded[time_ns] = last
    return [rounded[time_ns] for time_ns in times]


def _pairs(events: Sequence[Event], stamps: list[int]) -> list[Pair]:
    numbers = _Processes(events)
    begun: dict[Any, int] = {}
    doubtful: dict[Any, Pair] = {}
    pairs: list[Pair] = []
    for event, at_us in zip(events, stamps, strict=True):
        process = event.process
        if process == NEMESIS:
            continue
        if event.type == "invoke":
            if process in begun:
                since = pairs[begun[process]].begin.line
                raise _problem(event, f"process {process} has not ended what it began in line {since}")
            begun[process] = len(pairs)
            pairs.append(Pair(numbers.of(process), event, None, at_us, None))
            continue
        index = begun.pop(process, None)
        if index is None:
            if event.type == "info" and process in doubtful and _is_second_word(event, doubtful[process]):
                continue
            raise _problem(event, f":{event.type} of process {process}, which has begun nothing")
        pairs[index] = _ended(pairs[index], event, at_us)
        doubtful.pop(process, None)
        if event.type == "info":
            numbers.retire(process)
            doubtful[process] = pairs[index]
    return pairs


def _is_second_word(event: Event, pair: Pair) -> bool:
    """Whether an `info` can be about what has ended as `info` already: the same was done, with the same value or none,
    or a keyword in its place that says why."""
    values = [pair.begin.value] if pair.end is None else [pair.begin.value, pair.end.value]
    is_same = event.value is None or isinstance(event.value, str) or event.value in values
    return is_same and event.function == pair.begin.function


def _ends(events: Sequence[Event], stamps: list[int]) -> list[Pair]:
    """Return the operations of a history that tells ends only: each began when the one before it of its process ended.

    That is the earliest that can be, so nothing is taken to be over before something else that may have overlapped.
    """
    numbers = _Processes(events)
    ended: dict[int, int] = {}
    pairs: list[Pair] = []
    for event, at_us in zip(events, stamps, strict=True):
        if event.process == NEMESIS:
            continue
        process = numbers.of(event.process)
        pairs.append(Pair(process, event, event, ended.get(process, 0), at_us))
        ended[process] = at_us
        if event.type == "info" or event.process is None:
            numbers.retire(event.process)
    return pairs


def _ended(pair: Pair, event: Event, at_us: int) -> Pair:
    if event.function != pair.begin.function:
        began = f":{pair.begin.function} in line {pair.begin.line}"
        raise _problem(event, f"process {event.process} ends :{event.function}, but what it began is {began}")
    if at_us < pair.invoke_us:
        raise _problem(event, f"it ends before it began in line {pair.begin.line}")
    return pair._replace(end=event, complete_us=at_us)


class _Processes:
    """Gives processes numbers: those that have one keep it, until they are replaced."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._numbers: dict[Any, int] = {}
        self._free = 1 + max((event.process for event in events if type(event.process) is int), default=-1)

    def of(self, process: Any) -> int:
        number = self._numbers.get(process)
        if number is None:
            number = process if type(process) is int else self._next()
            self._numbers[process] = number
        return number

    def retire(self, process: Any) -> None:
        self._numbers[process] = self._next()

    def _next(self) -> int:
        self._free += 1
        return self._free - 1


def _problem(event: Event, reason: str) -> FormatError:
    return FormatError(event.line, event.column, reason)
