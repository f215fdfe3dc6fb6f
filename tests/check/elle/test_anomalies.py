"""Each anomaly in a hand-made history: named, told, and ruling out what it must and no more."""

from typing import Any

import pytest

from trilemma.check import hierarchy as models
from trilemma.check.elle.anomaly import JUDGED, RULED_OUT
from trilemma.check.elle.checker import analyse, check_list_append
from trilemma.check.history import Operation
from trilemma.check.verdict import Validity

_WORDS = {"a": "append", "r": "r"}


def txn(process: int, begin: int, end: int | None, *micros: tuple[str, str, Any], outcome: Any = "ok") -> Operation:
    full = tuple((_WORDS[word], key, value) for word, key, value in micros)
    asked = tuple((word, key, None if word == "r" else value) for word, key, value in full)
    return Operation(process, begin, end, "txn", b"", asked, full if outcome == "ok" else None, outcome)


def together(*transactions: tuple[tuple[str, str, Any], ...]) -> list[Operation]:
    """Return transactions that all overlap, each of its own process."""
    return [txn(process, 0, 99, *micros) for process, micros in enumerate(transactions, start=1)]


LOOK = txn(90, 200, 210, ("r", "x", (1, 2)), ("r", "y", (4, 3)))

HISTORIES: dict[str, tuple[list[Operation], str]] = {
    "G0": (
        [*together((("a", "x", 1), ("a", "y", 3)), (("a", "x", 2), ("a", "y", 4))), LOOK],
        "T1 appended 1 to 'x' and T2 appended 2 right after it, so T1 must come before T2",
    ),
    "G1a": (
        [txn(1, 0, 9, ("a", "x", 1), outcome="fail"), txn(2, 10, 19, ("r", "x", (1,)))],
        "1 was read from 'x', but the transaction that appended it had aborted",
    ),
    "G1b": (
        together((("a", "x", 1), ("a", "x", 2)), (("r", "x", (1,)),)),
        "'x' was read up to 1, in the middle of a transaction that then appended 2",
    ),
    "G1c": (
        together((("a", "x", 1), ("r", "y", (2,))), (("a", "y", 2), ("r", "x", (1,)))),
        "T1 appended 1 to 'x' and T2 read [1], so T1 must come before T2",
    ),
    "G-single": (
        [*together((("a", "x", 1), ("a", "y", 2)), (("r", "x", (1,)), ("r", "y", ())))],
        "T2 read [] of 'y' without 2, which T1 appended, so T2 must come before T1",
    ),
    "G-nonadjacent": (
        together(
            (("a", "x", 1),),
            (("a", "y", 2),),
            (("r", "x", (1,)), ("r", "y", ())),
            (("r", "x", ()), ("r", "y", (2,))),
        ),
        "T3 read [] of 'y' without 2, which T2 appended, so T3 must come before T2",
    ),
    "G2-item": (
        together((("r", "x", ()), ("a", "y", 1)), (("r", "y", ()), ("a", "x", 2))),
        "T1 read [] of 'x' without 2, which T2 appended, so T1 must come before T2",
    ),
    "lost update": (
        together((("r", "x", ()), ("a", "x", 1)), (("r", "x", ()), ("a", "x", 2))),
        "T1 and T2 both read [] of 'x' and both appended to it, so one missed the other",
    ),
    "dirty update": (
        [
            txn(1, 0, 9, ("a", "x", 1), outcome="fail"),
            txn(2, 0, 9, ("a", "x", 2)),
            txn(3, 10, 19, ("r", "x", (1, 2))),
        ],
        "2 was appended to 'x' behind 1 of a transaction that had aborted",
    ),
    "duplicate elements": (
        [txn(1, 0, 9, ("a", "x", 1)), txn(2, 10, 19, ("r", "x", (1, 1)))],
        "T1 read 'x' with 1 in it twice",
    ),
    "incompatible orders": (
        together((("a", "x", 1),), (("a", "x", 2),), (("r", "x", (1, 2)),), (("r", "x", (2,)),)),
        "of 'x' one read [1 2], another [2], which is no beginning of it",
    ),
    "internal inconsistency": (
        together((("a", "x", 1),), (("r", "x", ()), ("a", "x", 2), ("r", "x", (1, 2)))),
        "T1 read [1 2] of 'x' where it must have read [2]",
    ),
    "unwritten element": (
        together((("a", "x", 1),), (("r", "x", (7,)),)),
        "T1 read 7 in 'x', which nobody appended",
    ),
    "G0-process": (
        [txn(1, 0, 9, ("a", "x", 1)), txn(1, 10, 19, ("a", "x", 2)), txn(2, 20, 29, ("r", "x", (2, 1)))],
        "T1 came before T2 in process 1, so T1 must come before T2",
    ),
    "G0-realtime": (
        [txn(1, 0, 9, ("a", "x", 1)), txn(2, 10, 19, ("a", "x", 2)), txn(3, 0, 29, ("r", "x", (2, 1)))],
        "T1 was over before T2 began",
    ),
    "G1c-process": (
        [txn(1, 0, 9, ("r", "x", (1,))), txn(1, 10, 19, ("a", "x", 1))],
        "T1 came before T2 in process 1",
    ),
    "G1c-realtime": (
        [txn(1, 0, 9, ("r", "x", (1,))), txn(2, 10, 19, ("a", "x", 1))],
        "T1 was over before T2 began",
    ),
    "G-single-process": (
        [txn(1, 0, 9, ("a", "x", 1)), txn(1, 10, 19, ("r", "x", ()))],
        "T2 read [] of 'x' without 1, which T1 appended, so T2 must come before T1",
    ),
    "G-single-realtime": (
        [txn(1, 0, 9, ("a", "x", 1)), txn(2, 10, 19, ("r", "x", ()))],
        "T1 was over before T2 began, so T1 must come before T2",
    ),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_an_anomaly_is_named_told_and_witnessed(name: str) -> None:
    history, sentence = HISTORIES[name]
    found = {each.name: each for each in analyse(history).anomalies}
    assert name in found
    assert sentence in found[name].reason
    verdict = check_list_append(history, RULED_OUT[name][0])
    assert verdict.is_invalid
    assert verdict.witness


@pytest.mark.parametrize("name", [name for name in HISTORIES if name not in ("dirty update", "lost update")])
def test_an_anomaly_alone_rules_out_its_models_and_all_stronger_but_no_weaker(name: str) -> None:
    history, _ = HISTORIES[name]
    ruled_out = models.with_stronger(RULED_OUT[name])
    verdicts = analyse(history).verdicts()
    weaker_ones = [other for other in JUDGED if other not in ruled_out]
    assert all(verdicts[other].is_invalid for other in JUDGED if other in ruled_out)
    if name != "unwritten element":
        assert [other for other in weaker_ones if not verdicts[other].is_valid] == []


def test_a_ring_is_told_step_by_step_until_it_closes() -> None:
    reason = check_list_append(HISTORIES["G2-item"][0], models.SERIALIZABLE).reason
    assert reason == (
        "G2-item (write skew: a ring with reads that missed appends): "
        "T1 read [] of 'x' without 2, which T2 appended, so T1 must come before T2; "
        "T2 read [] of 'y' without 1, which T1 appended, so T2 must come before T1; "
        "so that none of them can be the first. Rules out repeatable read, and all that is stronger"
    )


def test_lists_are_told_by_their_last_elements() -> None:
    appends = [txn(1, 10 * i, 10 * i + 5, ("a", "x", i)) for i in range(9)]
    read = txn(2, 200, 210, ("r", "x", tuple(range(8))))
    whole = txn(3, 100, 110, ("r", "x", tuple(range(9))))
    assert "T3 read [… 4 5 6 7] of 'x' without 8" in check_list_append([*appends, whole, read]).reason


def test_a_serial_history_satisfies_every_model() -> None:
    history = [
        txn(1, 0, 9, ("r", "x", None), ("a", "x", 1), ("r", "x", (1,))),
        txn(2, 10, 19, ("a", "x", 2), ("a", "x", 3), ("r", "x", (1, 2, 3)), ("a", "y", 1)),
        txn(1, 20, 29, ("r", "y", (1,)), ("r", "x", (1, 2, 3))),
    ]
    verdicts = analyse(history).verdicts()
    assert all(verdict.is_valid for verdict in verdicts.values())
    assert models.stand(verdicts).satisfied == (models.STRICT_SERIALIZABLE,)


def test_write_skew_is_snapshot_isolated() -> None:
    verdicts = analyse(HISTORIES["G2-item"][0]).verdicts()
    standing = models.stand(verdicts)
    assert standing.satisfied == (models.STRONG_SNAPSHOT_ISOLATION,)
    assert standing.broken == (models.REPEATABLE_READ,)


def test_a_transaction_in_doubt_counts_once_somebody_read_what_it_appended() -> None:
    doubtful = txn(1, 0, None, ("a", "x", 1), ("a", "y", 1), outcome="info")
    assert check_list_append([doubtful, txn(2, 10, 19, ("r", "x", ()), ("r", "y", ()))]).is_valid
    half = [doubtful, txn(2, 10, 19, ("r", "x", (1,)), ("r", "y", ()))]
    assert check_list_append(half, models.SNAPSHOT_ISOLATION).is_invalid


def test_a_transaction_in_doubt_may_come_later_than_its_process_went_on() -> None:
    doubtful = txn(1, 0, 5, ("a", "x", 1), outcome="info")
    assert check_list_append([doubtful, txn(1, 10, 19, ("r", "x", ())), txn(1, 20, 29, ("r", "x", (1,)))]).is_valid


@pytest.mark.parametrize(
    "history",
    [
        [],
        [txn(1, 0, 9, ("a", "x", 1))],
        [txn(1, 0, 9, ("r", "x", ()))],
        [txn(1, 0, 9, ("a", "x", 1)), txn(2, 10, None, ("r", "x", None), outcome="info")],
    ],
    ids=["nothing", "no read", "no append", "no answer"],
)
def test_nothing_judged_is_unknown_for_every_model(history: list[Operation]) -> None:
    assert {each.validity for each in analyse(history).verdicts().values()} == {Validity.UNKNOWN}


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ([Operation(1, 0, 1, "read", b"k", None, 1)], "no transaction"),
        ([txn(1, 0, 9, ("a", "x", 1)), txn(2, 0, 9, ("a", "x", 1))], "twice"),
        ([Operation(1, 0, 1, "txn", b"", (), (("w", "x", 1),))], "'w'"),
        ([Operation(1, 0, 1, "txn", b"", (), None)], "not a transaction"),
    ],
    ids=["foreign kind", "an element twice", "foreign micro-operation", "no result"],
)
def test_what_cannot_be_traced_is_unknown_with_the_reason(history: list[Operation], said: str) -> None:
    verdict = check_list_append(history)
    assert verdict.validity is Validity.UNKNOWN
    assert said in verdict.reason


def test_a_search_that_reaches_its_bound_is_unknown_where_rings_are_left_to_find() -> None:
    analysis = analyse(HISTORIES["G2-item"][0], visits_max=0)
    assert analysis.gave_up
    assert analysis.verdict(models.SNAPSHOT_ISOLATION).validity is Validity.UNKNOWN
    assert analysis.verdict(models.SERIALIZABLE).is_invalid


def test_a_model_that_transactions_are_not_judged_by_is_refused() -> None:
    with pytest.raises(ValueError, match="linearizable"):
        check_list_append([], models.LINEARIZABLE)


def test_a_read_after_own_appends_tells_their_order_too() -> None:
    own = (("r", "x", ()), ("a", "x", 1), ("r", "x", (1,)))
    for first in (own, own[1:]):
        history = together(first, (("a", "x", 3),), (("r", "x", (3, 1)),))
        assert check_list_append(history, models.READ_COMMITTED).is_invalid
    agreeing = together(own, (("a", "x", 3),), (("r", "x", (1, 3)),))
    assert check_list_append(agreeing).is_valid


STRAYS: dict[str, tuple[tuple[Any, ...], str, str]] = {
    "from nowhere": ((9,), "unwritten element", "T1 read 9 in 'x', which nobody appended"),
    "several from nowhere": ((9, 8, 7), "unwritten element", "T1 read 9 in 'x', which nobody appended"),
    "of an element twice": ((1, 1), "duplicate elements", "T1 read 'x' with 1 in it twice"),
    "of an aborted element": ((3,), "G1a", "3 was read from 'x', but the transaction that appended it had aborted"),
    "built on an aborted element": ((3, 2), "dirty update", "2 was appended to 'x' behind 3 of a transaction"),
}
"""Lists that are no beginning of [1 2], which was read too."""


@pytest.mark.parametrize("longer_first", [True, False])
@pytest.mark.parametrize("what", STRAYS)
def test_an_anomaly_of_one_list_is_found_in_every_list_whatever_else_was_read(what: str, longer_first: bool) -> None:
    stray, name, sentence = STRAYS[what]
    appends = [txn(1, 0, 9, ("a", "x", 1)), txn(1, 10, 19, ("a", "x", 2)), txn(2, 0, 9, ("a", "x", 3), outcome="fail")]
    lists = [(1, 2), (1,), stray] if longer_first else [stray, (1,), (1, 2)]
    reads = [txn(3, 20 + 10 * place, 29 + 10 * place, ("r", "x", shown)) for place, shown in enumerate(lists)]
    analysis = analyse([*appends, *reads])
    found = {each.name: each for each in analysis.anomalies}
    assert sentence in found[name].reason
    assert any(("r", "x", stray) in (each.result or ()) for each in found[name].operations) or name == "dirty update"
    for model in JUDGED:
        if model in models.with_stronger(RULED_OUT[name]):
            assert analysis.verdict(model).is_invalid


def test_an_element_from_nowhere_is_found_where_no_key_was_both_read_and_appended_to() -> None:
    assert check_list_append([txn(1, 0, 9, ("r", "x", (9,)))], models.READ_UNCOMMITTED).is_invalid
