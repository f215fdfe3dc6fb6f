"""The drawing of a witness: the few operations as intervals on lanes of their processes, and what cannot be ordered.

The axis keeps the order of all beginnings and ends exactly; distances only grow with the logarithm of time, because a
witness may span microseconds here and minutes there. The layout is data; `draw` turns it into markup.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import hypot, log10
from typing import Final, NamedTuple

from trilemma.check.history import Operation
from trilemma.check.report import words
from trilemma.check.report.markup import Attributes, Markup, joined, table, tag
from trilemma.check.report.order import Demand, demands, follows_real_time, letter, ring
from trilemma.check.verdict import Verdict

OPERATIONS_MAX: Final = 26
"""Operations drawn of one witness: one letter each; the text says how many there were."""

WIDTH: Final = 860
"""Width of the drawing in its own units (px at full size)."""

LEFT: Final = 120
"""Width of the lanes' names."""

LANE: Final = 64
"""Height of a lane."""

BAR: Final = 22
"""Height of a bar."""

HEADROOM: Final = 12
"""Height above the first lane, for arrows that bend over it."""

BEND: Final = 34
"""How far an arrow's handle lies beside the straight line."""

_CHAR: Final = 6.8
"""Width of a character in a bar."""


class Bar(NamedTuple):
    """One operation: its place, and whether its end is open (it may take effect at any later time)."""

    operation: Operation
    name: str
    x: float
    width: float
    y: float
    is_open: bool


class Arrow(NamedTuple):
    """One demand, drawn from bar to bar; `number` is its place in the ring, 0 for one that is in none."""

    demand: Demand
    number: int


class Layout(NamedTuple):
    """A drawing's contents."""

    bars: list[Bar]
    arrows: list[Arrow]
    lanes: list[str]
    height: int


def layout(verdict: Verdict) -> Layout:
    """Place the operations of a verdict's witness, and find what cannot be ordered among them."""
    operations = list(verdict.witness[:OPERATIONS_MAX])
    lanes = list(dict.fromkeys(words.who(each) for each in sorted(operations, key=lambda each: each.process)))
    places = _places(operations)
    bars = []
    for index, operation in enumerate(operations):
        is_open = operation.outcome == "info" or operation.complete_us is None
        begin = places[operation.invoke_us]
        end = WIDTH - 8.0 if is_open or operation.complete_us is None else places[operation.complete_us]
        y = LANE * lanes.index(words.who(operation)) + (LANE - BAR) / 2
        bars.append(Bar(operation, letter(index), begin, max(4.0, end - begin), y, is_open))
    found = demands(operations, follows_real_time(verdict.checker))
    circle = ring(found)
    arrows = [Arrow(demand, circle.index(demand) + 1) for demand in circle]
    arrows += [Arrow(demand, 0) for demand in found if demand.kind == "read" and demand not in circle]
    return Layout(bars, arrows, lanes, LANE * len(lanes))


def _places(operations: Sequence[Operation]) -> dict[int, float]:
    """Return where each stamp lies: in order, farther apart the more time there is between."""
    ends = {each.complete_us for each in operations if each.complete_us is not None}
    stamps = sorted({each.invoke_us for each in operations} | ends)
    weights = [1 + log10(1 + later - earlier) / 2 for earlier, later in pairwise(stamps)]
    unit = (WIDTH - LEFT - 40) / max(1.0, sum(weights))
    places: dict[int, float] = {}
    x = LEFT + 8.0
    for stamp, weight in zip(stamps, [*weights, 0.0], strict=True):
        places[stamp] = x
        x += unit * weight
    return places


def draw(verdict: Verdict, origin_us: int) -> Markup:
    """Return the drawing, its reasons as sentences, and its operations as a table."""
    plan = layout(verdict)
    attributes = {"viewBox": f"0 {-HEADROOM} {WIDTH} {plan.height + HEADROOM}", "role": "img", "aria-label": "witness"}
    picture = tag("svg", {"class": "witness-drawing", **attributes}, joined([*_lanes(plan), *_shapes(plan)]))
    rows = [
        (bar.name, words.who(bar.operation), words.action(bar.operation), _when(bar.operation, origin_us))
        for bar in plan.bars
    ]
    parts = [tag("div", {"class": "scroll"}, picture), _reasons(plan)]
    parts.append(table(("", "whose", "what", "when"), rows))
    if len(verdict.witness) > len(plan.bars):
        more = len(verdict.witness) - len(plan.bars)
        parts.append(tag("p", {"class": "note"}, f"{more:,} operations of the witness are not drawn."))
    return tag("div", {"class": "witness-box"}, *parts)


def _when(operation: Operation, origin_us: int) -> str:
    begin = words.moment(operation.invoke_us, origin_us)
    if operation.complete_us is None:
        return f"from {begin}, never answered"
    return f"from {begin}, for {words.duration(operation.complete_us - operation.invoke_us)}"


def _reasons(plan: Layout) -> Markup:
    numbered = sorted((each for each in plan.arrows if each.number), key=lambda each: each.number)
    if not numbered:
        return tag("p", None, "Beginnings and ends are in their true order; distances are not to scale.")
    steps = [
        tag("li", None, f"{letter(demand.first)} must come before {letter(demand.then)}: {demand.why}.")
        for demand, _ in numbered
    ]
    lead = "No order satisfies all of this (distances in the drawing are not to scale, the order is):"
    return tag("div", None, tag("p", None, lead), tag("ol", {"class": "reasons"}, *steps))


def _lanes(plan: Layout) -> list[Markup]:
    parts = []
    for index, name in enumerate(plan.lanes):
        top = LANE * index
        parts.append(tag("text", {"class": "lane", "x": 4, "y": top + LANE / 2 + 4}, name))
        parts.append(
            tag("line", {"class": "grid", "x1": 0, "x2": WIDTH, "y1": top + LANE - 0.5, "y2": top + LANE - 0.5})
        )
    return parts


def _shapes(plan: Layout) -> list[Markup]:
    """Return bars, then arrows, then labels and numbers, so that no line runs through a word."""
    arrows = [_arrow(plan.bars[each.demand.first], plan.bars[each.demand.then], each) for each in plan.arrows]
    labels = [_label(bar, plan.bars) for bar in plan.bars]
    numbers = [part for parts in arrows for part in parts[1:]]
    return [*(_bar(bar) for bar in plan.bars), *(parts[0] for parts in arrows), *labels, *numbers]


def _bar(bar: Bar) -> Markup:
    place: Attributes = {"x": bar.x, "y": bar.y, "width": bar.width, "height": BAR}
    kind = f"{bar.operation.outcome} open" if bar.is_open else bar.operation.outcome
    return tag("g", {"class": kind}, tag("title", None, words.action(bar.operation)), tag("rect", place))


def _text(bar: Bar) -> str:
    return f"{bar.name}  {words.action(bar.operation)}"


def _label(bar: Bar, bars: Sequence[Bar]) -> Markup:
    """Return what the operation did, in its bar or above it, or its letter alone where there is no room."""
    text = _text(bar)
    wide = len(text) * _CHAR
    if wide + 10 < bar.width:
        kind = "inside" if bar.operation.outcome == "ok" else "inside hollow"
        return tag("text", {"class": kind, "x": bar.x + 6, "y": bar.y + 15}, text)
    lane = [other for other in bars if other.y == bar.y]
    right = min([other.x for other in lane if other.x > bar.x], default=float(WIDTH))
    taken = [other.x + max(other.width, len(_text(other)) * _CHAR) for other in lane if other.x < bar.x]
    left = max(taken, default=float(LEFT))
    place: dict[str, str | float] = {"class": "outside", "x": bar.x, "y": bar.y - 4}
    if wide > right - bar.x - 6:
        if wide < bar.x + bar.width - left - 6:
            place |= {"x": bar.x + bar.width, "text-anchor": "end"}
        else:
            text = bar.name
    return tag("text", place, text)


def _arrow(one: Bar, other: Bar, arrow: Arrow) -> list[Markup]:
    """Return a bent arrow between two bars. It bends to its own left, so that two that oppose each other part."""
    x1, x2 = one.x + one.width / 2, other.x + other.width / 2
    if one.y == other.y:
        y1 = y2 = one.y if x1 <= x2 else one.y + BAR
    else:
        y1, y2 = (one.y + BAR, other.y) if other.y > one.y else (one.y, other.y + BAR)
    length = max(1.0, hypot(x2 - x1, y2 - y1))
    bend_x = (x1 + x2) / 2 + BEND * (y2 - y1) / length
    bend_y = (y1 + y2) / 2 - BEND * (x2 - x1) / length
    kind = f"arrow {arrow.demand.kind}" + (" ring" if arrow.number else "")
    d = Markup(f"M{x1:.1f} {y1:.1f}Q{bend_x:.1f} {bend_y:.1f} {x2:.1f} {y2:.1f}")
    path = tag("path", {"class": kind, "d": d, "marker-end": "url(#head)"}, tag("title", None, arrow.demand.why))
    if not arrow.number:
        return [path]
    x, y = (x1 + 2 * bend_x + x2) / 4, (y1 + 2 * bend_y + y2) / 4
    circle = tag("circle", {"class": "number", "cx": x, "cy": y, "r": 8.0})
    return [path, circle, tag("text", {"class": "number", "x": x, "y": y + 3.5}, str(arrow.number))]
