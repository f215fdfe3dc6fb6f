"""Which links are cut, slow or lossy: a table as a value, and the words of LAB that change it. Pure.

A link has two directions, each with a fault of its own: `n1-n2` names both, `n1>n2` one, `n3` every link of n3.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, TypeAlias

from trilemma.base.errors import error, register
from trilemma.base.ids import NodeId
from trilemma.base.limits import limit

DELAY_MS_MAX = limit(
    "lab_delay_ms_max", 10_000, "ms", "delayed frames are held in memory", "ERR a delay is at most 10000 ms"
)
USAGE = (
    "LAB CUT <where>            nothing passes",
    "LAB SLOW <where> 80ms      what passes is that late",
    "LAB LOSS <where> 10%       so much is lost",
    "LAB HEAL [<where>]         as if nothing had been",
    "LAB STATUS                 what is in force",
    "<where>: n3 (all its links), n1-n2 (both ways), n1>n2 (one way)",
)
register(
    "lab_process",
    "ERR a node cannot {verb} a process: use `trilemma lab {verb}`, where the cluster was started by `trilemma up`",
    "ask the supervisor; what is not under one, stop by its process id",
)
register("lab_form", "ERR the form is: {form}", "see LAB HELP")
register("lab_verb", "ERR LAB takes CUT, SLOW, LOSS, HEAL or STATUS; LAB HELP explains them", "see LAB HELP")
register(
    "lab_where",
    "ERR '{where}' names no node and no link between two; the nodes are {known}; say n3, n1-n2 or n1>n2",
    "name nodes by the names in their configuration",
)
register("lab_delay", "ERR '{delay}' is no delay; say 80ms or 2s", "give whole milliseconds or seconds")
register("lab_delay_max", "ERR a delay is at most {limit} ms", "give a shorter one, or cut the link")
register("lab_share", "ERR '{share}' is no share; say 10%", "give a percentage from 0 to 100")
_SUPERVISORS = {"PAUSE", "RESUME", "KILL", "RESTART"}

Direction: TypeAlias = tuple[NodeId, NodeId]
"""From the first to the second."""


class Fault(NamedTuple):
    """What is wrong with one direction of a link."""

    is_cut: bool = False
    delay_ms: int = 0
    loss_percent: float = 0.0


NO_FAULT = Fault()
Table: TypeAlias = dict[Direction, Fault]
"""The directions that have a fault; never changed in place."""


@dataclass(frozen=True, slots=True)
class Change:
    """A LAB command that changes the table. None leaves a part of the fault as it is."""

    directions: tuple[Direction, ...]
    is_healed: bool = False
    is_cut: bool | None = None
    delay_ms: int | None = None
    loss_percent: float | None = None

    def applied(self, table: Table) -> Table:
        """Return the table after the change."""
        changed = dict(table)
        for direction in self.directions:
            fault = self._fault(changed.pop(direction, NO_FAULT))
            if fault != NO_FAULT:
                changed[direction] = fault
        return changed

    def _fault(self, old: Fault) -> Fault:
        if self.is_healed:
            return NO_FAULT
        return Fault(
            old.is_cut if self.is_cut is None else self.is_cut,
            old.delay_ms if self.delay_ms is None else self.delay_ms,
            old.loss_percent if self.loss_percent is None else self.loss_percent,
        )


def parse(words: list[str], names: Mapping[str, NodeId]) -> Change | None:
    """Return the change that the words after LAB ask for, None for STATUS.

    Raises:
        ReplyError: with a sentence for whoever typed them.
    """
    match [words[0].upper(), *words[1:]] if words else []:
        case ["STATUS"]:
            return None
        case ["CUT", where]:
            return Change(_directions(where, names), is_cut=True)
        case ["SLOW", where, delay]:
            return Change(_directions(where, names), delay_ms=_delay_ms(delay))
        case ["LOSS", where, share]:
            return Change(_directions(where, names), loss_percent=_percent(share))
        case ["HEAL"]:
            return Change(_all_directions(names), is_healed=True)
        case ["HEAL", where]:
            return Change(_directions(where, names), is_healed=True)
        case [verb, *_] if verb in _SUPERVISORS:
            raise error("lab_process", verb=verb.lower())
        case [verb, *_] if any(line.startswith(f"LAB {verb} ") for line in USAGE):
            line = next(line for line in USAGE if line.startswith(f"LAB {verb} "))
            raise error("lab_form", form=line.partition("  ")[0])  # the rest says what it does
        case _:
            raise error("lab_verb")


def _all_directions(names: Mapping[str, NodeId]) -> tuple[Direction, ...]:
    nodes = sorted(names.values())
    return tuple((source, target) for source in nodes for target in nodes if source != target)


def _directions(where: str, names: Mapping[str, NodeId]) -> tuple[Direction, ...]:
    if where in names:
        node = names[where]
        return tuple(direction for direction in _all_directions(names) if node in direction)
    for index, sign in enumerate(where):
        if sign not in "->":
            continue
        # A name may hold a hyphen itself: the one that separates has a node on both sides.
        source, target = where[:index], where[index + 1 :]
        if source in names and target in names and source != target:
            there = (names[source], names[target])
            return (there,) if sign == ">" else (there, there[::-1])
    raise error("lab_where", where=where, known=", ".join(sorted(names)))


def _delay_ms(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,6})(ms|s)", text.lower(), re.ASCII)
    if found is None:
        raise error("lab_delay", delay=text)
    delay_ms = int(found[1]) * (1_000 if found[2] == "s" else 1)
    if delay_ms > DELAY_MS_MAX:
        raise error("lab_delay_max", limit=DELAY_MS_MAX)
    return delay_ms


def _percent(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%?", text, re.ASCII)
    if found is None or float(found[1]) > 100:
        raise error("lab_share", share=text)
    return float(found[1])


def describe(table: Table, names: Mapping[NodeId, str]) -> list[str]:
    """Return the table in the words that would make it, sorted; both ways in one where they are alike."""
    lines: list[str] = []
    for one, other in combinations(sorted({node for direction in table for node in direction}), 2):
        there, back = table.get((one, other), NO_FAULT), table.get((other, one), NO_FAULT)
        if there == back:
            lines += _lines(f"{names[one]}-{names[other]}", there)
        else:
            lines += _lines(f"{names[one]}>{names[other]}", there)
            lines += _lines(f"{names[other]}>{names[one]}", back)
    return lines


def _lines(where: str, fault: Fault) -> Iterator[str]:
    if fault.is_cut:
        yield f"CUT {where}"
    if fault.delay_ms:
        yield f"SLOW {where} {fault.delay_ms}ms"
    if fault.loss_percent:
        yield f"LOSS {where} {fault.loss_percent:.6g}%"
