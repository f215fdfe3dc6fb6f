"""The time line: one lane per client, a bar per operation, faults shaded behind.

A client that goes on under a new number after a lost answer stays on its lane: lanes are filled as rooms are, first
free first. Bounded: what is not drawn is counted and said on the page.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from trilemma.check.fault import Fault
from trilemma.check.history import Operation
from trilemma.check.report import words
from trilemma.check.report.axis import BAND, FOOT, drawing, key, shade, times
from trilemma.check.report.markup import Markup, tag
from trilemma.check.report.scale import Identity, Span, identity, picked

LANES_MAX: Final = 64
"""Lanes drawn: more than three screens of them."""

LANE: Final = 18
"""Height of a lane (px)."""

BAR: Final = 9
"""Height of a bar (px)."""


@dataclass(slots=True)
class Lane:
    """What one client did, under one process number after another; `until_us` is when it was last busy."""

    node: str
    until_us: int
    processes: list[int] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Whose lane it is."""
        first, *others = self.processes
        more = f" +{len(others)}" if others else ""
        return f"{self.node} p{first}{more}".strip()


def lanes(operations: Sequence[Operation]) -> list[Lane]:
    """Return the lanes, by node and first process; those of one lane never overlap, unless within one process."""
    groups: dict[tuple[str, int], list[Operation]] = {}
    for operation in sorted(operations, key=lambda each: each.invoke_us):
        groups.setdefault((operation.node, operation.process), []).append(operation)
    found: dict[str, list[Lane]] = {}
    for (node, process), group in groups.items():
        begin_us = group[0].invoke_us
        of_node = found.setdefault(node, [])
        lane = next((each for each in of_node if each.until_us <= begin_us), None)
        if lane is None:
            lane = Lane(node, begin_us)
            of_node.append(lane)
        lane.processes.append(process)
        lane.operations += group
        lane.until_us = max(each.invoke_us if each.complete_us is None else each.complete_us for each in group)
    return [lane for node in sorted(found) for lane in sorted(found[node], key=lambda each: each.processes[0])]


def draw(
    operations: Sequence[Operation],
    faults: Sequence[Fault],
    span: Span,
    witnesses: Set[Identity],
    bars_max: int,
) -> Markup:
    """Return the time line of one subject, with its legend and what it leaves out."""
    all_lanes = lanes(picked(operations, set(witnesses), bars_max))
    drawn = all_lanes[:LANES_MAX]
    height = BAND + LANE * len(drawn) + FOOT
    parts = [*shade(faults, span, height - FOOT), *times(span, height)]
    for index, lane in enumerate(drawn):
        top = BAND + LANE * index
        parts.append(tag("line", {"class": "grid", "x1": 0, "x2": "100%", "y1": top + LANE, "y2": top + LANE}))
        for number, operation in enumerate(lane.operations):
            following = lane.operations[number + 1 : number + 2]
            parts.append(_bar(operation, following, span, top, identity(operation) in witnesses))
    labels = [tag("span", None, lane.label) for lane in drawn]
    lines = tag(
        "div", {"class": "lanes"}, tag("div", {"class": "labels"}, *labels), drawing("time line", height, parts)
    )
    count = sum(len(lane.operations) for lane in drawn)
    return tag("div", {"class": "timeline"}, _legend(witnesses, faults), lines, _left_out(len(operations), count))


def _bar(operation: Operation, following: list[Operation], span: Span, top: int, is_witness: bool) -> Markup:
    end_us = operation.complete_us
    if end_us is None:  # open: as far as its lane is free
        end_us = following[0].invoke_us if following else span.until_us
    begin, end = span.fraction(operation.invoke_us), span.fraction(end_us)
    middle = top + LANE // 2
    x = f"{100 * begin:.3f}%"
    bar = tag("rect", {"x": x, "y": middle - BAR // 2, "width": f"{100 * max(0.0, end - begin):.3f}%", "height": BAR})
    said = f"{words.who(operation)}: {words.action(operation)}"
    lasted = "" if operation.complete_us is None else f", {words.duration(operation.complete_us - operation.invoke_us)}"
    title = tag("title", None, f"{said}, at {words.moment(operation.invoke_us, span.from_us)}{lasted}")
    signs = {"fail": "#cross", "info": "#triangle"}
    shapes = [bar, title]
    if operation.outcome in signs:
        shapes.insert(1, tag("use", {"href": signs[operation.outcome], "x": x, "y": middle}))
    return tag("g", {"class": f"{operation.outcome} witness" if is_witness else operation.outcome}, *shapes)


def _legend(witnesses: Set[Identity], faults: Sequence[Fault]) -> Markup:
    entries = [
        ("ok", "answered"),
        ("fail", "refused: did not happen"),
        ("info", "unknown: may have happened, or may yet"),
    ]
    entries += [("witness", "part of a witness")] if witnesses else []
    entries += [("fault", "a fault is in force")] if faults else []
    return key(*entries)


def _left_out(total: int, drawn: int) -> Markup:
    if total == drawn:
        return tag("p", {"class": "note"}, f"All {total:,} operations are drawn.")
    return tag(
        "p",
        {"class": "note"},
        f"{drawn:,} of {total:,} operations are drawn: those of witnesses first, then refused and unknown ones, then "
        f"an even sample of the answered ones; at most {LANES_MAX} lanes. The plots below count every operation.",
    )
