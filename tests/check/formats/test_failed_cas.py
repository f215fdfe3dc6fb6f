"""Why a compare-and-set failed, in all the ways in which logs and EDN tell it: what found another value constrains."""

import pytest

from trilemma.check.formats.file import read_history
from trilemma.check.formats.stream import Held
from trilemma.check.history import Operation


def operations(text: str) -> list[Operation]:
    return read_history(Held(text.encode())).operations


OTHER_VALUE_LOG = (
    "[3 4] did not match", "[3 4]\tdid not match", "[3 4] :did-not-match", '[3 4] "did not match"', "[3 4] mismatch",
    '[3 4] :did-not-match "it is 5"', "[3 4] [:did-not-match 5]", "[3 4] {:type :did-not-match}", "[3 4]", "",
    "[3 4] CAS failed: did not match", "[3 4] did not match: [5", "[3 4]\tdid not match: [5", "[3 4]\tDid not match.",
    "[3 4] did not match (it is 5)", "did not match", ":did-not-match", "nil :did-not-match", "nil did not match",
)  # fmt: skip
NOT_TRIED_LOG = (
    ":connection-refused", "connection refused", "[3 4] :connection-refused", "[3 4] connection refused", "5", "[3]",
    "[:refused n1]", "[3 4] connection refused: [n1", "[3 4]\tconnection refused: [n1", '"did not connect"', ":failed",
    "[3 4] CAS failed: connection refused", "[3 4] hostname did not match", "{:type :refused}",
    "[3 4] {:cause :mismatch}",
)  # fmt: skip


@pytest.mark.parametrize(
    ("told", "outcome"), [*((each, "ok") for each in OTHER_VALUE_LOG), *((each, "fail") for each in NOT_TRIED_LOG)]
)
def test_a_failed_compare_and_set_says_by_all_that_is_told_why_it_failed(told: str, outcome: str) -> None:
    (found,) = operations(f"1 :invoke :cas [3 4]\n1 :fail :cas {told}")
    assert (found.argument, found.outcome, found.result is False) == ((3, 4), outcome, outcome == "ok")


def test_all_that_stands_behind_the_value_is_the_text_of_the_error() -> None:
    told = (
        "[1 2] connection  refused",
        "connection refused",
        "[1 2]\tlost: [n1",
        "[1 2]  lost: [n1",
        '[1 2] :lost "n1"',
        ":lost",
        "[lost 1]",
    )
    lines = (f"{process} :invoke :cas [1 2]\n{process} :fail :cas {each}\n" for process, each in enumerate(told))
    assert [each.result for each in operations("".join(lines))] == [
        "connection  refused", "connection refused", "lost: [n1", "lost: [n1", ':lost "n1"', ":lost", "[lost 1]"
    ]  # fmt: skip


OTHER_VALUE_EDN = (
    ":error :did-not-match", ":error {:type :did-not-match}", ":error [:did-not-match {:was 5}]", ":value [1 2]",
    ':error "CAS failed: did not match"', ":value :did-not-match", ':value "mismatch"', ":value nil", "",
    ":value 5 :error :did-not-match", ":value :b :error :did-not-match", ":value [:mismatch 5]",
)  # fmt: skip
NOT_TRIED_EDN = (
    ":value :connection-refused", ":error {:type :connection-refused}", ":error {:cause :did-not-match}", ":value 5",
    ':error "CAS failed: connection refused"', ":value [:timed-out 5]", ":value [1 2] :error :timed-out",
    ":value :refused :error :unknown",
)  # fmt: skip


@pytest.mark.parametrize(
    ("told", "outcome"), [*((each, "ok") for each in OTHER_VALUE_EDN), *((each, "fail") for each in NOT_TRIED_EDN)]
)
@pytest.mark.parametrize("key", ["", "7"])
def test_why_a_compare_and_set_failed_may_be_told_in_place_of_its_value(told: str, outcome: str, key: str) -> None:
    asked = "[7 [1 2]]" if key else "[1 2]"
    told = told.replace(":value [1 2]", ":value [7 [1 2]]") if key else told
    begin = f"{{:process 0, :type :invoke, :f :cas, :value {asked}}}"
    (found,) = operations(f"{begin}\n{{:process 0, :type :fail, :f :cas {told}}}")
    assert (found.key, found.argument) == (key.encode(), (1, 2))
    assert (found.outcome, found.result is False) == (outcome, outcome == "ok")
