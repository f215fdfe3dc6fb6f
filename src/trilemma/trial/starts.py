"""Starts and stops of an embedded cluster, many in a row: nothing is left behind."""

import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from trilemma.client.local import local
from trilemma.trial.report import Report, spread

READY_S_MAX = 1.0


def starts(count: int, say: Callable[[str], None] = lambda text: None) -> Report:
    """Start and stop `trilemma.local()`; compare threads, descriptors and directories before and after."""
    report = Report("starts")
    _once()  # what the first start loads, it keeps
    before = _held()
    measured = []
    for number in range(1, count + 1):
        measured.append(_once())
        if number % 10 == 0:
            say(f"{number} starts, {spread(measured)}")
    after = _held()
    found = spread(measured)
    report.figures |= {"starts": count, "seconds until ready, median": found["median"], "worst": found["worst"]}
    for name, value in after.items():
        report.figures[f"{name} before and after"] = f"{before[name]}, {value}"
        report.require(value == before[name], f"{name} are left behind: {before[name]} before, {value} after")
    report.require(found["median"] <= READY_S_MAX, f"the median start takes more than {READY_S_MAX} s")
    return report


def _once() -> float:
    began = time.monotonic()
    with local(nodes=3) as cluster:
        spent = time.monotonic() - began
        cluster.client("n2").set("greeting", "hello")
    return spent


def _held() -> dict[str, int]:
    return {
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "directories": len(list(Path(tempfile.gettempdir()).glob("trilemma-*"))),
    }
