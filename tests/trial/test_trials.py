"""The campaigns on real processes, in small: they run, measure, and find a store that forgets."""

import sys

import pytest

from trilemma.client.processes import ProcessCluster
from trilemma.trial import crashes as campaign
from trilemma.trial import divergence as convergence
from trilemma.trial.absence import absence
from trilemma.trial.crashes import Crashes
from trilemma.trial.divergence import divergence
from trilemma.trial.failover import failover
from trilemma.trial.report import Report, spread
from trilemma.trial.starts import starts

FORGETFUL = """
import sys
import tomllib
from pathlib import Path
from trilemma.cli import main

data = Path(tomllib.loads(Path(sys.argv[3]).read_text())["dir"])
for name in ("log", "rows"):
    for path in (data / name).glob("*"):
        path.unlink()
main()
"""
"""A node that begins every start with an empty log and no rows."""

pytestmark = pytest.mark.process


def test_a_median_is_one_of_the_values_and_the_worst_the_greatest() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "worst": 3.0}


def test_nothing_acknowledged_is_lost_and_all_come_back() -> None:
    report = Crashes(3, seed=4).run()
    assert report.broken == []
    assert report.figures["rounds"] == 3
    assert int(report.figures["bank: acknowledged SETs"]) > 0


def test_a_store_that_forgets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "ALL_SHARE", 1.0)
    monkeypatch.setattr(campaign, "BACK_S", 6.0)
    report = Crashes(2, seed=1, command=(sys.executable, "-c", FORGETFUL)).run()
    assert report.broken


def test_a_cut_that_does_not_heal_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    command = ProcessCluster.command
    monkeypatch.setattr(ProcessCluster, "command", lambda of, *words: "HEAL" in words or command(of, *words))
    monkeypatch.setattr(convergence, "GIVE_UP_S", 1.0)
    report = divergence(300)
    assert report.broken[:2] == ["after 1 s some node does not hold all", "the digests differ"]


@pytest.mark.parametrize(
    "report",
    [lambda: failover(1), lambda: divergence(300), lambda: absence(4_000), lambda: starts(2)],
    ids=["failover", "divergence", "absence", "starts"],
)
def test_a_trial_runs_and_measures(report: "object") -> None:
    found = report()  # type: ignore[operator]
    assert isinstance(found, Report)
    assert found.broken == []
    assert found.figures
