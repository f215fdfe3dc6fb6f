"""The table of judges: each row finds the good good and the bad bad; guessing; what does not fit is refused."""

from typing import Any

import pytest

from trilemma.check.history import HistoryError, Operation
from trilemma.check.judges import JUDGES, Terms, guess_judge, judge
from trilemma.check.verdict import Validity, combine


def done(kind: str, argument: Any = None, result: Any = None, at: int = 0, key: bytes = b"") -> Operation:
    return Operation(1, 2 * at, 2 * at + 1, kind, key, argument, result)


def in_turn(*operations: Operation) -> list[Operation]:
    """Return operations of which each begins when the one before has ended."""
    return [each._replace(invoke_us=3 * place, complete_us=3 * place + 1) for place, each in enumerate(operations)]


READ_TXN = (("r", b"x", None),)
WRITE_3 = ("w", b"x", 3)
MOVE_2 = done("transfer", (0, 1, 2))

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
    "append": (
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
        in_turn(done("write", b"a", key=b"x"), done("read", None, b"a", key=b"x")),
        in_turn(done("write", b"a", key=b"x"), done("read", None, None, key=b"x")),
    ),
    "redis": (
        in_turn(done("command", (b"SET", b"k", b"1"), b"OK"), done("command", (b"GET", b"k"), b"1")),
        in_turn(done("command", (b"SET", b"k", b"1"), b"OK"), done("command", (b"GET", b"k"), None)),
    ),
}  # fmt: skip

GUESSED = ("register", "cas-register", "counter", "append", "multi-register", "bank", "redis")


@pytest.mark.parametrize("name", GOOD_AND_BAD)
def test_a_judge_finds_the_good_good_and_the_bad_bad(name: str) -> None:
    good, bad = GOOD_AND_BAD[name]
    assert combine(judge(good, JUDGES[name])).validity is Validity.VALID, judge(good, JUDGES[name])
    verdict = combine(judge(bad, JUDGES[name]))
    assert verdict.validity is Validity.INVALID
    assert verdict.witness


@pytest.mark.parametrize("name", GUESSED)
def test_a_model_is_guessed_from_the_operations(name: str) -> None:
    for history in GOOD_AND_BAD[name]:
        assert guess_judge(history).name == name


def test_rows_are_named_once_and_described() -> None:
    for name, row in JUDGES.items():
        assert (row.name, bool(row.description), bool(row.kinds)) == (name, True, True)


def test_the_initial_value_is_the_users_to_say() -> None:
    seven = {"register": 7, "cas-register": 7, "counter": 7, "append": b"7"}
    for name, initial in seven.items():
        history = in_turn(done("read", None, initial))
        assert combine(judge(history, JUDGES[name], Terms(initial))).is_valid
        assert combine(judge(history, JUDGES[name])).is_invalid
    read = in_turn(done("multi_read", (b"x",), (7,)))
    assert combine(judge(read, JUDGES["multi-register"], Terms(7))).is_valid
    balances = in_turn(done("read", None, ((0, 5),)))
    assert combine(judge(balances, JUDGES["bank"], Terms(6))).is_invalid


def test_only_operations_of_unknown_outcome_leave_a_history_valid_and_none_at_all_leaves_it_unknown() -> None:
    unsure = [Operation(number, number, None, "write", b"", number, None, "info") for number in range(4)]
    assert combine(judge(unsure, JUDGES["register"])).is_valid
    assert combine(judge([], JUDGES["register"])).validity is Validity.UNKNOWN


def test_a_search_that_gives_up_is_unknown() -> None:
    together = [Operation(number, 0, 99, "write", b"", number % 2) for number in range(12)]
    history = [*together, Operation(99, 200, 201, "read", b"", None, 5)]
    assert combine(judge(history, JUDGES["register"], Terms(steps_max=10))).validity is Validity.UNKNOWN


def test_what_a_model_does_not_know_is_refused() -> None:
    with pytest.raises(HistoryError, match="the model counter has no operation write"):
        judge([done("write", 1)], JUDGES["counter"])
    with pytest.raises(HistoryError, match="none of the model counter"):
        judge([done("add", b"five")], JUDGES["counter"])
    with pytest.raises(HistoryError, match="no model has the operations rename"):
        guess_judge([done("rename")])
    with pytest.raises(HistoryError, match="no model has"):
        guess_judge([done("add", 1), done("read", None, (1,))])
