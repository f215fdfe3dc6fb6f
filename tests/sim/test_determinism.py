"""The same seed is the same run, in any process, whatever PYTHONHASHSEED says.

Of every few seeds the whole schedule is run, as in campaigns, of the others what a short safety phase leaves of it. All
of them whole: `trilemma sim run --seeds 0:200 --record FILE` under two hash seeds, and compare the files.
"""

import os
import subprocess
import sys

SEEDS = 200
WHOLE_EVERY = 10
VACUOUS_SHARE_MAX = 0.15
"""Of so few whole schedules more may be vacuous than of a campaign's."""
SCRIPT = """
import gc, sys
from trilemma.sim.options import draw
from trilemma.sim.run import run_schedule
gc.freeze()
gc.disable()
for seed in range(int(sys.argv[1]), int(sys.argv[2])):
    is_whole = seed % int(sys.argv[3]) == 0
    outcome = run_schedule(draw(seed), safety_us=None if is_whole else 1_200_000)
    print(outcome.trace_hash, int(is_whole and outcome.is_vacuous))
    gc.collect()
"""


def traced(hash_seed: str) -> list[tuple[str, ...]]:
    """Return for each seed the trace's hash, and whether a whole schedule is vacuous; run in two processes."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    half = SEEDS // 2
    children = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(start), str(start + half), str(WHOLE_EVERY)],
            env=environment, stdout=subprocess.PIPE, text=True,
        )
        for start in (0, half)
    ]  # fmt: skip
    found: list[tuple[str, ...]] = []
    for child in children:
        found += [tuple(line.split()) for line in child.communicate()[0].splitlines()]
        assert child.returncode == 0
    return found


def test_two_processes_with_different_hash_seeds_make_equal_traces() -> None:
    first, second = traced("1"), traced("4242")
    assert len(first) == SEEDS
    assert first == second
    assert len({trace for trace, _ in first}) == SEEDS
    assert sum(int(is_vacuous) for _, is_vacuous in first) <= SEEDS // WHOLE_EVERY * VACUOUS_SHARE_MAX
