"""The order in which lines tell what happened at once: beginnings before ends, so that what was concurrent stays so.

The inverse of `event.arrange`. Equal stamps are concurrent, and a process ends one thing before it begins
another.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from trilemma.check.formats.event import Event, Pair
from trilemma.check.formats.jepsen_words import WordlessError


class Moment(NamedTuple):
    """What happened at one stamp, in an order that lines can have."""

    at_us: int
    events: list[Event]
    going_on: int
    """How many processes end one thing here and begin another. What one ends comes before what it begins, although all
    was concurrent; of two that go on, one also seems to have begun after the other had ended, whatever the order."""


def moments(pairs: Iterable[Pair]) -> list[Moment]:
    """Return the events of clients, stamp after stamp.

    Raises:
        WordlessError: a process did two things at once, or went on although it did not know what became of one.
    """
    steps: dict[int, dict[int, list[Event]]] = {}
    last: dict[int, Pair] = {}
    for pair in sorted(pairs, key=lambda each: each.invoke_us):
        _check(last.get(pair.process), pair)
        last[pair.process] = pair
        steps.setdefault(pair.invoke_us, {}).setdefault(pair.process, []).append(pair.begin)
        if pair.end is not None and pair.complete_us is not None:
            steps.setdefault(pair.complete_us, {}).setdefault(pair.process, []).append(pair.end)
    return [_moment(at_us, list(found.values())) for at_us, found in sorted(steps.items())]


def _check(before: Pair | None, pair: Pair) -> None:
    if before is None:
        return
    if before.complete_us is None or before.complete_us > pair.invoke_us:
        raise WordlessError(f"process {pair.process} does two things at once, from {pair.invoke_us} us on")
    if before.end is not None and before.end.type == "info":
        raise WordlessError(
            f"process {pair.process} goes on at {pair.invoke_us} us, and does not know what became of what it did: "
            "in Jepsen's words it is another process then"
        )


def _moment(at_us: int, found: Sequence[list[Event]]) -> Moment:
    """Put the events of several processes at one stamp in order.

    All others begin before a process that goes on, and end behind it: so nothing of one process seems to follow on
    anything of another, unless two go on.
    """
    going_on = [events for events in found if _is_chained(events)]
    chained = [event for events in going_on for event in events]
    others = [event for events in found if not _is_chained(events) for event in events]
    begun = [event for event in others if event.type == "invoke"]
    ended = [event for event in others if event.type != "invoke"]
    return Moment(at_us, [*begun, *chained, *ended], len(going_on))


def _is_chained(events: list[Event]) -> bool:
    return any(event.type != "invoke" for event in events[:-1])
