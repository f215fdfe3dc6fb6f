"""`trilemma demo` says what it saw: exit status 0 when every promise holds, 1 with a planted bug."""

import os
import subprocess
import sys

import pytest

QUICK = """
import sys
from functools import partial

from trilemma.cli import demo, main
from trilemma.demo import play as stage

stage.BEFORE_S, stage.CUT_S, stage.HEALED_S, stage.DOWN_S, stage.BACK_S = 1.0, 3.0, 3.2, 3.0, 4.0
stage.UNDER_WAY_S = 0.5
if len(sys.argv) > 2:
    demo.play = partial(stage.play, command=(sys.executable, "-c", sys.argv.pop()))
main()
"""
"""The command itself, with shorter stretches; where a program comes last, nodes are started with it."""

PLANTED = """
from trilemma.cli import main
from trilemma.node.proposals import Proposals
from trilemma.node.raft_intake import RaftIntake

RaftIntake.why_not_written = lambda self, keyspace, up: None
Proposals._is_held_enough = lambda self, index, keyspace: True
main()
"""


def demo(*planted: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", QUICK, "demo", *planted]
    return subprocess.run(
        words, env=os.environ | {"COLUMNS": "200"}, capture_output=True, text=True, timeout=180, check=False
    )


@pytest.mark.process
def test_every_row_of_the_promise_holds_on_real_processes() -> None:
    done = demo()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every promise held: 169 rows of 169" in done.stdout
    for heal in ("the cut", "the crash"):
        assert f"digests after {heal}: all replicas agree" in done.stdout


@pytest.mark.process
def test_the_exit_status_is_1_where_writes_are_admitted_without_all_replicas() -> None:
    done = demo(PLANTED)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "broken: cut: write on ledger at n1" in done.stdout
