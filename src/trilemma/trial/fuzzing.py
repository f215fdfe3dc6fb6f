"""The checkers against brute force, on very many random small histories of every model."""

import time
from collections.abc import Callable, Sequence

from trilemma.check.fuzz import CASES, fuzz_linearizable, fuzz_sequential
from trilemma.trial.report import Report

FUZZERS = {"linearizable": fuzz_linearizable, "sequential": fuzz_sequential}


def fuzzing(
    rounds: int, seed: int, names: Sequence[str] = (), say: Callable[[str], None] = lambda text: None
) -> Report:
    """Judge `rounds` histories of each named model (all, where none is named) for each consistency model."""
    report = Report("fuzzing")
    for name in names or CASES:
        for promise, fuzz in FUZZERS.items():
            began = time.monotonic()
            tally = fuzz(CASES[name], seed, rounds)
            figure = f"{tally.rounds:,} histories, {tally.invalid:,} invalid, {len(tally.disagreements)} disagreements"
            report.figures[f"{promise} {name}"] = figure
            say(f"{promise} {name}: {figure}, {time.monotonic() - began:.0f} s")
            for why, history in tally.disagreements:
                report.require(False, f"{promise} {name}: {why}: " + "; ".join(each.describe() for each in history))
    return report
