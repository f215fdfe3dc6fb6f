"""Concurrent writes on `ap`, as docs/promises.md tells them: counters are merged, of whole values one is shown."""

from typing import Any

import pytest

from stage import Stage

KNOWN_US = 2_000_000
HEALED_US = 4_000_000


@pytest.fixture
def stage() -> Stage:
    return Stage()


def written_apart(stage: Stage, key: str, first: tuple[str, ...], one: tuple[str, ...], other: tuple[str, ...]) -> Any:
    """Write on both sides of a cut, n3's side first; return what all nodes show after healing."""
    stage.ask(1, first[0], key, *first[1:])
    stage.run(KNOWN_US)
    stage.cut_off(3)
    stage.run(KNOWN_US)
    stage.ask(3, other[0], key, *other[1:])
    stage.run(1_000)
    stage.ask(1, one[0], key, *one[1:])
    stage.heal()
    stage.run(HEALED_US)
    (shown,) = {stage.ask(node, "GET", key).reply for node in (1, 2, 3)}
    return shown


def test_of_two_concurrent_appends_the_later_is_shown_and_the_other_listed_until_both_are_replaced(
    stage: Stage,
) -> None:
    assert written_apart(stage, "shop:a", ("SET", "base"), ("APPEND", "-one"), ("APPEND", "-three")) == b"base-one"
    ((_, key, shown, hidden),) = stage.ask(2, "CAP", "CONFLICTS", "shop").reply
    assert (key, shown[0], [each[0] for each in hidden]) == (b"shop:a", b"base-one", [b"base-three"])
    stage.ask(2, "APPEND", "shop:a", "-more")
    assert stage.ask(2, "GET", "shop:a").reply == b"base-one-more"
    assert stage.ask(2, "CAP", "CONFLICTS", "shop").reply == ()


@pytest.mark.parametrize(
    ("first", "one", "other", "shown"),
    [
        (("SET", "aaaa"), ("SETRANGE", "0", "X"), ("SETRANGE", "3", "Y"), b"Xaaa"),
        (("SET", "a"), ("GETSET", "one"), ("GETSET", "three"), b"one"),
        (("SET", "5"), ("INCRBYFLOAT", "0.5"), ("INCRBYFLOAT", "2"), b"7.5"),
        (("SET", "5"), ("INCR",), ("DECRBY", "3"), b"3"),
        (("SET", "5"), ("APPEND", "x"), ("INCR",), b"5x"),
    ],
)
def test_counters_are_merged_and_whole_values_are_not(
    stage: Stage, first: tuple[str, ...], one: tuple[str, ...], other: tuple[str, ...], shown: bytes
) -> None:
    assert written_apart(stage, "shop:k", first, one, other) == shown


@pytest.mark.parametrize("count", ["0", "-1"])
def test_no_conflicts_cannot_be_asked_for(stage: Stage, count: str) -> None:
    said = stage.ask(1, "CAP", "CONFLICTS", "shop", "COUNT", count).reply
    assert said == "ERR value is out of range, must be positive"


def test_increments_under_a_value_that_is_no_number_are_not_among_the_conflicts(stage: Stage) -> None:
    assert written_apart(stage, "shop:k", ("SET", "5"), ("APPEND", "x"), ("INCR",)) == b"5x"
    assert stage.ask(1, "CAP", "CONFLICTS", "shop").reply == ()
