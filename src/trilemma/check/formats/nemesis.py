"""Events of the nemesis as Faults: `:start-partition` until `:stop-partition`, `:kill` until `:start`, and so on.

Never operations. What has no known end, such as a jump of a clock, lasts from its first line to its second.
Source: Jepsen, jepsen.nemesis and jepsen.nemesis.combined.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from trilemma.check.fault import Fault
from trilemma.check.formats.edn_value import write
from trilemma.check.formats.event import Event

WHAT_CHARS_MAX: Final = 200
"""How much of an event's value a fault tells."""

_ENDS: Final = {"resume": "pause", "restart": "kill", "heal": "cut", "stop": "start"}
"""What ends which fault, beside `stop-...` for `start-...`; `start` ends a kill, if there is one."""

_LASTING: Final = frozenset(_ENDS.values())

_KINDS: Final = {"partition": "cut", "start": "fault"}


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
    """Return the nodes that a value names: the elements of a collection, or the keys of a map."""
    if not isinstance(value, tuple | frozenset | dict):
        return set()
    return {
        (each.decode(errors="replace") if isinstance(each, bytes) else each).removeprefix(":")
        for each in value
        if isinstance(each, bytes | str)
    }
