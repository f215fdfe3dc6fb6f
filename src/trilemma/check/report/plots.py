"""Plots over time: how long answers took (log scale), and which share of requests was answered, refused, or unknown.

Every operation is counted; time is cut into BUCKETS equal stretches, so the size of a plot does not grow.
"""

from collections.abc import Callable, Sequence
from math import ceil, floor, log10
from typing import Final

from trilemma.check.fault import Fault
from trilemma.check.history import Operation
from trilemma.check.report import words
from trilemma.check.report.axis import BAND, FOOT, drawing, key, shade, stretched, times
from trilemma.check.report.markup import Attributes, Markup, tag
from trilemma.check.report.scale import Span, evenly

BUCKETS: Final = 120
"""Stretches of time told apart: a bar of some pixels each on a wide screen."""

POINTS_MAX: Final = 1_500
"""Single answers shown as points, evenly picked: enough to see clouds, 20 kB of page."""

PLOT: Final = 150
"""Height of the part that is plotted in (px)."""

_HEIGHT: Final = BAND + PLOT + FOOT


def _bucket(time_us: int, span: Span) -> int:
    return min(BUCKETS - 1, int(BUCKETS * span.fraction(time_us)))


def percentile(ordered: Sequence[int], share: float) -> int:
    """Return the smallest value that at least this share of the values does not exceed; 0 where there are none."""
    return ordered[min(len(ordered) - 1, max(0, ceil(share * len(ordered)) - 1))] if ordered else 0


def latency(operations: Sequence[Operation], faults: Sequence[Fault], span: Span) -> Markup:
    """Return the plot of latencies of answered requests, by when they were answered."""
    answered = [(each.complete_us, each.complete_us - each.invoke_us) for each in operations
                if each.outcome == "ok" and each.complete_us is not None]  # fmt: skip
    if not answered:
        return tag("p", {"class": "note"}, "No request was answered, so there is no latency to plot.")
    buckets: list[list[int]] = [[] for _ in range(BUCKETS)]
    for at_us, took_us in answered:
        buckets[_bucket(at_us, span)].append(took_us)
    for bucket in buckets:
        bucket.sort()
    lowest = floor(log10(max(1, min(took_us for _, took_us in answered))))
    highest = max(lowest + 1, ceil(log10(max(1, *(took_us for _, took_us in answered)))))

    def height(took_us: int) -> float:
        return PLOT * (highest - log10(max(1, took_us))) / (highest - lowest)

    points = "".join(
        f"M{1000 * span.fraction(at):.1f} {height(took):.1f}h.01" for at, took in evenly(answered, POINTS_MAX)
    )
    lines = [
        tag("path", {"class": "point", "d": Markup(points)}),
        tag("path", {"class": "high", "d": _line([percentile(each, 0.99) for each in buckets], height)}),
        tag("path", {"class": "median", "d": _line([percentile(each, 0.5) for each in buckets], height)}),
    ]
    worst = [
        tag("use", {"href": "#diamond", "x": f"{100 * (index + 0.5) / BUCKETS:.3f}%", "y": BAND + height(bucket[-1])})
        for index, bucket in enumerate(buckets) if bucket
    ]  # fmt: skip
    parts = [*shade(faults, span, BAND + PLOT), *times(span, _HEIGHT), stretched(BAND, PLOT, lines), *worst]
    levels = [(words.duration(10**power), height(10**power)) for power in range(lowest, highest + 1)]
    legend = key(
        ("median", "median"),
        ("high", "99 % are faster"),
        ("worst", "slowest of its stretch"),
        ("point", "single answers"),
    )
    return tag(
        "div",
        {"class": "plot"},
        legend,
        _levels(levels),
        drawing("latency over time", _HEIGHT, [*parts, *_rules(levels)]),
    )


def _line(values: Sequence[int], height: Callable[[int], float]) -> Markup:
    """Return a path through the middles of the buckets, interrupted where nothing was answered."""
    steps, pen = [], "M"
    for index, took_us in enumerate(values):
        if not took_us:
            pen = "M"
            continue
        x = 1000 * (index + 0.5) / BUCKETS
        steps.append(f"{pen}{x:.1f} {height(took_us):.1f}" + ("h.01" if pen == "M" else ""))
        pen = "L"
    return Markup("".join(steps))


def outcomes(operations: Sequence[Operation], faults: Sequence[Fault], span: Span) -> Markup:
    """Return the plot of how requests ended, by when they were made: shares of all requests of each stretch."""
    counts = [[0, 0, 0] for _ in range(BUCKETS)]
    for operation in operations:
        counts[_bucket(operation.invoke_us, span)][("ok", "info", "fail").index(operation.outcome)] += 1
    bars: list[Markup] = []
    for index, count in enumerate(counts):
        total = sum(count)
        base = float(PLOT)
        for name, part in zip(("answered", "unknown", "refused"), count, strict=True):
            if part:
                tall = PLOT * part / total
                base -= tall
                title = tag("title", None, f"{name}: {part:,} of {total:,}")
                place: Attributes = {
                    "x": f"{100 * index / BUCKETS:.3f}%",
                    "y": BAND + base,
                    "width": f"{92 / BUCKETS:.3f}%",
                }
                bars.append(tag("rect", {"class": name, **place, "height": tall}, title))
    parts = [*shade(faults, span, BAND + PLOT), *times(span, _HEIGHT), *bars]
    levels = [(f"{100 - percent} %", PLOT * percent / 100) for percent in (0, 25, 50, 75, 100)]
    legend = key(("answered", "answered"), ("refused", "refused: did not happen"), ("unknown", "unknown"))
    stretch = words.duration((span.until_us - span.from_us) / BUCKETS)
    note = (
        f"A bar is {stretch}, and {max(sum(count) for count in counts):,} requests at most; no bar: nothing was asked."
    )
    plot = drawing("outcomes over time", _HEIGHT, [*parts, *_rules(levels)])
    return tag("div", {"class": "plot"}, legend, _levels(levels), plot, tag("p", {"class": "note"}, note))


def _rules(levels: Sequence[tuple[str, float]]) -> list[Markup]:
    return [tag("line", {"class": "grid", "x1": 0, "x2": "100%", "y1": BAND + y, "y2": BAND + y}) for _, y in levels]


def _levels(levels: Sequence[tuple[str, float]]) -> Markup:
    texts = [
        tag("text", {"x": "100%", "dx": -8, "y": BAND + y + 4, "text-anchor": "end"}, label) for label, y in levels
    ]
    return tag("svg", {"class": "levels", "width": "100%", "height": _HEIGHT, "aria-hidden": "true"}, *texts)
