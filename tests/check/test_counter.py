"""Counters: the bounds written out, a sequential counter by brute force, and sums at rest."""

from itertools import combinations
from random import Random
from typing import Any

import pytest

from trilemma.check.brute import is_linearizable
from trilemma.check.counter import check_counter, check_final_sums, check_quorum_reads
from trilemma.check.forge import disturb, forge
from trilemma.check.history import Operation
from trilemma.check.model import COUNTER
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 4_000


def _draw(rng: Random, number: int) -> tuple[str, Any]:
    return ("read", None) if rng.random() < 0.5 else ("add", rng.choice([1, 2, -1]))


def _run(state: int, operation: Operation) -> tuple[int, int]:
    after = state + (operation.argument or 0)
    return after, after


def _history(rng: Random) -> list[Operation]:
    history = disturb(rng, forge(rng, rng.randint(1, 7), 0, _draw, _run), rng.randrange(5))
    return [
        each._replace(node=rng.choice(["n1", "n2", ""]), result=each.result or 0 if each.outcome == "ok" else None)
        for each in history
    ]


def _within_bounds(history: list[Operation], lag: bool) -> bool:
    """The dumb twin: for each reply, the least and the most that may have been counted."""
    for reply in history:
        if reply.outcome != "ok":
            continue
        low = high = 0
        for each in history:
            if each.kind != "add" or each.outcome == "fail":
                continue
            near = not lag or each.node == reply.node != ""
            must = each is reply or (each.outcome == "ok" and each.end_us < reply.invoke_us and near)
            may = must or each.invoke_us <= reply.end_us
            low += each.argument if must else min(each.argument, 0) if may else 0
            high += each.argument if must else max(each.argument, 0) if may else 0
        if not low <= reply.result <= high:
            return False
    return True


@pytest.mark.parametrize("lag", [False, True])
def test_bounds_never_disagree_with_the_sums_written_out(lag: bool) -> None:
    rng = Random(111)
    good = 0
    for _ in range(FUZZ_ROUNDS):
        history = _history(rng)
        expected = _within_bounds(history, lag)
        assert check_counter(history, replicas_lag=lag).is_valid == expected, history
        good += expected
    assert FUZZ_ROUNDS // 10 < good < FUZZ_ROUNDS * 19 // 20


def test_a_linearizable_counter_is_within_its_bounds() -> None:
    rng = Random(112)
    linearizable = 0
    for _ in range(FUZZ_ROUNDS):
        history = _history(rng)
        if len(history) <= 6 and is_linearizable(history, COUNTER):
            linearizable += 1
            assert not check_counter(history).is_invalid, history
    assert linearizable > FUZZ_ROUNDS // 10


def test_sums_at_rest_never_disagree_with_trying_every_subset() -> None:
    rng = Random(113)
    good = 0
    for _ in range(FUZZ_ROUNDS):
        adds = [
            Operation(1, n, n + 1, "add", b"k", rng.choice([1, 2, -3]), None, rng.choice(["ok", "info", "fail"]))
            for n in range(rng.randint(1, 5))
        ]
        final = Operation(1, 99, 100, "read", b"k", None, rng.randint(-6, 6), "ok", "n1")
        certain = sum(each.argument for each in adds if each.outcome == "ok")
        doubtful = [each.argument for each in adds if each.outcome == "info"]
        sums = {certain + sum(some) for count in range(len(doubtful) + 1) for some in combinations(doubtful, count)}
        assert check_final_sums(adds, [final]).is_valid == (final.result in sums)
        good += final.result in sums
    assert FUZZ_ROUNDS // 20 < good < FUZZ_ROUNDS * 19 // 20


def test_replicas_at_rest_must_show_the_same_sum_and_one_must_be_read() -> None:
    add = Operation(1, 0, None, "add", b"k", 1, None, "info")
    finals = [Operation(1, 9, 10, "read", b"k", None, shown, "ok", f"n{shown}") for shown in (0, 1)]
    assert check_final_sums([add], finals).is_invalid
    assert check_final_sums([add], finals[:1]).is_valid
    assert check_final_sums([add], []).validity is Validity.UNKNOWN


def test_no_operation_on_a_counter_is_unknown() -> None:
    assert check_counter([]).validity is Validity.UNKNOWN


def test_a_read_of_a_quorum_shows_what_another_node_acknowledged_before_but_a_sum_need_not() -> None:
    first = Operation(1, 0, 10, "add", b"c", 3, 3, node="n1")
    lagging = [
        first,
        Operation(2, 20, 30, "add", b"c", 5, 5, node="n2"),
        Operation(3, 40, 50, "read", b"c", None, 5, node="n2"),
    ]
    assert check_counter(lagging, replicas_lag=True).is_valid
    assert check_quorum_reads(lagging).is_invalid
    assert check_quorum_reads([*lagging[:2], lagging[2]._replace(result=8)]).is_valid
