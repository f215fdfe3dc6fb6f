"""The demonstration says what it saw: exit status 0 when every promise holds, 1 with a planted bug."""

import io
import sys

import pytest
from rich.console import Console

from trilemma.demo import play as stage

PLANTED = """
import sys
from trilemma.cli import main
from trilemma.node.proposals import Proposals
from trilemma.node.raft_intake import RaftIntake

RaftIntake.why_not_written = lambda self, keyspace, up: None
Proposals._is_held_enough = lambda self, index, keyspace: True
main()
"""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("BEFORE_S", 2.6), ("CUT_S", 3.0), ("HEALED_S", 3.2), ("DOWN_S", 3.0), ("BACK_S", 4.0)):
        monkeypatch.setattr(stage, name, seconds)


@pytest.mark.process
@pytest.mark.usefixtures("quick")
def test_every_row_of_the_promise_holds_on_real_processes() -> None:
    text = io.StringIO()
    held = stage.play(Console(file=text, width=200))
    assert held, text.getvalue()
    assert "150 rows of 150" in text.getvalue()


@pytest.mark.process
@pytest.mark.usefixtures("quick")
def test_writes_admitted_without_all_replicas_are_found() -> None:
    text = io.StringIO()
    held = stage.play(Console(file=text, width=200), (sys.executable, "-c", PLANTED))
    assert not held
    assert "broken: cut: write on ledger at n1" in text.getvalue()
