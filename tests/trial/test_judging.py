"""The campaigns that judge forged histories, in small: they measure, and say what did not hold."""

import pytest

from trilemma.check.fuzz import CASES, fuzz_linearizable
from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict, unknown, valid
from trilemma.trial import fuzzing as campaign
from trilemma.trial import searching as timing
from trilemma.trial.fuzzing import fuzzing
from trilemma.trial.searching import searching


def test_busy_histories_are_judged_rightly_and_timed() -> None:
    said: list[str] = []
    report = searching(2, 0, 0.0, said.append)
    assert report.broken == []
    assert (report.figures["right: histories"], report.figures["stale: histories"]) == (1, 1)
    assert len(said) == 2


@pytest.mark.parametrize("verdict", [unknown("x", "gave up"), valid("x")], ids=["unknown", "valid"])
def test_a_stale_read_that_is_not_found_is_told(monkeypatch: pytest.MonkeyPatch, verdict: Verdict) -> None:
    monkeypatch.setattr(timing, "check_linearizable", lambda *_: verdict)
    report = searching(1, 1, 0.0)
    assert report.broken == [f"seed 1: {verdict.validity.value}, but it is invalid"]


def test_models_are_fuzzed_by_name() -> None:
    report = fuzzing(30, 0, ["queue", "mutex"])
    assert report.broken == []
    assert list(report.figures) == ["linearizable queue", "sequential queue", "linearizable mutex", "sequential mutex"]


def test_a_disagreement_is_told_with_its_history(monkeypatch: pytest.MonkeyPatch) -> None:
    def disagree(case: object, seed: int, rounds: int) -> object:
        tally = fuzz_linearizable(CASES["queue"], seed, rounds)
        tally.disagreements.append(("they differ", [Operation(7, 0, 1, "dequeue", b"k")]))
        return tally

    monkeypatch.setitem(campaign.FUZZERS, "linearizable", disagree)
    report = fuzzing(5, 0, ["queue"])
    assert len(report.broken) == 1
    assert "process 7" in report.broken[0]
