"""The same seed is the same run, in any process, whatever PYTHONHASHSEED says."""

import os
import subprocess
import sys

SEEDS = 200
SCRIPT = """
import sys
from trilemma.sim.options import draw
from trilemma.sim.run import run_schedule
for seed in range(int(sys.argv[1]), int(sys.argv[2])):
    options = draw(seed)
    print(run_schedule(options, safety_us=1_200_000).trace_hash)
"""


def hashes(hash_seed: str) -> list[str]:
    """Return the trace hashes of all seeds, run in two processes of one hash seed."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    half = SEEDS // 2
    children = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(start), str(start + half)],
            env=environment, stdout=subprocess.PIPE, text=True,
        )
        for start in (0, half)
    ]  # fmt: skip
    found: list[str] = []
    for child in children:
        found += child.communicate()[0].split()
        assert child.returncode == 0
    return found


def test_two_processes_with_different_hash_seeds_make_equal_traces() -> None:
    first, second = hashes("1"), hashes("4242")
    assert len(first) == SEEDS
    assert first == second
    assert len(set(first)) == SEEDS
