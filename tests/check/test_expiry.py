"""Expiry: planted late and early reads are found; a store that expires rightly never is, whatever overlaps."""

from random import Random
from typing import Any

import pytest

from trilemma.check.expiry import check_expiry
from trilemma.check.history import Operation
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 4_000
TWIN_ROUNDS = 1_500
ERROR_US = 5


def write(begin: int, end: int | None, value: Any, ttl: int | None, node: str = "n1") -> Operation:
    return Operation(1, begin, end, "write", b"k", (value, ttl), b"OK", "info" if end is None else "ok", node)


def expire(begin: int, end: int, ttl: int | None, result: int = 1, node: str = "n1") -> Operation:
    return Operation(1, begin, end, "expire", b"k", ttl, result, "ok", node)


def delete(begin: int, end: int, node: str = "n1") -> Operation:
    return Operation(1, begin, end, "delete", b"k", None, 1, "ok", node)


def read(begin: int, end: int, value: Any, node: str = "n1") -> Operation:
    return Operation(2, begin, end, "read", b"k", None, value, "ok", node)


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ([write(0, 1, b"v", 100), read(107, 108, b"v")], "after its deadline"),
        ([write(0, 1, b"v", 100), read(90, 94, None)], "before its deadline"),
        ([write(0, 1, b"v", 100), expire(10, 11, 50), read(67, 68, b"v")], "after its deadline"),
        ([write(0, 1, b"v", 100), expire(10, 11, 500), read(200, 201, None)], "before its deadline"),
        ([write(0, 1, b"v", None), read(9_000, 9_001, None), write(9_100, 9_101, b"w", 1)], "before its deadline"),
        ([write(0, 1, b"v", 100), read(2, 3, b"w")], "nobody wrote it"),
        ([read(0, 4, b"v"), write(5, 6, b"v", 100), read(8, 9, b"v")], "before its write began"),
    ],
    ids=["late", "early", "shortened and late", "prolonged and early", "no deadline", "from nowhere", "too soon"],
)
def test_a_key_that_stays_too_long_or_goes_too_soon_is_found(history: list[Operation], said: str) -> None:
    verdict = check_expiry(
        [*history, write(0, 1, b"other", 1)._replace(key=b"o"), read(0, 1, None)._replace(key=b"o")], ERROR_US
    )
    assert verdict.is_invalid
    assert said in verdict.reason
    assert verdict.witness


@pytest.mark.parametrize(
    "history",
    [
        [write(0, 1, b"v", 100), read(106, 107, b"v")],
        [write(0, 1, b"v", 100), read(90, 95, None)],
        [write(0, 1, b"v", 100), delete(5, 6), read(9, 10, None)],
        [write(0, 1, b"v", 100), write(50, None, b"v2", 10), read(99, 100, b"v"), read(99, 100, b"v2")],
        [write(0, 1, b"v", 100), expire(10, 11, 50, result=0), read(90, 91, b"v")],
        [read(0, 5, b"v"), write(5, 6, b"v", 100)],
    ],
)
def test_what_clocks_and_doubt_allow_is_valid(history: list[Operation]) -> None:
    assert check_expiry(history, ERROR_US).is_valid


REPLACED = {
    "deleted": [write(0, 1, b"v", 1_000), delete(2, 3), read(4, 5, b"v")],
    "overwritten": [write(0, 1, b"v", 1_000), write(2, 3, b"w", 1_000), read(4, 5, b"v")],
    "another read": [write(0, 3, b"v", 1_000), write(1, None, b"w", 1_000), read(4, 5, b"w"), read(6, 7, b"v")],
    "written in doubt, and seen": [
        write(0, None, b"v", 1_000), write(0, 1, b"w", 1_000), read(2, 3, b"v"), delete(4, 5), read(6, 7, b"v"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", REPLACED)
def test_what_was_replaced_or_deleted_is_not_shown_again_whatever_the_clock(name: str) -> None:
    history = REPLACED[name]
    verdict = check_expiry(history, ERROR_US)
    assert verdict.is_invalid
    assert "after it was replaced or deleted" in verdict.reason
    assert set(verdict.witness) <= set(history)
    assert check_expiry(history, ERROR_US, replicas_lag=True).is_valid


@pytest.mark.parametrize(
    "between",
    [
        [delete(2, 4)],
        [delete(1, 3)],
        [delete(2, 3)._replace(outcome="info", complete_us=None)],
        [delete(2, 3)._replace(outcome="fail")],
        [delete(2, 3)._replace(result=0)],
        [write(2, None, b"w", 1_000)],
        [write(2, 3, b"w", 1_000), write(2, None, b"v", 1_000)],
        [write(2, 3, b"w", 1_000)._replace(result="WRONGTYPE")],
        [expire(2, 3, None)],
        [read(2, 3, b"v")],
    ],
)
def test_what_may_not_have_been_replaced_yet_may_be_shown(between: list[Operation]) -> None:
    assert check_expiry([write(0, 1, b"v", 1_000), *between, read(4, 5, b"v")], ERROR_US).is_valid


def test_a_value_that_was_seen_is_judged_from_then_on_though_its_write_was_never_answered() -> None:
    doubtful = write(0, None, b"v", 100)
    assert check_expiry([doubtful, read(10, 20, b"v"), read(125, 126, b"v")], ERROR_US).is_valid
    verdict = check_expiry([doubtful, read(10, 20, b"v"), read(126, 127, b"v")], ERROR_US)
    assert verdict.is_invalid
    assert verdict.witness == (doubtful, read(126, 127, b"v"))


@pytest.mark.parametrize("found", [0, None], ids=["nothing", "not told"])
def test_a_key_whose_delete_may_have_found_nothing_is_there_again_only_while_the_clock_may_be_wrong(
    found: int | None,
) -> None:
    history = [write(0, 1, b"v", 1_000), delete(2, 3)._replace(result=found)]
    assert check_expiry([*history, read(3 + 2 * ERROR_US, 20, b"v")], ERROR_US).is_valid
    assert "came back" in check_expiry([*history, read(4 + 2 * ERROR_US, 20, b"v")], ERROR_US).reason


GONE = [write(0, 10, b"v", 100), read(104, 105, None)]
"""It may have been written at 4 at the latest, but at no time is it there again."""


@pytest.mark.parametrize("again", [read(106, 107, b"v"), read(109, 120, b"v")])
def test_what_is_gone_does_not_come_back_without_another_write(again: Operation) -> None:
    verdict = check_expiry([*GONE, again], 0)
    assert verdict.is_invalid
    assert "came back" in verdict.reason
    assert set(verdict.witness) == {*GONE, again}
    deleted = [write(0, 1, b"v", 100), delete(3, 4), read(5, 6, None), read(8, 9, b"v")]
    assert check_expiry(deleted, 0).is_invalid


def test_what_is_gone_may_come_back_by_another_write_at_once_or_by_clocks_and_replicas_that_differ() -> None:
    again = read(106, 107, b"v")
    for written in (write(104, 106, b"v", 50), write(105, None, b"v", 50)):
        assert check_expiry([*GONE, written, again], 0).is_valid
    assert check_expiry([*GONE, read(105, 107, b"v")], 0).is_valid
    assert check_expiry([write(0, 104, b"v", 100), *GONE[1:], again], 0).is_valid
    assert check_expiry([*GONE, again], 1).is_valid
    assert check_expiry([*GONE, again], 0, replicas_lag=True).is_valid
    prolonged = [*GONE, expire(105, 106, 900), read(200, 201, b"v")]
    assert check_expiry(prolonged, 1).is_valid
    assert check_expiry(prolonged, 0).is_invalid


AGAIN = [write(0, 10, b"on", 100), read(200, 210, None), write(300, 310, b"on", 100)]
"""A value that has expired and is written again."""


def test_a_value_that_is_written_again_is_judged_by_the_write_that_may_have_set_what_was_read() -> None:
    for lag in (False, True):
        assert check_expiry([*AGAIN, read(350, 360, b"on")], 0, lag).is_valid
        verdict = check_expiry([*AGAIN, read(411, 412, b"on")], 0, lag)
        assert verdict.is_invalid
        assert "1 us after its deadline" in verdict.reason
        longer = [write(0, 10, b"on", 900), *AGAIN[2:], read(500, 501, b"on")]
        assert check_expiry(longer, 0, lag).is_invalid, "the second write replaced the first, and its deadline"
        assert check_expiry([*longer[:1], longer[1]._replace(outcome="info"), longer[2]], 0, lag).is_valid
        assert check_expiry([longer[0], longer[1]._replace(outcome="fail"), longer[2]], 0, lag).is_valid
        assert check_expiry([*AGAIN, read(350, 360, None)], 0, lag).is_invalid, "gone before its deadline"


NO_WRITE_EXPLAINS: dict[str, tuple[list[Operation], str]] = {
    "between expiry and the next write": ([*AGAIN, read(250, 260, b"on")], "after its deadline"),
    "gone, and back before the next write": (
        [write(0, 10, b"on", 100), read(104, 105, None), read(106, 107, b"on"), write(300, 310, b"on", 100)],
        "came back",
    ),
    "deleted, and back before the next write": (
        [write(0, 1, b"on", 900), delete(2, 3), read(4, 5, b"on"), write(6, 7, b"on", 900)], "replaced or deleted",
    ),
    "both were replaced": (
        [write(0, 1, b"on", None), write(0, 1, b"on", 900), write(2, 3, b"off", 900), read(4, 5, b"on")],
        "replaced or deleted",
    ),
    "the one is too late, the other was replaced": (
        [write(0, 9, b"on", 50), write(1, 2, b"on", None), delete(3, 4), read(70, 71, b"on")], "replaced or deleted",
    ),
    "prolonged before it was written again": (
        [write(0, 1, b"on", 50), expire(2, 3, 9_000), write(4, 5, b"on", 50), read(70, 71, b"on")],
        "after its deadline",
    ),
    "the first was seen before the second began": (
        [write(0, None, b"on", 50), read(1, 2, b"on"), write(900, 901, b"on", 50), read(1_000, 1_001, b"on")],
        "after its deadline",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_WRITE_EXPLAINS)
def test_a_value_that_was_written_several_times_hides_nothing_that_none_of_the_writes_explains(name: str) -> None:
    history, said = NO_WRITE_EXPLAINS[name]
    verdict = check_expiry(history, 0)
    assert verdict.is_invalid
    assert said in verdict.reason
    assert set(verdict.witness) <= set(history)
    if all(each.outcome == "ok" for each in history):
        assert check_expiry(verdict.witness, 0).is_invalid


@pytest.mark.parametrize(
    "history",
    [
        [write(0, 1, b"on", 900), delete(2, 3), write(2, 9, b"on", 900), read(4, 5, b"on")],
        [write(0, 1, b"on", 900), write(2, 9, b"off", 900), write(2, 9, b"on", 10), read(12, 13, b"on")],
        [write(0, None, b"on", 50), write(9, 10, b"on", 50), read(1_000, 1_001, b"on")],
        [write(0, 1, b"on", 5), write(0, 2, b"on", 900), read(800, 801, b"on"), read(802, 803, b"on")],
        [write(0, 1, b"on", 50), write(4, 5, b"on", 5), expire(6, 7, 900), read(800, 801, b"on")],
    ],
    ids=["written while it is deleted", "either was the last", "in doubt", "at once", "prolonged after the second"],
)
def test_what_one_of_several_writes_of_a_value_may_explain_is_valid(history: list[Operation]) -> None:
    assert check_expiry(history, 0).is_valid


def test_replicas_that_lag_need_not_know_what_nodes_without_a_name_acknowledged() -> None:
    history = [write(0, 1, b"v", None, node=""), read(2, 3, None, node=""), write(9, 9, b"w", 1, node="")]
    assert check_expiry(history, 0).is_invalid
    assert check_expiry(history, 0, replicas_lag=True).is_valid


def test_nothing_with_a_deadline_is_unknown() -> None:
    for history in ([], [write(0, 1, b"v", 100)], [write(0, 1, b"v", None), read(2, 3, b"v")]):
        assert check_expiry(history, ERROR_US).validity is Validity.UNKNOWN


def _store(rng: Random, fault_us: int = 0, values: int = 99) -> list[Operation]:
    """Return the history of one key of a store in which every operation takes effect at a moment of its interval, by a
    clock that is at most ERROR_US off. `fault_us` moves the moment by which reads judge, one way or the other;
    `values` is how many there are to write."""
    value: Any = None
    deadline: int | None = None
    history: list[Operation] = []
    moment = 0
    for number in range(rng.randint(2, 9)):
        moment += rng.randint(1, 40)
        begin, end = moment - rng.randrange(6), moment + rng.randrange(6)
        judged_at = moment + rng.randint(-ERROR_US // 2, ERROR_US // 2)
        kind = rng.choice(["write", "write", "expire", "delete", "read", "read", "read"])
        at = judged_at + (fault_us if kind == "read" else 0)
        alive = value is not None and (deadline is None or at < deadline)
        if kind == "write":
            value, ttl = b"v%d" % (number % values), rng.choice([None, 10, 30, 60])
            deadline = None if ttl is None else judged_at + ttl
            history.append(write(max(begin, 0), end, value, ttl))
        elif kind == "expire":
            ttl = rng.choice([None, 10, 30, 60])
            if alive:
                deadline = None if ttl is None else judged_at + ttl
            history.append(expire(max(begin, 0), end, ttl, int(alive)))
        elif kind == "delete":
            value = None
            history.append(delete(max(begin, 0), end))
        else:
            history.append(read(max(begin, 0), end, value if alive else None))
    return history


def test_a_store_that_expires_rightly_is_never_found_wrong() -> None:
    rng = Random(121)
    judged = 0
    for number in range(FUZZ_ROUNDS):
        history = _store(rng, values=(99, 2, 1)[number % 3])
        verdict = check_expiry(history, 2 * ERROR_US)
        assert not verdict.is_invalid, (history, verdict)
        assert not check_expiry(history, 2 * ERROR_US, replicas_lag=True).is_invalid
        judged += verdict.is_valid
    assert judged > FUZZ_ROUNDS // 4


@pytest.mark.parametrize("fault_us", [-200, 200])
def test_a_store_whose_reads_judge_by_a_wrong_clock_is_often_found(fault_us: int) -> None:
    rng = Random(122)
    found = sum(check_expiry(_store(rng, fault_us), 2 * ERROR_US).is_invalid for _ in range(FUZZ_ROUNDS))
    assert found > FUZZ_ROUNDS // 20


# The twin: every time at which each operation may have taken effect, in every order.

END = 30
"""The last time at which an operation of unknown outcome is tried."""


def explained(history: list[Operation]) -> bool:
    """Say whether a key that is judged by a true clock can have answered so."""
    certain = [each for each in history if each.outcome == "ok"]
    doubtful = [each for each in history if each.outcome == "info" and each.kind != "read"]
    return any(
        _played(certain + [each for number, each in enumerate(doubtful) if chosen >> number & 1], 0, None, None)
        for chosen in range(1 << len(doubtful))
    )


def _played(left: list[Operation], now: int, value: Any, deadline: int | None) -> bool:
    if not left:
        return True
    for each in left:
        rest = [other for other in left if other is not each]
        last = min([END, *(other.end_us for other in left)])
        for at in range(max(now, each.invoke_us), last + 1):
            there = value is not None
            is_due = there and deadline is not None and at >= deadline
            for is_alive in {there and not is_due, there and at == deadline} if is_due else {there}:
                found = _taken(each, at, value if is_alive else None, deadline if is_alive else None)
                if found is not None and _played(rest, at, *found):
                    return True
    return False


def _taken(each: Operation, at: int, value: Any, deadline: int | None) -> tuple[Any, int | None] | None:
    """Return what a key holds after an operation, and until when; None if it cannot have been answered so."""
    if each.kind == "read":
        return (value, deadline) if each.result == value else None
    if each.kind == "delete":
        return None, None
    if each.kind == "write":
        value, ttl = each.argument
        return value, None if ttl is None else at + ttl
    if each.outcome == "ok" and each.result != int(value is not None):
        return None
    return value, None if value is None or each.argument is None else at + each.argument


def _drawn(rng: Random, many: int) -> list[Operation]:
    """Draw a few operations of two processes, on so many values, with answers that may be right."""
    free = {1: 0, 2: 0}
    history: list[Operation] = []
    values: list[bytes] = []
    for number in range(rng.randint(2, 5)):
        process = rng.choice(sorted(free))
        begin = free[process] + rng.randrange(3)
        end = begin + rng.randrange(4)
        outcome = rng.choice(["ok"] * 8 + ["info", "fail"])
        kind = rng.choice(["write", "read", "read", "expire", "delete"] if history else ["write"])
        ttl = rng.choice([None, 1, 2, 3, 5])
        argument: Any = ttl if kind == "expire" else None
        result: Any = rng.randrange(2) if kind == "expire" else None
        if kind == "write":
            values.append(b"%d" % (number % many))
            argument = values[-1], ttl
        elif kind == "read":
            result = rng.choice([None, *values])
        told = result if outcome == "ok" else None
        ends = None if outcome == "info" else end
        history.append(Operation(process, begin, ends, kind, b"k", argument, told, outcome))  # type: ignore[arg-type]
        del free[process]
        free[10 * number + 10 if outcome == "info" else process] = end
    rng.shuffle(history)
    return history


def test_no_history_that_some_times_of_effect_explain_is_called_invalid() -> None:
    rng = Random(123)
    right = wrong = found = 0
    for number in range(2 * TWIN_ROUNDS):
        history = _drawn(rng, (99, 2, 1)[number % 3])
        verdict, is_explained = check_expiry(history, 0), explained(history)
        assert not (verdict.is_invalid and is_explained), (history, verdict)
        is_missed = verdict.is_valid and not is_explained
        right, wrong, found = right + is_explained, wrong + is_missed, found + verdict.is_invalid
    assert min(right, found) > TWIN_ROUNDS // 12, (right, found)
    assert found > 3 * wrong, (found, wrong)


def _in_turn(rng: Random, many: int) -> list[Operation]:
    """Draw what one process did, one after the other, on so many values."""
    history: list[Operation] = []
    values: list[bytes] = []
    begin = 0
    for number in range(rng.randint(2, 6)):
        end = begin + rng.randrange(3)
        kind = rng.choice(["write", "read", "read", "delete"] if history else ["write"])
        if kind == "write":
            values.append(b"%d" % (number % many))
            history.append(write(begin, end, values[-1], rng.choice([None, 1, 2, 3, 5])))
        else:
            history.append(delete(begin, end) if kind == "delete" else read(begin, end, rng.choice([None, *values])))
        begin = end + rng.choice([1, 1, 2, 3])
    return history


def test_of_what_one_process_did_in_turn_all_is_found_that_no_times_of_effect_explain() -> None:
    rng = Random(124)
    right = wrong = 0
    for number in range(2 * TWIN_ROUNDS):
        history = _in_turn(rng, (99, 2, 1)[number % 3])
        verdict, is_explained = check_expiry(history, 0), explained(history)
        assert verdict.validity is Validity.UNKNOWN or verdict.is_valid == is_explained, (history, verdict)
        right, wrong = right + (verdict.is_valid and is_explained), wrong + verdict.is_invalid
    assert min(right, wrong) > TWIN_ROUNDS // 5, (right, wrong)
