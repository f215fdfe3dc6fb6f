"""Judging a schedule: a planted contradiction is found whatever the workload's quick checker says."""

from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict
from trilemma.sim.judge import judge_workload
from trilemma.sim.judged import Judged


def add(process: int, begin_us: int, told: int) -> Operation:
    return Operation(process, begin_us, begin_us + 10, "add", b"c0", 1, told)


def broken(*operations: Operation) -> list[Verdict]:
    final = Operation(3, 90, 95, "read", b"c0", None, 2)
    return [each for each in judge_workload(Judged("counters", operations, [final]), "cp", None) if each.is_invalid]


def test_two_increments_that_were_told_the_same_sum_are_found_though_it_lies_within_bounds() -> None:
    assert [each.checker for each in broken(add(1, 0, 1), add(2, 2, 1))] == ["linearizable counter"]
    assert not broken(add(1, 0, 1), add(2, 2, 2))
