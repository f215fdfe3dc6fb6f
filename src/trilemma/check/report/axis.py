"""What all drawings over time have in common: the frame, faults shaded behind, marks of time, symbols of outcomes.

Places along the axis are given in per cent, so that a drawing fits any window and zooms without blurring its text.
Colours are classes of `style`; every outcome also has a shape, because colours alone do not reach everybody.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from trilemma.check.fault import Fault
from trilemma.check.report import words
from trilemma.check.report.markup import Attributes, Child, Markup, joined, tag
from trilemma.check.report.scale import Span, named

BAND: Final = 16
"""Height of the strip at the top where faults are named (px)."""

FOOT: Final = 18
"""Height of the strip at the bottom where times stand (px)."""

FAULTS_DRAWN_MAX: Final = 200
"""Faults that are shaded; the table says how many there were."""

SYMBOLS: Final = tag(
    "svg",
    {"class": "symbols", "width": 0, "height": 0, "aria-hidden": "true"},
    tag(
        "defs",
        None,
        tag("path", {"id": "cross", "class": "cross", "d": "M-3.5 -3.5L3.5 3.5M3.5 -3.5L-3.5 3.5"}),
        tag("path", {"id": "triangle", "class": "triangle", "d": "M-4 3.5L0 -4L4 3.5Z"}),
        tag("path", {"id": "diamond", "class": "diamond", "d": "M0 -3L3 0L0 3L-3 0Z"}),
        tag(
            "pattern",
            {"id": "hatch", "width": 6, "height": 6, "patternUnits": "userSpaceOnUse"},
            tag("path", {"class": "hatch", "d": "M-1 7L7 -1M-1 1L1 -1M5 7L7 5"}),
        ),
        tag(
            "pattern",
            {"id": "dots", "width": 5, "height": 5, "patternUnits": "userSpaceOnUse"},
            tag("circle", {"class": "dot", "cx": 2.5, "cy": 2.5, "r": 1.4}),
        ),
        tag(
            "marker",
            {
                "id": "head",
                "viewBox": "0 0 8 8",
                "refX": 7,
                "refY": 4,
                "markerWidth": 7,
                "markerHeight": 7,
                "orient": "auto",
            },
            tag("path", {"class": "head", "d": "M0 0L8 4L0 8Z"}),
        ),
    ),
)
"""Shapes that drawings refer to; once per page."""


def shade(faults: Sequence[Fault], span: Span, height: int) -> list[Markup]:
    """Return a band behind the drawing for each fault, with its name at the top."""
    bands = []
    for name, fault in named(faults)[:FAULTS_DRAWN_MAX]:
        begin, end = span.fraction(fault.from_us), span.fraction(fault.until_us)
        title = tag("title", None, f"{name}: {fault.kind}: {fault.what}")
        place: dict[str, str | float] = {"x": f"{100 * begin:.3f}%", "y": 0, "height": height}
        width = f"{max(0.1, 100 * (end - begin)):.3f}%"
        bands.append(tag("rect", {"class": "fault", "width": width, **place}, title))
        bands.append(tag("text", {"class": "name", "x": place["x"], "y": BAND - 4, "dx": 2}, name))
    return bands


def times(span: Span, height: int) -> list[Markup]:
    """Return the marks of time: a fine line and a label each."""
    marks = []
    for at_us in span.ticks():
        x = span.percent(at_us)
        marks.append(tag("line", {"class": "grid", "x1": x, "x2": x, "y1": BAND, "y2": height - FOOT}))
        label = words.duration(at_us - span.from_us) if at_us > span.from_us else "0 s"
        marks.append(tag("text", {"class": "time", "x": x, "y": height - 5, "dx": 2}, label))
    return marks


def drawing(label: str, height: int, children: Iterable[Child]) -> Markup:
    """Return a drawing as wide as its place, which `zoom` may widen."""
    attributes: Attributes = {"class": "drawing", "width": "100%", "height": height, "role": "img", "aria-label": label}
    return tag("div", {"class": "zoom"}, tag("svg", attributes, joined(children)))


def stretched(top: int, height: int, children: Iterable[Child]) -> Markup:
    """Return an inner drawing of 1000 units by `height`, stretched to the whole width; its lines keep their own."""
    attributes: Attributes = {"x": 0, "y": top, "width": "100%", "height": height, "viewBox": f"0 0 1000 {height}"}
    return tag("svg", {**attributes, "preserveAspectRatio": "none"}, joined(children))


def key(*entries: tuple[str, str]) -> Markup:
    """Return a legend: (class of the sample, what it means)."""
    samples = {
        "ok": tag("rect", {"class": "ok", "x": 1, "y": 3, "width": 20, "height": 8}),
        "fail": joined([tag("rect", {"class": "fail", "x": 1, "y": 3, "width": 20, "height": 8}),
                        tag("use", {"href": "#cross", "x": 11, "y": 7})]),
        "info": joined([tag("rect", {"class": "info", "x": 1, "y": 3, "width": 20, "height": 8}),
                        tag("use", {"href": "#triangle", "x": 7, "y": 7})]),
        "witness": tag("rect", {"class": "ok witness", "x": 2, "y": 3, "width": 18, "height": 8}),
        "refused": tag("rect", {"class": "refused", "x": 1, "y": 1, "width": 20, "height": 12}),
        "unknown": tag("rect", {"class": "unknown", "x": 1, "y": 1, "width": 20, "height": 12}),
        "answered": tag("rect", {"class": "answered", "x": 1, "y": 1, "width": 20, "height": 12}),
        "fault": tag("rect", {"class": "fault", "x": 1, "y": 0, "width": 20, "height": 14}),
        "median": tag("path", {"class": "median", "d": "M1 7H21"}),
        "high": tag("path", {"class": "high", "d": "M1 7H21"}),
        "worst": tag("use", {"href": "#diamond", "x": 11, "y": 7}),
        "point": tag("path", {"class": "point", "d": "M8 7h.01M14 5h.01"}),
    }  # fmt: skip
    items = [
        tag("span", None, tag("svg", {"width": 22, "height": 14, "aria-hidden": "true"}, samples[name]), f" {text}")
        for name, text in entries
    ]
    return tag("p", {"class": "key"}, *items)
