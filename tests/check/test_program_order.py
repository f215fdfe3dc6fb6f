"""Program order: what follows what in a process, and agreement with comparing every pair of its operations."""

from itertools import combinations
from random import Random
from typing import Any

from trilemma.check.history import Operation
from trilemma.check.program_order import find_two_at_once, why_unordered

FUZZ_ROUNDS = 3_000


def did(begin: int, end: int | None, outcome: Any = "ok", process: int = 1) -> Operation:
    return Operation(process, begin, end, "write", b"x", (begin, end), None, outcome)


def test_one_thing_after_another_has_an_order() -> None:
    assert find_two_at_once([did(0, 5), did(5, 9), did(9, 9), did(9, 12), did(20, None, "info"), did(30, 31)]) is None
    assert why_unordered([did(0, 9), did(2, 3, process=2)]) == ""
    assert find_two_at_once([did(0, 9), did(2, 3, "fail")]) is None


def test_a_pipeline_is_answered_in_the_order_in_which_it_was_sent() -> None:
    assert find_two_at_once([did(0, 7), did(0, 7), did(1, 8), did(2, 8), did(3, 9, "info")]) is None


def test_what_began_later_and_ended_earlier_or_nobody_knows_when_was_done_at_the_same_time() -> None:
    for other in (did(2, 8), did(2, 8, "info"), did(2, None, "info")):
        assert find_two_at_once([other, did(0, 9)]) == (did(0, 9), other)
    assert "process 1 [0..9 us]" in why_unordered([did(0, 9), did(2, 8)])


def test_the_order_never_disagrees_with_comparing_every_pair() -> None:
    rng = Random(8)
    counts = {True: 0, False: 0}
    for _ in range(FUZZ_ROUNDS):
        history = []
        for number in range(rng.randint(2, 5)):
            begin = 3 * number + rng.randrange(4)
            end, outcome = begin + rng.randrange(5), rng.choice(["ok", "ok", "ok", "fail", "info"])
            history.append(
                did(begin, None if outcome == "info" and rng.random() < 0.5 else end, outcome, rng.randint(1, 2))
            )
        history.sort(key=lambda each: each.invoke_us)
        expected = any(
            before.process == after.process
            and before.outcome == "ok"
            and after.outcome != "fail"
            and after.invoke_us < before.end_us
            and (after.complete_us is None or after.complete_us < before.end_us)
            for before, after in combinations(history, 2)
        )
        assert (find_two_at_once(history) is not None) == expected, history
        counts[expected] += 1
    assert min(counts.values()) > FUZZ_ROUNDS // 20
