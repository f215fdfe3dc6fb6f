"""Keys of whole databases: what may be gone at the end, and what may not; and what a look at a database may show.

Both checks agree with a twin: all times at which each change may have taken effect.
"""

from itertools import product
from random import Random
from typing import Any

import pytest

from trilemma.check.history import Operation
from trilemma.check.linearizable import check_linearizable
from trilemma.check.lost import check_lost_keys, check_returned_keys
from trilemma.check.model import KEY_SET


def operation(at_us: int, end_us: int, kind: str, argument: Any = None, result: Any = None, outcome: Any = "ok") -> Any:
    return Operation(at_us, at_us, end_us, kind, b"db1", argument, result, outcome)


ROUNDS = 3_000
END = 9
"""The last time at which a change of unknown outcome is tried."""

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


# The twin. A removal takes away what it has seen: all that its node did before, and any of what others did before.


def ends_so(changes: list[Any], shown: tuple[bytes, ...]) -> bool:
    """Say whether the keys at the end can be these, by some times of effect."""
    happened = [each for each in changes if each.outcome != "fail"]
    choices = [
        [*range(each.invoke_us, min(each.end_us, END) + 1), *([None] if each.outcome == "info" else [])]
        for each in happened
    ]
    return any(_leaves(happened, times, shown) for times in product(*choices))


def _leaves(changes: list[Any], times: tuple[int | None, ...], shown: tuple[bytes, ...]) -> bool:
    done = [(each, at) for each, at in zip(changes, times, strict=True) if at is not None]
    puts = [(each, at) for each, at in done if each.kind == "put"]
    for put, at in puts:
        removals = [(each, when) for each, when in done if each.kind != "put" and each.argument in (None, put.argument)]
        if put.argument not in shown and not any(when >= at for _, when in removals):
            return False
    stays = {put.argument for put, at in puts if not any(_has_seen(each, put, at, when) for each, when in done)}
    return set(shown) <= stays


def _has_seen(removal: Any, put: Any, put_at: int, removed_at: int) -> bool:
    concerns = removal.kind != "put" and removal.argument in (None, put.argument)
    return concerns and removal.node == put.node and put_at < removed_at


def drawn(rng: Random, keys: tuple[bytes, ...]) -> list[Any]:
    changes = []
    for _ in range(rng.randint(1, 4)):
        begin = rng.randrange(6)
        outcome = rng.choice(("ok", "ok", "ok", "info", "fail"))
        kind = rng.choice(("put", "put", "delete", "flush"))
        end = None if outcome == "info" else begin + rng.randrange(3)
        change = operation(begin, end, kind, None if kind == "flush" else rng.choice(keys), None, outcome)  # type: ignore[arg-type]
        changes.append(change._replace(node=rng.choice(("n1", "n1", "n2"))))
    return changes


@pytest.mark.parametrize("keys", [(b"a",), (b"a", b"b")], ids=["one key", "two keys"])
def test_the_keys_at_the_end_are_called_invalid_exactly_if_no_times_of_effect_leave_them(
    keys: tuple[bytes, ...],
) -> None:
    rng = Random(7)
    right = wrong = 0
    for _ in range(ROUNDS):
        changes = drawn(rng, keys)
        shown = tuple(key for key in keys if rng.random() < 0.5)
        final = [operation(100, 110, "read_keys", result=shown)]
        is_invalid = any(check(changes, final).is_invalid for check in (check_lost_keys, check_returned_keys))
        is_explained = ends_so(changes, shown)
        assert not (is_invalid and is_explained), (changes, shown)
        if len(keys) == 1:  # of several each is judged by itself: that one flush cannot be at two times is not seen
            assert is_invalid or is_explained, (changes, shown)
        right, wrong = right + is_explained, wrong + is_invalid
    assert min(right, wrong) > ROUNDS // 10, (right, wrong)
