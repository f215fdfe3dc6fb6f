"""A campaign's processes: whoever has seen enough of it has nothing of it left, and Python ends without a word."""

import subprocess
import sys

import pytest

PATIENCE_S = 120.0

SCRIPT = """
import multiprocessing, threading
from trilemma.sim.campaign import run_seeds
findings = run_seeds(range({seeds}), "cp", 3)
seen = [finding.seed for finding in {taken}]
findings.close()
print(seen, threading.active_count(), multiprocessing.active_children())
"""


@pytest.mark.parametrize(
    ("seeds", "taken", "seen"),
    [(5, "findings", [0, 1, 2, 3, 4]), (40, "[next(findings)]", [0]), (0, "findings", []), (5, "[]", [])],
    ids=["to its end", "broken off", "of nothing", "never begun"],
)
def test_a_campaign_that_is_closed_leaves_no_process_and_no_thread(seeds: int, taken: str, seen: list[int]) -> None:
    script = SCRIPT.format(seeds=seeds, taken=taken)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{seen} 1 []\n", "")
