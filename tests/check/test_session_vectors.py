"""Session guarantees by contexts and receipts: hand-made histories, and agreement with every pair of operations."""

from random import Random
from typing import Any

import pytest

from trilemma.check.hierarchy import MONOTONIC_READS, MONOTONIC_WRITES, READ_YOUR_WRITES, WRITES_FOLLOW_READS
from trilemma.check.history import Operation
from trilemma.check.session_vectors import check_session_vectors
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 3_000


def write(process: int, at: int, receipt: Any, context: Any = None) -> Operation:
    return Operation(process, at, at + 1, "write", b"k", at, receipt=receipt, context=context)


def read(process: int, at: int, context: Any) -> Operation:
    return Operation(process, at, at + 1, "read", b"k", None, at, context=context)


@pytest.mark.parametrize(
    ("guarantee", "history"),
    [
        (READ_YOUR_WRITES, [write(1, 0, ("n1", 3)), read(1, 2, {"n1": 2, "n2": 9})]),
        (READ_YOUR_WRITES, [write(1, 0, 7), read(1, 2, 6)]),
        (MONOTONIC_READS, [read(1, 0, {"n1": 3}), read(1, 2, {"n2": 9})]),
        (MONOTONIC_WRITES, [write(1, 0, ("n1", 3)), write(1, 2, ("n2", 1), {"n1": 2})]),
        (WRITES_FOLLOW_READS, [read(1, 0, {"n1": 3}), write(1, 2, ("n2", 1), {"n1": 2})]),
    ],
)
def test_what_an_executor_had_not_seen_breaks_the_guarantee(guarantee: str, history: list[Operation]) -> None:
    verdict = check_session_vectors(history)[guarantee]
    assert verdict.is_invalid
    assert verdict.witness == tuple(history)
    others = [each for name, each in check_session_vectors(history).items() if name != guarantee]
    assert {each.validity for each in others} == {Validity.UNKNOWN}


def test_sessions_demand_nothing_of_each_other() -> None:
    history = [write(1, 0, ("n1", 3)), read(2, 2, {"n1": 1}), read(1, 4, {"n1": 3})]
    verdicts = check_session_vectors(history)
    assert verdicts[READ_YOUR_WRITES].is_valid
    assert verdicts[MONOTONIC_READS].validity is Validity.UNKNOWN


def test_without_contexts_nothing_is_judged() -> None:
    verdicts = check_session_vectors([write(1, 0, ("n1", 1)), Operation(1, 2, 3, "read", b"k", None, 0)])
    assert {each.validity for each in verdicts.values()} == {Validity.UNKNOWN}


def _breaks(history: list[Operation], guarantee: str) -> bool:
    """The dumb twin: some operation had not seen what an earlier one of its session demands."""
    writes_first = guarantee in (READ_YOUR_WRITES, MONOTONIC_WRITES)
    writes_then = guarantee in (MONOTONIC_WRITES, WRITES_FOLLOW_READS)
    for later in history:
        for earlier in history:
            if later.process != earlier.process or earlier.invoke_us >= later.invoke_us or later.context is None:
                continue
            if (earlier.kind == "write") != writes_first or (later.kind == "write") != writes_then:
                continue
            demanded = dict([earlier.receipt]) if writes_first else earlier.context or {}
            if any(later.context.get(node, 0) < number for node, number in demanded.items()):
                return True
    return False


def test_verdicts_never_disagree_with_looking_at_every_pair() -> None:
    rng = Random(43)
    broken = dict.fromkeys((READ_YOUR_WRITES, MONOTONIC_READS, MONOTONIC_WRITES, WRITES_FOLLOW_READS), 0)
    for _ in range(FUZZ_ROUNDS):
        history = []
        for number in range(rng.randint(2, 6)):
            context = {node: rng.randint(number, number + 3) for node in ("n1", "n2")} if rng.random() < 0.9 else None
            if rng.random() < 0.5:
                receipt = (rng.choice(["n1", "n2"]), rng.randint(0, number + 2))
                history.append(write(rng.randint(1, 2), 10 * number, receipt, context))
            else:
                history.append(read(rng.randint(1, 2), 10 * number, context))
        for guarantee, verdict in check_session_vectors(history).items():
            assert verdict.is_invalid == _breaks(history, guarantee), (guarantee, history)
            broken[guarantee] += verdict.is_invalid
    assert all(FUZZ_ROUNDS // 100 < count < FUZZ_ROUNDS * 9 // 10 for count in broken.values()), broken
