"""Writing a whole history in any format. What a format cannot tell is refused, or left out and named.

Of Jepsen's formats all is read back before anything is written: an operation that would not come back as it was is
refused, so that no verdict on the file is one on another history. Source of the formats: `writer`, `events_edn`,
`events_log`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from trilemma.check.distinct import distinct
from trilemma.check.fault import Fault
from trilemma.check.formats import events_edn, events_log, jsonlines, nemesis, writer
from trilemma.check.formats.error import FormatError
from trilemma.check.formats.event import NANOSECONDS, Event
from trilemma.check.formats.event_order import Moment, moments
from trilemma.check.formats.file import FORMATS, read_history
from trilemma.check.formats.jepsen_words import WordlessError, as_told, left_out, pairs_of
from trilemma.check.formats.stream import Held
from trilemma.check.guesses import expires
from trilemma.check.history import Operation

GOING_ON_MAX: Final = {events_edn.NAME: 1, events_log.NAME: 0}
"""How many processes may end one thing and begin another at one stamp. EDN tells times too, so that of one process that
goes on nothing is told wrong: it did do one thing after the other. Of two no order of lines is right."""

_LINES: Final[dict[str, Callable[[Event], str]]] = {events_edn.NAME: events_edn.line, events_log.NAME: events_log.line}


def write_history(
    stream: writer.Writable,
    operations: Sequence[Operation],
    faults: Sequence[Fault] = (),
    name: str = jsonlines.NAME,
    *,
    times_tell: bool = False,
) -> tuple[str, ...]:
    """Write a history: in one of Jepsen's formats line by line in order of time.

    Args:
        stream: a file opened in binary mode, or anything else that takes bytes.
        name: of the format, one of FORMATS.
        times_tell: write EDN also where no order of its lines is right, for readers that go by `:time`.

    Returns:
        What was left out because the format has no words for it, for people.

    Raises:
        HistoryError: the format cannot tell this history; nothing was written.
        ValueError: there is no format of this name.

    Cost: for Jepsen's formats the file is held in memory, and read once.
    """
    if name == jsonlines.NAME:
        lines = [*(writer.fault_line(each) for each in faults), *(writer.operation_line(each) for each in operations)]
        stream.write(b"".join(line + b"\n" for line in (jsonlines.HEADER, *lines)))
        return ()
    if name not in _LINES:
        raise ValueError(f"there is no format {name!r} (there are {', '.join(FORMATS)})")
    if not operations:
        raise WordlessError(f"a history without operations is none in the format {name}")
    found = moments(pairs_of(operations))
    clashes = _clashes(found, name)
    if not (times_tell and name == events_edn.NAME):
        _check_order(operations, clashes, name)
    told = nemesis.events(faults)
    data = "".join(_LINES[name](event) + "\n" for event in _numbered(found, told.events)).encode()
    _check_return(data, name, operations)
    stream.write(data)
    order = ["times"] if name == events_log.NAME else _order_left_out(clashes)
    return (*left_out(operations), *told.left_out, *order)


def _numbered(found: Sequence[Moment], disturbances: Sequence[tuple[int, Event]]) -> Iterator[Event]:
    """Yield all events in order of time, what the nemesis did before what clients did at the same stamp."""
    staged = [(at_us, 0, event) for at_us, event in disturbances]
    staged += [(moment.at_us, 1, event) for moment in found for event in moment.events]
    staged.sort(key=lambda each: each[:2])
    for number, (at_us, _, event) in enumerate(staged):
        yield event._replace(number=number, time_ns=at_us * NANOSECONDS)


def _clashes(found: Sequence[Moment], name: str) -> list[int]:
    """Return the stamps at which no order of lines is right."""
    return [each.at_us for each in found if each.going_on > GOING_ON_MAX[name]]


def _check_order(operations: Sequence[Operation], clashes: Sequence[int], name: str) -> None:
    if name == events_log.NAME and expires(operations):
        raise WordlessError("lines of a log have no times, and without them nothing can be said of deadlines")
    if clashes and name == events_log.NAME:
        raise WordlessError(
            f"lines of a log have no times, and no order of them tells that all was concurrent at {clashes[0]} us, "
            "when a process ended one thing and began another"
        )
    if clashes:
        raise WordlessError(
            f"no order of lines tells that all was concurrent at {clashes[0]} us, when several processes ended one "
            "thing and began another, and many readers go by :index; for those that go by :time it can be written all "
            "the same (--times-tell)"
        )


def _order_left_out(clashes: Sequence[int]) -> list[str]:
    return [f"what was concurrent at {len(clashes)} stamps, but for readers that go by :time"] if clashes else []


def _check_return(data: bytes, name: str, operations: Sequence[Operation]) -> None:
    """Refuse a history that would come back as another one, to a reader whom nobody tells the format."""
    try:
        recording = read_history(Held(data))
    except FormatError as problem:
        raise WordlessError(f"in the format {name} the history could not be read: {problem}") from problem
    if recording.format != name:
        raise WordlessError(f"in the format {name} the history would be taken for one in the format {recording.format}")
    found = recording.operations
    meant = [as_told(each) for each in sorted(operations, key=lambda each: each.invoke_us)]
    is_timed = name != events_log.NAME
    for returned, told in zip(_in_order(found, is_timed), _in_order(meant, is_timed), strict=True):
        if returned != told:
            raise WordlessError(f"in the format {name} this would come back as something else: {told.describe()}")


def _in_order(operations: Sequence[Operation], is_timed: bool) -> list[Operation]:
    """Return operations by process, each in its order, with values that equal only those of their own type."""
    return [
        each._replace(
            invoke_us=each.invoke_us if is_timed else 0,
            complete_us=each.complete_us if is_timed else each.complete_us and 0,
            argument=distinct(each.argument),
            result=distinct(each.result),
        )
        for each in sorted(operations, key=lambda each: each.process)
    ]
