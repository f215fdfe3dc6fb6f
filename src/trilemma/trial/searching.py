"""How long it takes to judge busy histories: 50 clients, 1,700 gets, puts and appends, half of them with a stale read.

Every verdict must be the right one, in time; `unknown` is not.
"""

import time
from collections.abc import Callable
from random import Random

from trilemma.check.busy import CLIENTS, KEYS, OPERATIONS, forge_busy, plant_stale_read
from trilemma.check.deadline import Deadline
from trilemma.check.linearizable import check_linearizable
from trilemma.check.model import STRING
from trilemma.trial.report import Report, spread

JUDGED_S_MAX = 10.0
STEPS_MAX = 1 << 60
"""Only time is a bound here."""


def searching(histories: int, seed: int, unsure: float, say: Callable[[str], None] = lambda text: None) -> Report:
    """Judge `histories` busy histories, every second of which has a stale read; `unsure` is the share of `info`."""
    report = Report("searching")
    report.figures |= {"operations": OPERATIONS, "clients": CLIENTS, "keys": KEYS, "share of info": unsure}
    spent: dict[str, list[float]] = {"right": [], "stale": []}
    for number in range(seed, seed + histories):
        rng = Random(number)
        history = forge_busy(rng, unsure=unsure)
        kind, expected = ("stale", "invalid") if number % 2 else ("right", "valid")
        if kind == "stale":
            history = plant_stale_read(rng, history)
        began = time.monotonic()
        verdict = check_linearizable(history, STRING, STEPS_MAX, Deadline.after(JUDGED_S_MAX, time.monotonic))
        spent[kind].append(time.monotonic() - began)
        told = verdict.validity.value
        report.require(told == expected, f"seed {number}: {told}, but it is {expected}")
        say(f"seed {number}, {kind}: {told} in {spent[kind][-1]:.3f} s, witness of {len(verdict.witness)}")
    for kind, values in spent.items():
        report.figures[f"{kind}: histories"] = len(values)
        if values:
            figures = spread(values)
            report.figures |= {f"{kind}: {which} s": value for which, value in figures.items()}
            report.require(figures["worst"] < JUDGED_S_MAX, f"{kind}: a history took {figures['worst']} s")
    return report
