"""Keys of whole databases: what may be gone at the end, and what may not; and what a look at a database may show."""

from typing import Any

import pytest

from trilemma.check.history import Operation
from trilemma.check.linearizable import check_linearizable
from trilemma.check.lost import check_lost_keys, check_returned_keys
from trilemma.check.model import KEY_SET


def operation(at_us: int, end_us: int, kind: str, argument: Any = None, result: Any = None, outcome: Any = "ok") -> Any:
    return Operation(at_us, at_us, end_us, kind, b"db1", argument, result, outcome)


PUT = operation(10, 20, "put", b"a")


@pytest.mark.parametrize(
    ("removal", "is_valid"),
    [
        (operation(12, 15, "delete", b"a", 1), True),
        (operation(15, 90, "flush"), True),
        (operation(1, None, "flush", outcome="info"), True),  # type: ignore[arg-type]
        (operation(1, 5, "delete", b"a", 1), False),
        (operation(1, 5, "flush"), False),
        (operation(12, 15, "delete", b"b", 1), False),
        (operation(12, 15, "flush", outcome="fail"), False),
    ],
)
def test_key_may_be_gone_only_where_a_removal_may_have_seen_it(removal: Operation, is_valid: bool) -> None:
    gone, there = operation(100, 110, "read_keys", result=()), operation(100, 110, "read_keys", result=(b"a",))
    assert check_lost_keys([PUT, removal], [gone]).is_valid == is_valid
    assert check_lost_keys([PUT, removal], [gone]).is_invalid != is_valid
    assert check_lost_keys([PUT, removal], [there]).is_valid


@pytest.mark.parametrize(
    ("removal", "is_valid"),
    [
        (operation(30, 40, "delete", b"a", 1), False),
        (operation(30, 40, "flush"), False),
        (operation(15, 40, "flush"), True),
        (operation(30, 40, "flush")._replace(node="elsewhere"), True),
        (operation(30, 40, "flush", outcome="fail"), True),
        (operation(30, 40, "delete", b"b", 1), True),
    ],
)
def test_key_may_be_there_only_where_no_removal_must_have_seen_it(removal: Operation, is_valid: bool) -> None:
    there = operation(100, 110, "read_keys", result=(b"a",))
    assert check_returned_keys([PUT, removal], [there]).is_valid == is_valid
    assert check_returned_keys([PUT, removal], [there]).is_invalid != is_valid
    assert check_returned_keys([removal], [there]).is_invalid


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("read_keys", (b"a",), ()),
        ("read_all", (b"a",), (b"a", b"b")),
        ("read_size", 1, 2),
        ("read_random", b"a", b"b"),
        ("read_random", b"a", None),
        ("read_values", (b"1", None), (None, None)),
    ],
)
def test_looks_at_a_database_are_held_against_its_keys(kind: str, right: Any, wrong: Any) -> None:
    assert check_linearizable([PUT, operation(30, 40, kind, result=right)], KEY_SET).is_valid
    assert check_linearizable([PUT, operation(30, 40, kind, result=wrong)], KEY_SET).is_invalid


def test_what_was_flushed_stays_away() -> None:
    flush = operation(30, 40, "flush")
    assert check_linearizable([PUT, flush, operation(50, 60, "read_random")], KEY_SET).is_valid
    assert check_linearizable([PUT, flush, operation(50, 60, "read_keys", result=(b"a",))], KEY_SET).is_invalid
