"""How fast recorded histories are judged: register operations from a file of our own format, parsing included.

One process, one thread. The history is made up: processes that overlap, a few keys, unique values, some writes without
an answer; once as a register gives it, once with one stale read in it. Jepsen's EDN is read for its speed alone.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

from trilemma.check.formats.file import read_history
from trilemma.check.formats.register_scan import check_register_lines
from trilemma.check.formats.writer import Writer
from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict
from trilemma.trial.report import Report

GOAL_S: Final = 5.0
"""For a million register operations; in time of the processor, because neighbours move the other."""

MILLION: Final = 1_000_000
PROCESSES: Final = 50
KEYS: Final = 20
STEP_US: Final = 3
"""Between the moments at which two operations take effect."""
REACH_US: Final = 60
"""How far before and after its moment an operation reaches: some forty overlap."""
UNSURE: Final = 0.001
"""Share of writes that are never answered."""
EDN_OPERATIONS: Final = 50_000
MIB: Final = 1 << 20


def register_history(rng: Random, count: int, stale_at: int | None = None) -> Iterator[Operation]:
    """Yield the operations of registers, in the order in which they take effect.

    Args:
        stale_at: after so many operations the next read that can shows a value that was replaced long ago.
    """
    first: dict[bytes, bytes | None] = {}
    held: dict[bytes, bytes | None] = {}
    pending_stale = stale_at is not None
    for number in range(count):
        moment_us = REACH_US + number * STEP_US
        invoke_us, complete_us = moment_us - rng.randrange(REACH_US), moment_us + rng.randrange(REACH_US)
        process, key = number % PROCESSES, b"key:%d" % rng.randrange(KEYS)
        if rng.random() < 0.5:
            value = b"v%d" % number
            first.setdefault(key, value)
            held[key] = value
            if rng.random() < UNSURE:
                yield Operation(process, invoke_us, None, "write", key, value, None, "info", "n1")
            else:
                yield Operation(process, invoke_us, complete_us, "write", key, value, None, "ok", "n1")
            continue
        shown = held.get(key)
        if pending_stale and stale_at is not None and number >= stale_at and first.get(key) != shown:
            shown, pending_stale = first[key], False
        yield Operation(process, invoke_us, complete_us, "read", key, None, shown, "ok", "n1")


def checking(count: int = MILLION, seed: int = 0, say: Callable[[str], None] = lambda text: None) -> Report:
    """Write histories of `count` operations, and judge them."""
    report = Report("checking")
    with tempfile.TemporaryDirectory(prefix="trilemma-checking-") as directory:
        _registers(Path(directory), count, seed, report, say)
        _edn(Path(directory), min(count, EDN_OPERATIONS), seed, report, say)
    return report


def _registers(directory: Path, count: int, seed: int, report: Report, say: Callable[[str], None]) -> None:
    for name, stale_at in (("a register's", None), ("with a stale read", count * 3 // 4)):
        path = directory / "history.jsonl"
        say(f"writing {count:,} operations, {name}")
        with path.open("wb") as file:
            writer = Writer(file)
            for operation in register_history(Random(seed), count, stale_at):
                writer.operation(operation)
        say(f"judging {path.stat().st_size / MIB:.0f} MiB")
        with path.open("rb") as file:
            verdict, wall_s, processor_s = _timed(lambda file=file: check_register_lines(file))  # type: ignore[misc]
        figure = f"{wall_s:.2f} s ({processor_s:.2f} s of processor), {path.stat().st_size / count:.0f} bytes each"
        report.figures[f"{count:,} register operations, {name}"] = figure
        say(f"{name}: {figure}")
        expected = isinstance(verdict, Verdict) and (verdict.is_valid if stale_at is None else verdict.is_invalid)
        report.require(expected, f"the history, {name}, was found {verdict}")
        report.require(processor_s <= GOAL_S * max(1.0, count / MILLION), f"it took {processor_s:.2f} s of processor")


def _edn(directory: Path, count: int, seed: int, report: Report, say: Callable[[str], None]) -> None:
    path = directory / "history.edn"
    with path.open("w") as file:
        file.write("[")
        for number, operation in enumerate(register_history(Random(seed), count)):
            common = f":f :{operation.kind}, :process {operation.process}, :index"
            value = (operation.argument or operation.result or b"").decode()
            file.write(f'{{:type :invoke, {common} {2 * number}, :value "{value}"}}\n')
            file.write(f' {{:type :ok, {common} {2 * number + 1}, :value "{value}"}}\n')
        file.write("]\n")
    size_mib = path.stat().st_size / MIB
    with path.open("rb") as file:
        _, _, processor_s = _timed(lambda: read_history(file))
    report.figures["EDN read"] = f"{size_mib / processor_s:.1f} MiB/s of processor"
    say(f"EDN: {report.figures['EDN read']}")


def _timed(action: Callable[[], object]) -> tuple[object, float, float]:
    wall_s, processor_s = time.perf_counter(), time.process_time()
    found = action()
    return found, time.perf_counter() - wall_s, time.process_time() - processor_s
