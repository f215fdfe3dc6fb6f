"""What one client may read of a key that it writes and deletes for good."""

import pytest

from trilemma.check.history import Operation, Outcome
from trilemma.check.passing import check_passing

KEY = b"d1:a"


def op(kind: str, outcome: Outcome = "ok", argument: object = None, result: object = None) -> Operation:
    return Operation(1, 0, 1, kind, KEY, argument, result, outcome)


def read(result: object) -> Operation:
    return op("read", result=result)


WRITE = op("write", argument=b"1")
IN_DOUBT = op("write", "info", argument=b"2")
GONE = op("delete")


@pytest.mark.parametrize(
    "history",
    [
        [op("create"), read(None), WRITE, read(b"1"), GONE, read(None)],
        [WRITE, IN_DOUBT, read(b"1"), read(b"2")],
        [IN_DOUBT, WRITE, read(b"2"), GONE, read(None)],
        [WRITE, op("delete", "info"), read(b"1"), read(None)],
        [WRITE, op("delete", "fail"), read(b"1")],
        [WRITE, op("read", "fail")],
    ],
)
def test_what_can_be_is_valid(history: list[Operation]) -> None:
    assert check_passing(history).is_valid


@pytest.mark.parametrize(
    "history",
    [
        [WRITE, read(None)],
        [op("write", "fail", argument=b"1"), read(b"1")],
        [WRITE, op("delete", "fail"), read(None)],
        [WRITE, GONE, read(b"1")],
        [IN_DOUBT, GONE, read(b"2")],
    ],
)
def test_what_cannot_be_is_invalid(history: list[Operation]) -> None:
    assert check_passing(history).is_invalid
