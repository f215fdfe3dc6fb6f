"""Events of the nemesis as Faults: `:start-partition` until `:stop-partition`, `:kill` until `:start`, and so on.

Never operations. What has no known end, such as a jump of a clock, lasts from its first line to its second.
Source: Jepsen, jepsen.nemesis and jepsen.nemesis.combined.
"""

from collections.abc import Iterable
from typing import Any, Final

from trilemma.check.fault import Fault
from trilemma.check.formats.edn_value import write
from trilemma.check.formats.event import Event
from trilemma.check.history import END_OF_TIME_US

WHAT_CHARS_MAX: Final = 200
"""How much of an event's value a fault tells."""

_ENDS: Final = {"resume": "pause", "restart": "kill", "heal": "cut", "stop": "start"}
_KINDS: Final = {"partition": "cut", "start": "fault"}


def faults(events: Iterable[tuple[Event, int]]) -> list[Fault]:
    """Return the faults, in the order in which they began."""
    begun: dict[str, int] = {}
    made: list[Fault] = []
    for event, at_us in events:
        name, ends = _name(event.function, begun)
        if ends:
            index = begun.pop(name, None)
            if index is not None:
                made[index] = made[index]._replace(until_us=at_us)
        elif name in begun:
            index = begun[name]
            if made[index].until_us == END_OF_TIME_US or not made[index].nodes:
                made[index] = _told(made[index], event, at_us)
        else:
            begun[name] = len(made)
            kind = _KINDS.get(name, name)
            made.append(_told(Fault(kind, name, at_us), event, at_us))
    return made


def _name(function: str, begun: dict[str, int]) -> tuple[str, bool]:
    """Return which fault an event is about, and whether it ends it."""
    if function == "start" and "kill" in begun:
        return "kill", True
    if function in _ENDS:
        return _ENDS[function], True
    begin, _, rest = function.partition("-")
    if begin in ("start", "stop", "heal") and rest:
        return _KINDS.get(rest, rest), begin != "start"
    return function, False


def _told(fault: Fault, event: Event, at_us: int) -> Fault:
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
