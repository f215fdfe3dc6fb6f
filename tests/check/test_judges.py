"""The table of judges: each row finds the good good and the bad bad; guessing; what does not fit is refused."""

from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from trilemma.check.brute import is_linearizable
from trilemma.check.deadline import Deadline
from trilemma.check.forge import disturb, forge
from trilemma.check.fuzz import CASES
from trilemma.check.hierarchy import (
    LINEARIZABLE,
    READ_YOUR_WRITES,
    SEQUENTIAL,
    STRICT_SERIALIZABLE,
    STRONG_SESSION_SERIALIZABLE,
    stand,
)
from trilemma.check.history import History, HistoryError, Operation
from trilemma.check.judgement import Terms
from trilemma.check.judges import JUDGES, guess_judge, judge
from trilemma.check.verdict import Validity, combine

FUZZ_ROUNDS = 300


def done(kind: str, argument: Any = None, result: Any = None, at: int = 0, key: bytes = b"") -> Operation:
    return Operation(1, 2 * at, 2 * at + 1, kind, key, argument, result)


def in_turn(*operations: Operation) -> list[Operation]:
    """Return operations of which each begins when the one before has ended."""
    return [each._replace(invoke_us=3 * place, complete_us=3 * place + 1) for place, each in enumerate(operations)]


READ_TXN = (("r", b"x", None),)
WRITE_3 = ("w", b"x", 3)
MOVE_2 = done("transfer", (0, 1, 2))


def other(operation: Operation) -> Operation:
    return operation._replace(process=2)


def apart(*operations: Operation) -> list[Operation]:
    """Return operations, one after another, each of whose processes has a node of its own, that may lag."""
    return [each._replace(node=f"n{each.process}", mode="ap") for each in in_turn(*operations)]


def appends(element: int) -> Operation:
    micros = (("append", b"x", element),)
    return done("txn", micros, micros)


def reads(*elements: int) -> Operation:
    return done("txn", READ_TXN, (("r", b"x", elements),))


X_AND_Y = done("multi_write", ((b"x", 1), (b"y", 1)))
FENCED_3 = done("acquire", None, 3)
MOVES = (done("write", 1), done("write", 2), other(done("read", None, 2)), other(done("read", None, 2)))
"""What two sessions do to a register that keeps every promise."""

GOOD_AND_BAD: dict[str, tuple[list[Operation], list[Operation]]] = {
    "register": (
        in_turn(done("write", 1), done("write", 1), done("read", None, 1)),
        in_turn(done("write", 1), done("write", 2), done("write", 1), done("read", None, 2)),
    ),
    "cas-register": (
        in_turn(done("write", 1), done("cas", (1, 2), True), done("cas", (1, 2), False), done("read", None, 2)),
        in_turn(done("write", 1), done("cas", (1, 2), False)),
    ),
    "counter": (
        in_turn(done("add", 5), done("add", -2, 3), done("read", None, 3)),
        in_turn(done("add", 5), done("read", None, 4)),
    ),
    "counter-bounds": (
        in_turn(done("add", 5), done("read", None, 5)),
        in_turn(done("add", 5), done("read", None, 4)),
    ),
    "string": (
        in_turn(done("read"), done("append", b"a"), done("append", b"b", 2), done("write", b"z"), done("append", b"")),
        in_turn(done("append", b"a"), done("append", b"b"), done("read", None, b"ba")),
    ),
    "multi-register": (
        in_turn(
            done("multi_write", ((b"x", 1), (b"y", 2))),
            done("multi_read", (b"x", b"y", b"z"), (1, 2, None)),
            done("txn", (*READ_TXN, WRITE_3, *READ_TXN), (("r", b"x", 1), WRITE_3, ("r", b"x", 3))),
            done("txn", READ_TXN, (("r", b"x", 3),)),
        ),
        in_turn(done("multi_write", ((b"x", 1),)), done("txn", READ_TXN, (("r", b"x", None),))),
    ),
    "bank": (
        in_turn(done("read", None, ((0, 5), (1, 5))), MOVE_2, done("read", None, ((0, 3), (1, 7)))),
        in_turn(done("read", None, ((0, 5), (1, 5))), MOVE_2, done("read", None, ((0, 5), (1, 7)))),
    ),
    "causal": (
        [
            *in_turn(done("write", 1), done("read", None, 2)),
            *[other(each) for each in in_turn(done("write", 2), done("read", None, 1))],
        ],
        in_turn(done("write", b"a", key=b"x"), done("read", None, None, key=b"x")),
    ),
    "causal-convergence": (
        in_turn(done("write", b"a", key=b"x"), done("read", None, b"a", key=b"x")),
        [
            *in_turn(done("write", 1), done("read", None, 2)),
            *[other(each) for each in in_turn(done("write", 2), done("read", None, 1))],
        ],
    ),
    "sequential": (
        in_turn(done("write", 1), other(done("read", None, None)), other(done("read", None, 1))),
        in_turn(done("write", 1), other(done("read", None, 1)), other(done("read", None, None))),
    ),
    "set": (
        in_turn(done("add", 1), done("add", 2), done("remove", 1), done("read", None, (2,)), done("read", None, [2])),
        in_turn(done("add", 1), done("remove", 1), done("read", None, (1,))),
    ),
    "or-set": (
        apart(done("add", 1), other(done("add", 1)), done("remove", 1, 1), other(done("read", None, (1,)))),
        apart(done("add", 1), done("remove", 1, 1), done("read", None, (1,))),
    ),
    "set-full": (
        in_turn(done("add", 1), done("read", None, ()), done("read", None, (1,))),
        in_turn(done("add", 1), done("read", None, (1,)), done("read")),
    ),
    "queue": (
        in_turn(done("enqueue", 1), done("enqueue", 2), done("dequeue", None, 1), done("dequeue", None, 2)),
        in_turn(done("enqueue", 1), done("enqueue", 2), done("dequeue", None, 2), done("dequeue", None, 1)),
    ),
    "total-queue": (
        in_turn(done("enqueue", 1), done("enqueue", 2), done("dequeue", None, 2), done("drain", None, (1,))),
        in_turn(done("enqueue", 1), done("enqueue", 2), done("dequeue", None, 2), done("drain", None, ())),
    ),
    "mutex": (
        in_turn(FENCED_3, other(done("acquire", None, False)), done("release"), done("acquire", None, 5)),
        in_turn(FENCED_3, other(done("acquire", None, 4))),
    ),
    "list-append": (
        in_turn(appends(1), reads(1), appends(2), reads(1, 2)),
        in_turn(appends(1), appends(2), reads(1), reads(1, 2)),
    ),
    "long-fork": (
        in_turn(X_AND_Y, done("multi_read", (b"x", b"y"), (1, None)), done("multi_read", (b"x", b"y"), (1, 1))),
        in_turn(X_AND_Y, done("multi_read", (b"x", b"y"), (1, None)), done("multi_read", (b"x", b"y"), (None, 1))),
    ),
    "causal-reverse": (
        in_turn(done("write", 1), done("write", 2), done("read", None, (1,)), done("read", None, (1, 2))),
        in_turn(done("write", 1), done("write", 2), done("read", None, (1,)), done("read", None, (2,))),
    ),
    "sessions": (
        in_turn(*MOVES, done("write", 3), other(done("read", None, 3)), other(done("write", 4)), done("read", None, 4)),
        in_turn(*MOVES, other(done("read", None, 1))),
    ),
    "consistency": (
        in_turn(*MOVES),
        in_turn(*MOVES, other(done("read", None, 1))),
    ),
    "expiry": (
        in_turn(done("write", (b"a", 5)), done("expire", 90, 1), done("read", None, b"a")),
        in_turn(done("write", (b"a", 90)), done("expire", 1, 1), done("read", None, b"a")),
    ),
    "redis": (
        in_turn(done("command", (b"SET", b"k", b"1"), b"OK"), done("command", (b"GET", b"k"), b"1")),
        in_turn(done("command", (b"SET", b"k", b"1"), b"OK"), done("command", (b"GET", b"k"), None)),
    ),
}  # fmt: skip

NEVER_GUESSED = (
    "counter-bounds", "sequential", "set-full", "long-fork", "causal-reverse", "causal",
    "causal-convergence", "sessions", "consistency",
)  # fmt: skip
GUESSED = tuple(name for name in GOOD_AND_BAD if name not in NEVER_GUESSED)


@pytest.mark.parametrize("name", GOOD_AND_BAD)
def test_a_judge_finds_the_good_good_and_the_bad_bad(name: str) -> None:
    good, bad = GOOD_AND_BAD[name]
    assert combine(judge(good, JUDGES[name]).verdicts).validity is Validity.VALID, judge(good, JUDGES[name])
    verdict = combine(judge(bad, JUDGES[name]).verdicts)
    assert verdict.validity is Validity.INVALID
    assert verdict.witness


@pytest.mark.parametrize("name", GUESSED)
def test_a_model_is_guessed_from_the_operations(name: str) -> None:
    for history in GOOD_AND_BAD[name]:
        assert guess_judge(history).name == name


def test_rows_are_named_once_and_described() -> None:
    assert set(GOOD_AND_BAD) == set(JUDGES)
    for name, row in JUDGES.items():
        assert (row.name, bool(row.description), bool(row.kinds)) == (name, True, True)


def test_the_initial_value_is_the_users_to_say() -> None:
    seven = {"register": 7, "cas-register": 7, "counter": 7, "string": b"7"}
    for name, initial in seven.items():
        history = in_turn(done("read", None, initial))
        assert combine(judge(history, JUDGES[name], Terms(initial)).verdicts).is_valid
        assert combine(judge(history, JUDGES[name]).verdicts).is_invalid
    read = in_turn(done("multi_read", (b"x",), (7,)))
    assert combine(judge(read, JUDGES["multi-register"], Terms(7)).verdicts).is_valid
    balances = in_turn(done("read", None, ((0, 5),)))
    assert combine(judge(balances, JUDGES["bank"], Terms(6)).verdicts).is_invalid


@pytest.mark.parametrize("name", JUDGES)
def test_a_history_in_which_nothing_is_ok_is_unknown_whatever_it_is_of(name: str) -> None:
    for outcomes in (("info",), ("fail",), ("info", "fail"), ()):
        history: list[Operation] = []
        for outcome in outcomes:
            history += [each._replace(outcome=outcome, result=None) for each in GOOD_AND_BAD[name][0]]
        found = judge(history, JUDGES[name])
        assert [each.validity for each in found.verdicts] == [Validity.UNKNOWN], outcomes
        assert not found.models


def test_one_answer_is_enough_to_judge() -> None:
    unsure = [Operation(number, number, None, "write", b"", number, None, "info") for number in range(4)]
    assert combine(judge([*unsure, done("read", None, 3, at=9)], JUDGES["register"]).verdicts).is_valid
    assert combine(judge([done("read", None, 3)], JUDGES["register"]).verdicts).is_invalid
    assert combine(judge([done("write", 3)], JUDGES["register"]).verdicts).is_valid


DIFFERENT: dict[str, list[Operation]] = {
    "register": in_turn(done("write", 1), done("read", None, True)),
    "cas-register": in_turn(done("write", (1, 0)), done("cas", ((1.0, 0), 5), True)),
    "sequential": in_turn(done("write", 1), done("read", None, 1.0)),
    "set": in_turn(done("add", 1), done("read", None, (True,))),
    "or-set": in_turn(done("add", 1), done("read", None, (True,))),
    "set-full": in_turn(done("add", True), done("read", None, (1,))),
    "queue": in_turn(done("enqueue", 0), done("dequeue", None, False)),
    "total-queue": in_turn(done("enqueue", 1), done("dequeue", None, 1.0), done("drain", None, ())),
    "multi-register": in_turn(done("multi_write", ((b"x", 1),)), done("multi_read", (b"x",), (True,))),
    "counter": in_turn(done("add", 1), done("read", None, True)),
    "counter-bounds": in_turn(done("add", 1), done("read", None, 1.0)),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_1_and_1_0_and_true_are_different_values(name: str) -> None:
    verdict = combine(judge(DIFFERENT[name], JUDGES[name]).verdicts)
    assert verdict.is_invalid, verdict
    for each in verdict.witness:
        for value in (each.argument, each.result):
            assert "Distinct" not in str(type(value)), "the witness has the values of the history"


def test_values_of_one_type_are_compared_as_they_are() -> None:
    for value in (True, 1.0, 1, (True, 1), frozenset({1.5})):
        history = in_turn(done("write", value), done("cas", (value, 2.5), True), done("read", None, 2.5))
        assert combine(judge(history, JUDGES["cas-register"]).verdicts).is_valid
    assert combine(judge(in_turn(done("read", None, 1.0)), JUDGES["register"], Terms(1.0)).verdicts).is_valid
    assert combine(judge(in_turn(done("read", None, 1.0)), JUDGES["register"], Terms(1)).verdicts).is_invalid


def test_a_counter_that_nobody_has_added_to_may_be_absent() -> None:
    history = in_turn(done("read"), done("add", 2), done("read", None, 2))
    assert guess_judge(history).name == "counter"
    for name in ("counter", "counter-bounds"):
        assert combine(judge(history, JUDGES[name]).verdicts).is_valid
        assert combine(judge(in_turn(done("add", 2), done("read")), JUDGES[name]).verdicts).is_invalid
        assert combine(judge(in_turn(done("read"), done("read", None, 7)), JUDGES[name], Terms(7)).verdicts).is_valid
    assert guess_judge(in_turn(done("add", 2), done("read"))).name == "set"


def test_an_initial_value_of_another_kind_is_refused() -> None:
    with pytest.raises(HistoryError, match="the initial value of a set is a set"):
        judge(in_turn(done("read", None, (1,))), JUDGES["set"], Terms(b"abc"))
    with pytest.raises(HistoryError, match="the initial value of a counter is a whole number"):
        judge(in_turn(done("read", None, 1)), JUDGES["counter"], Terms(b"abc"))
    for sum_at_first in (b"abc", 1.5, True):
        with pytest.raises(HistoryError, match="the initial value of a bank, its sum, is a whole number"):
            judge(in_turn(done("read", None, ((0, 5), (1, 10)))), JUDGES["bank"], Terms(sum_at_first))


def test_a_search_that_gives_up_is_unknown() -> None:
    together = [Operation(number, 0, 99, "write", b"", number % 2) for number in range(12)]
    history = [*together, Operation(99, 200, 201, "read", b"", None, 5)]
    assert combine(judge(history, JUDGES["register"], Terms(steps_max=10)).verdicts).validity is Validity.UNKNOWN


def test_what_a_model_does_not_know_is_refused() -> None:
    with pytest.raises(HistoryError, match="the model counter has no operation write"):
        judge([done("write", 1)], JUDGES["counter"])
    with pytest.raises(HistoryError, match="none of the model counter"):
        judge([done("add", b"five")], JUDGES["counter"])
    with pytest.raises(HistoryError, match="no model has the operations rename"):
        guess_judge([done("rename")])
    with pytest.raises(
        HistoryError, match="the values of add, read are those of no one model; name one, such as counter"
    ):
        guess_judge([done("add", 1), done("read", None, b"one")])
    with pytest.raises(HistoryError, match="the model redis has no initial value"):
        judge([done("command", (b"GET", b"k"))], JUDGES["redis"], Terms(7))
    with pytest.raises(HistoryError, match="judges one promise only"):
        judge([done("write", 1)], JUDGES["register"], Terms(promise="causal"))
    for promise in ("eventual convergence", "perfection"):
        with pytest.raises(HistoryError, match=f"there is no verdict on '{promise}'; there are verdicts on strict"):
            judge(GOOD_AND_BAD["list-append"][0], JUDGES["list-append"], Terms(promise=promise))


def test_a_bank_whose_reads_name_no_accounts_is_refused_and_never_broken() -> None:
    for shown in ((10, 10), (10,), b"10 10", 20, ((0, 10), 10)):
        with pytest.raises(HistoryError, match="a read of a bank shows each account with its balance, not as"):
            judge(in_turn(MOVE_2, done("read", None, ((0, 10), (1, 10))), done("read", None, shown)), JUDGES["bank"])
    for shown in (None, ((0, 10), (0, 10))):
        assert combine(judge(in_turn(done("read", None, shown)), JUDGES["bank"]).verdicts).is_invalid


def test_what_only_several_values_were_read_of_is_not_guessed() -> None:
    for shown in ((10, 10), ((0, 10), (1, 10)), frozenset((10,)), {0: 10}):
        with pytest.raises(HistoryError, match="several values were read at once, and nothing else done; name the"):
            guess_judge(in_turn(done("read"), done("read", None, shown)))
    assert guess_judge(in_turn(done("read"), done("read", None, 10))).name == "register"


def test_a_promise_that_is_named_counts_and_the_others_are_told() -> None:
    stale = in_turn(done("write", 1), done("write", 2), other(done("read", None, 1)), other(done("read", None, 2)))
    found = judge(stale, JUDGES["consistency"])
    assert combine(found.verdicts).is_invalid
    assert (stand(found.models).satisfied, stand(found.models).broken) == ((SEQUENTIAL,), (LINEARIZABLE,))
    assert combine(judge(stale, JUDGES["consistency"], Terms(promise="causal convergence")).verdicts).is_valid
    for history, validity in zip(GOOD_AND_BAD["consistency"], (Validity.VALID, Validity.INVALID), strict=True):
        found = judge(history, JUDGES["consistency"], Terms(promise="sequential"))
        assert found.models["sequential"].validity is Validity.UNKNOWN  # not searched for, as the others tell
        assert combine(found.verdicts).validity is validity
    late = GOOD_AND_BAD["list-append"][1]
    assert combine(judge(late, JUDGES["list-append"], Terms(promise="serializable")).verdicts).is_valid


@pytest.mark.parametrize("name", ["consistency", "sessions"])
def test_a_promise_without_a_verdict_of_its_own_goes_by_weaker_and_stronger_models(name: str) -> None:
    good, bad = GOOD_AND_BAD[name]
    backwards = in_turn(*MOVES[:2], other(done("read", None, 2)), other(done("read", None, 1)))
    for promise in ("PRAM", "causal", "strict serializable"):
        found = {
            where: combine(judge(history, JUDGES[name], Terms(promise=promise)).verdicts).validity
            for where, history in (("good", good), ("bad", bad), ("back", backwards))
        }
        kept = Validity.UNKNOWN if promise == "strict serializable" else Validity.VALID
        assert found == {"good": kept, "bad": Validity.INVALID, "back": Validity.INVALID}, promise


def test_a_lease_that_ran_out_and_a_token_that_did_not_grow_are_seen() -> None:
    leased = in_turn(done("acquire", 3, 7), other(done("acquire", 3, 8)), done("write", (8, b"v")))
    assert combine(judge(leased, JUDGES["mutex"]).verdicts).validity is not Validity.INVALID
    backwards = in_turn(done("acquire", 3, 8), other(done("acquire", 3, 7)))
    assert combine(judge(backwards, JUDGES["mutex"]).verdicts).is_invalid
    writes = in_turn(done("acquire", None, 1), done("write", (8, b"v")), done("write", (7, b"w")))
    assert combine(judge(writes, JUDGES["mutex"]).verdicts).is_invalid


@pytest.mark.parametrize("lease", [None, 1_000], ids=["for good", "with a lease"])
def test_a_release_that_released_nothing_lets_nobody_else_in(lease: int | None) -> None:
    first, second = done("acquire", lease, 1), other(done("acquire", lease, 2))
    for nothing in (done("release")._replace(outcome="fail"), done("release", None, False), done("release", None, 0)):
        assert combine(judge(in_turn(first, nothing, second), JUDGES["mutex"]).verdicts).is_invalid, nothing
        strange = in_turn(first, other(nothing), done("release", None, 1), second)
        assert combine(judge(strange, JUDGES["mutex"]).verdicts).is_valid, nothing
    for something in (done("release"), done("release", None, 1), done("release")._replace(outcome="info")):
        assert combine(judge(in_turn(first, something, second), JUDGES["mutex"]).verdicts).is_valid, something


def test_an_older_token_that_was_granted_to_the_next_holder_is_seen_where_acquires_overlap() -> None:
    overlapping = [
        Operation(1, 4, 5, "acquire", b"", None, 3),
        Operation(2, 4, 9, "acquire", b"", None, 2),
        Operation(1, 8, 14, "release", b""),
        Operation(2, 15, 16, "release", b""),
    ]
    assert combine(judge(overlapping, JUDGES["mutex"]).verdicts).is_invalid
    in_order = [overlapping[0]._replace(result=1), *overlapping[1:]]
    assert combine(judge(in_order, JUDGES["mutex"]).verdicts).is_valid
    unsure = [overlapping[0]._replace(outcome="info", complete_us=None, result=None), *overlapping[1:]]
    assert not combine(judge(unsure, JUDGES["mutex"]).verdicts).is_invalid


def test_causal_convergence_asks_nothing_of_nodes_that_are_not_named_or_promise_nothing() -> None:
    late = [done("write", 1), other(done("read", None, None, at=1))]
    for history in (late, [each._replace(node="n1") for each in late], [late[0]._replace(node="n1"), late[1]]):
        assert combine(judge(history, JUDGES["causal-convergence"]).verdicts).is_valid, history
        assert judge(history, JUDGES["consistency"]).models["causal convergence"].is_valid, history
    own = [each._replace(node="n1", mode="ap") for each in late]
    assert combine(judge(own, JUDGES["causal-convergence"]).verdicts).is_invalid
    moved = [own[0], own[0]._replace(node="n2", kind="read", argument=None, invoke_us=5, complete_us=6)]
    assert combine(judge(moved, JUDGES["causal-convergence"]).verdicts).is_valid
    assert combine(judge([each._replace(mode="") for each in moved], JUDGES["causal-convergence"]).verdicts).is_invalid


def test_a_causal_register_may_hold_something_at_first() -> None:
    history = in_turn(done("read", None, 0), done("write", 1), done("read", None, 1))
    for name in ("causal", "causal-convergence"):
        assert combine(judge(history, JUDGES[name], Terms(0)).verdicts).is_valid
        assert combine(judge(history, JUDGES[name], Terms(0.0)).verdicts).is_invalid
        assert combine(judge(history, JUDGES[name]).verdicts).is_invalid


def test_nil_as_a_written_value_breaks_nothing() -> None:
    history = in_turn(done("write", b"a"), done("write", None), done("read", None, None))
    assert combine(judge(history, JUDGES["register"]).verdicts).is_valid
    for name in ("causal", "causal-convergence", "consistency", "sessions"):
        found = judge(history, JUDGES[name])
        assert {each.validity for each in (*found.verdicts, *found.models.values())} == {Validity.UNKNOWN}, name
    elements = in_turn(done("write", None), done("write", 2), done("read", None, (None, 2)))
    assert not combine(judge(elements, JUDGES["causal-reverse"]).verdicts).is_invalid


def test_a_value_overwritten_by_its_own_transaction_satisfies_no_model_that_sees_transactions_whole() -> None:
    history = in_turn(done("multi_write", ((b"x", 1), (b"x", 2))), other(done("multi_read", (b"x",), (1,))))
    for name in ("causal", "causal-convergence", "multi-register", "long-fork", "causal-reverse"):
        assert combine(judge(history, JUDGES[name]).verdicts).is_invalid, name
    assert stand(judge(history, JUDGES["consistency"]).models).broken == ("causal",)


@pytest.mark.parametrize("strange", [99, None, True, b"1"])
def test_a_set_of_values_that_shows_what_nobody_wrote_is_found(strange: Any) -> None:
    writes = in_turn(done("write", 1), done("write", 2))
    shown = other(done("read", None, (1, 2, strange), at=9))
    verdict = combine(judge([*writes, shown], JUDGES["causal-reverse"]).verdicts)
    assert verdict.is_invalid
    assert "nobody had written it" in verdict.reason
    assert verdict.witness == (shown,)
    late = done("write", strange, at=20)._replace(outcome="info", complete_us=None)
    found = combine(judge([*writes, shown, late], JUDGES["causal-reverse"]).verdicts)
    assert found.is_invalid or strange is None, "it began only after the read"
    known = combine(judge([*writes, late._replace(invoke_us=5), shown], JUDGES["causal-reverse"]).verdicts)
    assert known.validity is (Validity.UNKNOWN if strange is None else Validity.VALID)


def test_sets_of_values_are_judged_as_the_definition_of_causal_reverse_says() -> None:
    rng = Random(33)
    counts: Counter[bool] = Counter()
    for _ in range(FUZZ_ROUNDS * 10):
        writes = [
            Operation(1, begin := rng.randrange(8), begin + rng.randrange(4), "write", b"", value, None, outcome)
            for value, outcome in enumerate(rng.choices(["ok", "info", "fail"], (8, 1, 1), k=3))
        ]
        begins = [rng.randrange(4, 18) for _ in range(rng.randint(1, 3))]
        reads = [
            Operation(2, at, at + 1, "read", b"", None, tuple(rng.sample(range(4), rng.randint(0, 4)))) for at in begins
        ]
        expected = any(is_reversed(writes, read) for read in reads)
        found = combine(judge([*writes, *reads], JUDGES["causal-reverse"]).verdicts)
        assert found.is_invalid == expected, (writes, reads)
        counts[expected] += 1
    assert min(counts.values()) > FUZZ_ROUNDS, counts


def is_reversed(writes: list[Operation], read: Operation) -> bool:
    """Say whether a read shows what nobody had written, or a write without one that was over before it began."""
    done_or_open = {each.argument: each for each in writes if each.outcome != "fail"}
    if any(value not in done_or_open or done_or_open[value].invoke_us > read.end_us for value in read.result):
        return True
    return any(
        one.precedes(done_or_open[value])
        for value in read.result
        for one in done_or_open.values()
        if one.argument not in read.result
    )


def renamed(history: list[Operation], key: bytes, processes_from: int) -> list[Operation]:
    return [each._replace(key=key, process=each.process + processes_from) for each in history]


@pytest.mark.parametrize("name", ["bank", "list-append"])
def test_banks_and_transactions_under_different_keys_are_judged_apart(name: str) -> None:
    rng = Random(32)
    histories = [history for pair in GOOD_AND_BAD[name] for history in (pair, [])]
    histories += [in_turn(appends(1)), in_turn(reads(2, 1), appends(2), appends(1))] if name == "list-append" else []
    histories += [in_turn(done("read", None, ((0, 7), (5, 9))))] if name == "bank" else []
    for _ in range(100):
        one, other = renamed(rng.choice(histories), b"one", 0), renamed(rng.choice(histories), b"other", 9)
        alone = [judge(each, JUDGES[name]) for each in (one, other) if each]
        both = judge(one + other, JUDGES[name])
        expected = {combine(each.verdicts).validity for each in alone}
        found = combine(both.verdicts).validity
        if Validity.INVALID in expected or not expected - {Validity.UNKNOWN}:
            assert found is (Validity.INVALID if Validity.INVALID in expected else Validity.UNKNOWN)
        else:
            assert found is Validity.VALID  # where nothing was shown under one key, the other is judged
        for model in both.models:
            broken = any(each.models[model].is_invalid for each in alone if each.models)
            assert both.models[model].is_invalid == broken, (model, one, other)


def test_clocks_may_differ_over_a_deadline_and_replicas_of_ap_may_lag() -> None:
    late = GOOD_AND_BAD["expiry"][1]
    assert combine(judge(late, JUDGES["expiry"], Terms(clock_error_us=1)).verdicts).is_valid
    shortened = [late[0]._replace(node="n1"), late[1]._replace(node="n2"), late[2]._replace(node="n1")]
    assert combine(judge(shortened, JUDGES["expiry"]).verdicts).is_invalid
    assert combine(judge([each._replace(mode="ap") for each in shortened], JUDGES["expiry"]).verdicts).is_valid
    with pytest.raises(HistoryError, match="none of the model expiry"):
        judge([done("write", b"a"), *late[1:]], JUDGES["expiry"])


def test_a_drain_takes_what_is_there_and_one_in_doubt_leaves_the_order_unknown() -> None:
    ahead = in_turn(done("enqueue", 1), done("enqueue", 2), done("dequeue", None, 2), done("drain", None, (1,)))
    assert combine(judge(ahead, JUDGES["queue"]).verdicts).is_invalid
    drained = in_turn(done("enqueue", 1), done("enqueue", 2), done("dequeue", None, 1), done("drain", None, (2,)))
    assert combine(judge(drained, JUDGES["queue"]).verdicts).is_valid
    emptied = in_turn(done("enqueue", 1), done("drain", None, (1,)), done("dequeue"))
    assert combine(judge(emptied, JUDGES["queue"]).verdicts).is_valid
    missed = in_turn(done("enqueue", 1), done("drain", None, ()), done("dequeue", None, 1))
    assert combine(judge(missed, JUDGES["queue"]).verdicts).is_invalid
    doubtful = [*drained[:3], drained[3]._replace(outcome="info", result=None)]
    assert combine(judge(doubtful, JUDGES["queue"]).verdicts).validity is Validity.UNKNOWN


def test_the_values_of_a_drain_come_out_in_the_order_in_which_they_went_in() -> None:
    puts = [done("enqueue", 1), done("enqueue", 2)]
    backwards = in_turn(*puts, done("drain", None, (2, 1)))
    found = combine(judge(backwards, JUDGES["queue"]).verdicts)
    assert found.is_invalid
    assert backwards[2] in found.witness
    assert combine(judge(backwards, JUDGES["total-queue"]).verdicts).is_valid
    for told in ((1, 2), frozenset((2, 1))):  # a set tells no order
        assert combine(judge(in_turn(*puts, done("drain", None, told)), JUDGES["queue"]).verdicts).is_valid


def test_others_may_put_in_and_take_out_in_the_midst_of_a_drain() -> None:
    puts = [Operation(1, at, at, "enqueue", b"", at) for at in (1, 2, 3)]
    late = Operation(1, 5, 6, "enqueue", b"", 4)
    taken = Operation(2, 5, 6, "dequeue", b"", None, 2)
    drain = Operation(3, 4, 9, "drain", b"", None, (1, 3, 4))
    assert combine(judge([*puts, late, taken, drain], JUDGES["queue"]).verdicts).is_valid
    for wrong in (drain._replace(result=(1, 4, 3)), drain._replace(invoke_us=7)):
        assert combine(judge([*puts, late, taken, wrong], JUDGES["queue"]).verdicts).is_invalid


def draw_drained(rng: Random) -> list[Operation]:
    """Return a short history of a queue with drains that others interrupt, right by construction, or disturbed."""
    line: list[int] = []
    taken: dict[int, list[int]] = {}
    begun: dict[int, int] = {}
    history = []
    for at in range(rng.randint(4, 8)):
        process = rng.randrange(4)
        if process < 2:
            took = line.pop(0) if line and rng.random() < 0.3 else None
            if took is None:
                line.append(rng.randrange(6))
            kind = ("enqueue", line[-1], None) if took is None else ("dequeue", None, took)
            history.append(Operation(process, 9 * at, 9 * at + 8, kind[0], b"", kind[1], kind[2]))
        else:
            begun.setdefault(process, 9 * at)
            taken.setdefault(process, []).extend([line.pop(0)] if line else [])
    for process, since in begun.items():
        until = 90 + process
        taken[process] += [line.pop(0) for _ in range(len(line) if process == max(begun) else 0)]
        told: Any = tuple(taken[process])
        if len(set(told)) == len(told) and rng.random() < 0.3:
            told = frozenset(told)
        history.append(Operation(process, since, until, "drain", b"", None, told))
    return disturb(rng, history, rng.randrange(3))


def some_order_of_a_drained_queue(waiting: list[Operation], line: tuple[int, ...] = ()) -> bool:
    """Say whether there is an order, by trying each; a drain that has given up a value is one with less to give."""
    if all(each.outcome == "info" for each in waiting):
        return True
    for place, each in enumerate(waiting):
        rest = [*waiting[:place], *waiting[place + 1 :]]
        if any(other.precedes(each) for other in rest):
            continue
        ways: list[tuple[list[Operation], tuple[int, ...]]] = []
        if each.kind == "enqueue":
            ways = [(rest, (*line, each.argument))]
        elif each.kind == "dequeue" and (each.outcome == "info" or line[:1] == (each.result,)):
            ways = [(rest, line[1:])]
        elif each.kind == "dequeue":
            ways = [(rest, line)] if each.result is None and not line else []
        elif not each.result:
            ways = [(rest, line)] if not line else []
        elif isinstance(each.result, frozenset):
            ways = (
                [([*rest, each._replace(result=each.result - {*line[:1]})], line[1:])]
                if {*line[:1]} & each.result
                else []
            )
        elif line[:1] == each.result[:1]:
            ways = [([*rest, each._replace(result=each.result[1:])], line[1:])]
        if any(some_order_of_a_drained_queue(*way) for way in ways):
            return True
    return False


def test_queues_with_drains_agree_with_trying_every_order() -> None:
    rng = Random(5)
    counts: Counter[bool] = Counter()
    while counts.total() < FUZZ_ROUNDS:
        history = draw_drained(rng)
        if not any(each.kind == "drain" and each.outcome == "ok" for each in history):
            continue
        if any(each.kind == "drain" and each.outcome == "info" for each in history):
            continue
        happened = [each for each in history if each.outcome != "fail"]
        truth = some_order_of_a_drained_queue(happened)
        found = combine(judge(history, JUDGES["queue"]).verdicts[-1:])
        assert found.is_invalid != truth, (truth, found.describe(), history)
        counts[truth] += 1
    assert min(counts.values()) > FUZZ_ROUNDS // 20


AT_ONCE = [Operation(1, 0, 100, "write", b"x", 1), Operation(1, 5, 10, "read", b"x")]
"""A process that reads nothing while its own write is on its way."""


def test_a_process_that_does_two_things_at_once_leaves_what_asks_for_its_order_unknown() -> None:
    for name in ("sequential", "causal", "causal-convergence", "sessions"):
        found = combine(judge(AT_ONCE, JUDGES[name]).verdicts)
        assert found.validity is Validity.UNKNOWN, name
        assert "a process did two things at once" in found.reason
    assert combine(judge(AT_ONCE, JUDGES["register"]).verdicts).is_valid
    found_all = judge(AT_ONCE, JUDGES["consistency"])
    assert combine(found_all.verdicts).is_valid
    assert stand(found_all.models) == ((LINEARIZABLE,), (), ())


def test_transactions_at_once_in_one_process_are_judged_without_its_order() -> None:
    late = [appends(1)._replace(invoke_us=0, complete_us=100), reads()._replace(invoke_us=5, complete_us=10)]
    seen = reads(1)._replace(process=2, invoke_us=200, complete_us=201)
    models = judge([*late, seen], JUDGES["list-append"]).models
    assert models[STRICT_SERIALIZABLE].is_valid
    assert models[STRONG_SESSION_SERIALIZABLE].validity is Validity.UNKNOWN
    lost = judge([*late, seen._replace(result=(("r", b"x", (1, 2)),))], JUDGES["list-append"]).models
    assert lost[STRICT_SERIALIZABLE].is_invalid
    assert lost[STRICT_SERIALIZABLE].witness[-1].process == 2, "as it is in the history"


def test_a_pipeline_is_held_to_the_order_in_which_it_was_sent() -> None:
    sent = [
        Operation(1, 0, 10, "write", b"x", 1),
        Operation(1, 0, 10, "read", b"x"),
        Operation(1, 1, 12, "write", b"x", 2),
    ]
    for name in ("sequential", "causal", "causal-convergence", "sessions"):
        assert combine(judge(sent, JUDGES[name]).verdicts).is_invalid, name
        right = [sent[0], sent[1]._replace(result=1), sent[2]]
        assert not any(each.is_invalid for each in judge(right, JUDGES[name]).verdicts), name


def test_a_model_does_not_hold_where_a_weaker_one_is_broken() -> None:
    touching = [Operation(1, 0, 5, "write", b"x", 1), Operation(1, 5, 9, "read", b"x")]
    found = judge(touching, JUDGES["consistency"])
    assert found.models[LINEARIZABLE].is_valid, "by real time, where equal stamps are concurrent"
    assert combine(found.verdicts).is_invalid
    assert found.models[READ_YOUR_WRITES].is_invalid


def test_a_set_that_holds_elements_at_first_is_the_searchs_to_judge() -> None:
    history = in_turn(done("read", None, (7,)), done("remove", 7, 1), done("read"))
    assert combine(judge(history, JUDGES["set"], Terms((7,))).verdicts).is_valid
    assert combine(judge(history, JUDGES["set"]).verdicts).is_invalid


def test_a_search_ends_with_its_deadline() -> None:
    adds = [Operation(each, each, None, "add", b"", 2 << each, None, "info") for each in range(24)]
    history = [*adds, Operation(99, 200, 201, "read", b"", None, 12345)]
    over = Terms(deadline=Deadline(lambda: 1.0, 0.0))
    found = combine(judge(history, JUDGES["counter"], over).verdicts)
    assert found.validity is Validity.UNKNOWN
    assert "the time was up" in found.reason


def is_of_sessions(history: list[Operation]) -> bool:
    """Say whether each process does one thing at a time, and stops where it does not know what came of it."""
    for session in History(history).by_process().values():
        for before, after in pairwise(session):
            if before.outcome == "info" or before.complete_us is None or before.complete_us >= after.invoke_us:
                return False
    return True


@pytest.mark.parametrize(
    ("name", "of"),
    [
        *((name, name) for name in ("set", "queue", "mutex", "string", "counter")),
        ("multi-register", "register transactions"),
        ("mutex", "fenced mutex"),
    ],
)
def test_all_that_a_row_runs_agrees_with_trying_every_order(name: str, of: str) -> None:
    case = CASES[of]
    rng = Random(31)
    model = case.model
    counts: Counter[bool] = Counter()
    while counts.total() < FUZZ_ROUNDS:
        history = forge(rng, rng.randint(2, 6), model.initial, case.draw, case.run, 0.15, 1, 3)
        history = disturb(rng, history, rng.randrange(4))
        if not is_of_sessions(history):
            continue
        truth = is_linearizable(history, model)
        found = combine(judge(history, JUDGES[name], Terms(0 if name == "multi-register" else None)).verdicts)
        assert found.is_invalid != truth, (truth, found.describe(), history)
        counts[truth] += 1
    assert min(counts.values()) > FUZZ_ROUNDS // 20


def test_a_key_that_takes_too_long_does_not_hide_another_that_is_broken() -> None:
    hard = [Operation(each, each, 10_000, "write", b"hard", each % 7) for each in range(200)]
    hard.append(Operation(999, 20_000, 20_001, "read", b"hard", None, 99))
    over = Terms(deadline=Deadline(lambda: 1.0, 0.0))
    assert combine(judge(hard, JUDGES["register"], over).verdicts).validity is Validity.UNKNOWN
    broken = [each._replace(key=b"broken") for each in GOOD_AND_BAD["register"][1]]
    assert combine(judge([*hard, *broken], JUDGES["register"], over).verdicts).is_invalid
