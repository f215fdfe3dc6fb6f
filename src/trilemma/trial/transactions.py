"""How long the transaction checker takes: list-append histories of a store without faults, and of broken ones.

The store is a few lines: transactions of some clients overlap in time, each taking effect at one moment. Broken, it
shows some reads as they would have been some transactions earlier.
"""

import time
from collections.abc import Callable
from random import Random
from typing import Any, Final

from trilemma.check.elle.checker import analyse
from trilemma.check.history import Operation
from trilemma.trial.report import Report

CLIENTS: Final = 20
KEYS_AT_ONCE: Final = 10
APPENDS_A_KEY: Final = 100
"""After so many appends a key is left and a new one comes in, so that lists stay short."""

MICROS_MAX: Final = 4
STEP_US: Final = 100
REACH_US: Final = 1_000
"""How far before and after its moment a transaction reaches, at most."""

STALE_BY: Final = 50
"""How many appends back a broken read shows its list."""

Micro = tuple[str, int, Any]


def transactions(count: int = 100_000, seed: int = 0, say: Callable[[str], None] = lambda text: None) -> Report:
    """Measure how fast histories of transactions are judged.

    Args:
        count: transactions in each history.
        seed: of the histories.
    """
    report = Report("transactions")
    for name, stale_share in (("without faults", 0.0), ("one stale read", 1 / count), ("1% stale reads", 0.01)):
        history = make_history(Random(seed), count, stale_share)
        began = time.perf_counter()
        analysis = analyse(history)
        took_s = time.perf_counter() - began
        found = ", ".join(dict.fromkeys(each.name for each in analysis.anomalies)) or "no anomaly"
        report.figures[f"{count:,} transactions {name}"] = f"{took_s:.1f} s: {found}"
        report.require(bool(analysis.anomalies) == bool(stale_share), f"{name}: {found}")
        report.require(not analysis.gave_up, f"{name}: the search for rings reached its bound")
        say(f"{name}: {took_s:.1f} s, {found}")
    return report


class _Store:
    """Lists by key; a key is left after so many appends, and a new one comes in."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._lists: dict[int, tuple[int, ...]] = {}
        self._oldest = 0
        self._appended = 0

    def run(self, stale: bool) -> tuple[tuple[Micro, ...], bool]:
        """Run one transaction; return what it did, and whether one of its reads was stale, where that was wanted."""
        done: list[Micro] = []
        was_stale = False
        for _ in range(self._rng.randint(1, MICROS_MAX)):
            key = self._oldest + self._rng.randrange(KEYS_AT_ONCE)
            held = self._lists.get(key, ())
            if self._rng.random() < 0.5:
                self._appended += 1
                self._lists[key] = (*held, self._appended)
                self._oldest += len(held) >= APPENDS_A_KEY and key == self._oldest
                done.append(("append", key, self._appended))
            elif stale and not was_stale and len(held) > STALE_BY and all(micro[1] != key for micro in done):
                was_stale = True
                done.append(("r", key, held[:-STALE_BY]))
            else:
                done.append(("r", key, held))
        return tuple(done), was_stale


def make_history(rng: Random, count: int, stale_share: float = 0.0) -> list[Operation]:
    """Return a history of list-append transactions.

    Args:
        stale_share: the share of transactions with a stale read; any above 0 gives one at least, in the second half.
    """
    store = _Store(rng)
    free_us = [0] * CLIENTS
    stale_left = max(1, round(count * stale_share)) if stale_share else 0
    history = []
    moment_us = 0
    for number in range(count):
        client = rng.randrange(CLIENTS)
        moment_us = max(moment_us + STEP_US, free_us[client] + 1)
        invoke_us = max(free_us[client] + 1, moment_us - rng.randrange(REACH_US))
        complete_us = free_us[client] = moment_us + rng.randrange(REACH_US)
        done, was_stale = store.run(stale_left > 0 and 2 * number > count)
        stale_left -= was_stale
        asked = tuple((word, key, None if word == "r" else value) for word, key, value in done)
        history.append(Operation(client, invoke_us, complete_us, "txn", b"", asked, done))
    return history
