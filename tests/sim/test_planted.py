"""Bugs that no hunt on the newest mix has found: planted, each must make its test fail."""

import subprocess
import sys
from pathlib import Path

import pytest

from trilemma.sim.hunt import BY_TESTS
from trilemma.sim.mutation import MUTANTS

ROOT = Path(__file__).parents[2]

RUN = """
import sys
import pytest
import trilemma.sim.mutants
from trilemma.sim.mutation import planted
with planted(sys.argv[1]):
    sys.exit(pytest.main(["-q", "-x", "-W", "ignore", "-p", "no:cacheprovider", sys.argv[2]]))
"""


@pytest.mark.parametrize("name", sorted(BY_TESTS))
def test_a_planted_bug_makes_its_test_fail(name: str) -> None:
    assert name in MUTANTS
    command = [sys.executable, "-W", "ignore", "-c", RUN, name, BY_TESTS[name]]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout + ran.stderr
    assert "1 failed" in ran.stdout
