"""Events of the nemesis as Faults: `:start-partition` until `:stop-partition`, `:kill` until `:start`, and so on.

Never operations. What has no known end, such as a jump of a clock, lasts from its first line to its second.
Source: Jepsen, jepsen.nemesis and jepsen.nemesis.combined.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from trilemma.check.fault import Fault
from trilemma.check.formats.edn_value import write
from trilemma.check.formats.event import NEMESIS, Event
from trilemma.check.history import END_OF_TIME_US

WHAT_CHARS_MAX: Final = 200
"""How much of an event's value a fault tells."""

_ENDS: Final = {"resume": "pause", "restart": "kill", "heal": "cut", "stop": "start"}
"""What ends which fault, beside `stop-...` for `start-...`; `start` ends a kill, if there is one."""

_LASTING: Final = frozenset(_ENDS.values())

_KINDS: Final = {"partition": "cut", "start": "fault"}


_WORDS: Final = {"cut": "partition"}
"""What Jepsen calls what we call otherwise."""

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Told(NamedTuple):
    """Faults as events with their times (us), and what of them is left out."""

    events: list[tuple[int, Event]]
    left_out: list[str]


class _Deed(NamedTuple):
    """What the nemesis sets about: the fault that it begins, by its place, or None."""

    function: str
    place: int | None
    lasts: bool


def faults(events: Iterable[tuple[Event, int]]) -> list[Fault]:
    """Return the faults, in the order in which they began.

    What the nemesis does is two lines, one when it sets about it and one when it is done.
    """
    begun: dict[str, int] = {}
    made: list[Fault] = []
    doing: _Deed | None = None
    for event, at_us in events:
        if doing is not None and doing.function == event.function:
            if doing.place is not None:
                fault = _told(made[doing.place], event)
                made[doing.place] = fault if doing.lasts else fault._replace(until_us=at_us)
            doing = None
            continue
        name, ends, lasts = _name(event.function, begun)
        if ends:
            place = begun.pop(name, None)
            if place is not None:
                made[place] = made[place]._replace(until_us=at_us)
            doing = _Deed(event.function, None, lasts)
        else:
            begun[name] = len(made)
            doing = _Deed(event.function, len(made), lasts)
            made.append(_told(Fault(_KINDS.get(name, name), event.function, at_us), event))
    return made


def events(noted: Iterable[Fault]) -> Told:
    """Return the lines that tell of faults: of each its kind, its times and its nodes. The inverse of `faults`.

    Of one kind only one at a time can be told; what overlaps another of its kind is left out, and so is what no word is
    made of.
    """
    until_us: dict[str, int] = {}
    told: list[tuple[int, Event]] = []
    missing = halved = 0
    for fault in sorted(noted, key=lambda each: each.from_us):
        word = _WORDS.get(fault.kind, fault.kind)
        if not _WORD.fullmatch(word) or _KINDS.get(word, word) != fault.kind or fault.from_us <= until_us.get(word, -1):
            missing += 1
            continue
        until_us[word] = fault.until_us
        halved += bool(fault.sides)
        value = tuple(node.encode() for node in fault.nodes) or None
        told += [(fault.from_us, Event(0, 0, NEMESIS, "info", f"start-{word}", value))] * 2
        if fault.until_us != END_OF_TIME_US:
            told += [(fault.until_us, Event(0, 0, NEMESIS, "info", f"stop-{word}", None))] * 2
    told.sort(key=lambda each: each[0])
    left_out = [f"{missing} faults"] if missing else []
    return Told(told, [*left_out, "sides of cuts"] if halved else left_out)


def _name(function: str, begun: dict[str, int]) -> tuple[str, bool, bool]:
    """Return which fault a deed is about, whether it ends it, and whether that lasts until it is ended."""
    if function == "start" and "kill" in begun:
        return "kill", True, True
    if function in _ENDS:
        return _ENDS[function], True, True
    begin, _, rest = function.partition("-")
    if begin in ("start", "stop") and rest:
        return _KINDS.get(rest, rest), begin == "stop", True
    return function, False, function in _LASTING


def _told(fault: Fault, event: Event) -> Fault:
    """Add what an event tells: its second line often knows more than its first."""
    if event.value is None:
        return fault
    return fault._replace(
        what=f"{event.function} {write(event.value)}"[:WHAT_CHARS_MAX], nodes=tuple(sorted(_nodes(event.value)))
    )


def _nodes(value: Any) -> set[str]:
    """Return the nodes that a value names, by strings or keywords: elements of a collection, or the keys of a map."""
    if not isinstance(value, tuple | frozenset | dict):
        return set()
    return {
        each.decode(errors="replace") if isinstance(each, bytes) else each.removeprefix(":")
        for each in value
        if isinstance(each, bytes | str)
    }
