"""Campaigns: many seeds over several processes, resumed and added up in one file of JSON lines."""

import gc
import json
import multiprocessing
import os
from collections.abc import Generator, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from trilemma.sim.mutants import planted, varied
from trilemma.sim.options import draw
from trilemma.sim.outcome import Outcome
from trilemma.sim.run import run_schedule

CHUNK = 4
"""Seeds handed to a process at once."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One seed's outcome, as it is written to the file."""

    seed: int
    mode: str
    verdict: str
    """clean, broken (a client can see it), failed (a node found it in itself) or vacuous."""
    unknown: int
    operations: int
    trace_hash: str
    text: str = ""


@dataclass(slots=True)
class Tally:
    """What a campaign has come to."""

    counted: int = 0
    vacuous: int = 0
    unknown: int = 0
    operations: int = 0
    bad: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Count one seed."""
        if finding.verdict in ("broken", "failed"):
            self.bad.append(finding)
        elif finding.verdict == "vacuous":
            self.vacuous += 1
            return
        self.counted += 1
        self.unknown += finding.unknown
        self.operations += finding.operations


def judge(outcome: Outcome) -> str:
    """Return the word for an outcome."""
    if outcome.broken:
        return "broken"
    if outcome.failures:
        return "failed"
    return "vacuous" if outcome.is_vacuous else "clean"


def run_seed(seed: int, mode: str, nodes: int, mutant: str = "") -> Finding:
    """Run one seed, with a bug planted where one is named."""
    with planted(mutant):
        outcome = run_schedule(varied(mutant, draw(seed, mode, nodes)))
    unknown = sum(not verdict.is_valid and not verdict.is_invalid for verdict in outcome.verdicts)
    text = "\n".join([*outcome.broken, *outcome.failures])
    return Finding(seed, outcome.options.mode, judge(outcome), unknown, outcome.operations, outcome.trace_hash, text)


def _spare_the_collector() -> None:
    """Keep the garbage collector from looking at everything over and over: a schedule's rings are freed after it."""
    gc.freeze()
    gc.disable()


def _run_chunk(seeds: list[int], mode: str, nodes: int, mutant: str) -> list[Finding]:
    findings = []
    for seed in seeds:
        findings.append(run_seed(seed, mode, nodes, mutant))
        gc.collect()
    return findings


def run_seeds(seeds: Iterable[int], mode: str, nodes: int, mutant: str = "") -> Generator[Finding, None, None]:
    """Yield the findings of many seeds as they come, in the order of the seeds, from all processors.

    Whoever has seen enough closes the iterator: what has not begun by then is not run, and when it is closed the pool's
    processes and its thread have ended. A thread that closes its pipes while Python ends, and wakes it through them,
    makes Python complain of a bad file descriptor.
    """
    wanted = list(seeds)
    chunks = [wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)]
    pool = ProcessPoolExecutor(os.cpu_count(), initializer=_spare_the_collector)
    try:
        for future in [pool.submit(_run_chunk, chunk, mode, nodes, mutant) for chunk in chunks]:
            yield from future.result()
    finally:
        for worker in multiprocessing.active_children():
            worker.terminate()
        pool.shutdown(cancel_futures=True)


def done_seeds(path: Path, mode: str, nodes: int) -> dict[int, Finding]:
    """Return what a campaign's file already holds for this mode and number of nodes."""
    found: dict[int, Finding] = {}
    if path.exists():
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            if entry.pop("asked") == [mode, nodes]:
                found[entry["seed"]] = Finding(**entry)
    return found


def append(path: Path, finding: Finding, mode: str, nodes: int) -> None:
    """Add a finding to a campaign's file."""
    names = ("seed", "mode", "verdict", "unknown", "operations", "trace_hash", "text")
    entry = {name: getattr(finding, name) for name in names} | {"asked": [mode, nodes]}
    with path.open("a") as file:
        file.write(json.dumps(entry) + "\n")
