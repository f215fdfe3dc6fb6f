"""Locks: hand-made histories, every pair of operations, and a sequential lock by brute force."""

from random import Random
from typing import Any

import pytest

from trilemma.check.brute import is_linearizable
from trilemma.check.history import END_OF_TIME_US, Operation
from trilemma.check.model import Model
from trilemma.check.mutex import check_fenced_writes, check_mutex, check_tokens
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 6_000


def acquire(process: int, begin: int, end: int | None, lease: int | None = None, token: Any = None) -> Operation:
    return Operation(process, begin, end, "acquire", b"l", lease, token, "info" if end is None else "ok")


def release(process: int, begin: int, end: int | None) -> Operation:
    return Operation(process, begin, end, "release", b"l", None, None, "info" if end is None else "ok")


def unreleased(process: int, begin: int, end: int, result: Any = None) -> Operation:
    """Return a release that ended nothing: refused, or answered that nothing was released."""
    return release(process, begin, end)._replace(outcome="fail" if result is None else "ok", result=result)


def write(begin: int, end: int, token: int, outcome: Any = "ok") -> Operation:
    return Operation(1, begin, end, "write", b"l", (token, b"v"), None, outcome)


@pytest.mark.parametrize(
    "history",
    [
        [acquire(1, 0, 1), acquire(2, 2, 3)],
        [acquire(1, 0, 1), acquire(1, 2, 3)],
        [acquire(1, 0, 1), acquire(2, 2, 3), release(1, 9, 10)],
        [acquire(1, 0, 1, lease=10), acquire(2, 2, 3, lease=10)],
        [acquire(1, 0, 1), release(1, 2, 3), acquire(2, 4, 5), acquire(3, 6, 7), release(3, 8, 9), release(2, 8, 9)],
        [acquire(1, 0, 1, lease=90), unreleased(1, 2, 3), acquire(2, 5, 6, lease=90)],
        [acquire(1, 0, 1, lease=90), unreleased(1, 2, 3, False), acquire(2, 5, 6, lease=90)],
        [acquire(1, 0, 1), unreleased(1, 2, 3, 0), acquire(2, 5, 6), release(1, 7, 8)],
        [acquire(1, 0, 1), unreleased(1, 2, 3), release(1, 7, None), acquire(2, 5, 6)],
    ],
    ids=[
        "never released",
        "twice by one",
        "released later",
        "within the lease",
        "a later pair",
        "within the lease, the release failed",
        "within the lease, nothing was released",
        "nothing was released before",
        "a failed release, then one in doubt",
    ],
)
def test_two_holders_at_once_are_found(history: list[Operation]) -> None:
    verdict = check_mutex(history)
    assert verdict.is_invalid
    assert "both held" in verdict.reason
    assert check_mutex(verdict.witness).is_invalid


@pytest.mark.parametrize(
    "history",
    [
        [acquire(1, 0, 1), release(1, 2, 9), acquire(2, 3, 4)],
        [acquire(1, 0, 1), release(1, 2, None), acquire(2, 3, 4)],
        [acquire(1, 0, 1), release(1, 2, None), acquire(1, 3, 4), acquire(2, 5, 6)],
        [acquire(1, 0, 5), release(1, 6, 7), acquire(2, 0, 6)],
        [acquire(1, 0, 1, lease=10), acquire(2, 9, 10, lease=10)],
        [acquire(1, 0, 1, lease=10), acquire(1, 20, 21, lease=10)],
        [acquire(1, 0, 1, lease=90), release(1, 2, 3)._replace(result=1), acquire(2, 5, 6, lease=90)],
        [acquire(1, 0, 1, lease=90), release(1, 2, None)._replace(result=False), acquire(2, 5, 6, lease=90)],
        [acquire(1, 0, 1, lease=10), unreleased(1, 12, 13, False), acquire(2, 14, 15, lease=10)],
    ],
    ids=[
        "release under way",
        "release in doubt",
        "release in doubt, later",
        "equal stamps",
        "lease over",
        "lease over, again",
        "released in its lease",
        "in doubt, whatever it was answered",
        "nothing was left to release",
    ],
)
def test_one_holder_after_another_is_valid(history: list[Operation]) -> None:
    assert check_mutex(history).is_valid


def test_clocks_may_differ_over_a_lease() -> None:
    history = [acquire(1, 0, 1, lease=10), acquire(2, 5, 6, lease=10)]
    assert check_mutex(history).is_invalid
    assert check_mutex(history, lease_error_us=4).is_valid


def test_a_lock_that_was_held_once_or_not_for_certain_gives_unknown() -> None:
    for history in (
        [],
        [acquire(1, 0, 1)],
        [acquire(1, 0, 1), acquire(2, 2, None)],
        [acquire(1, 0, 1), release(2, 2, 3)],
    ):
        assert check_mutex(history).validity is Validity.UNKNOWN


def test_locks_are_judged_apart() -> None:
    assert check_mutex([acquire(1, 0, 1), acquire(2, 2, 3)._replace(key=b"m")]).validity is Validity.UNKNOWN


def test_tokens_that_do_not_grow_are_found() -> None:
    assert check_tokens([acquire(1, 0, 1, token=2), acquire(2, 2, 3, token=1)]).is_invalid
    assert check_tokens([acquire(1, 0, 9, token=2), acquire(2, 2, 3, token=2)]).is_invalid
    assert check_tokens([acquire(1, 0, 9, token=2), acquire(2, 2, 3, token=1)]).is_valid
    assert check_tokens([acquire(1, 0, 1, token=1), acquire(2, 2, 3, token=2)]).is_valid
    assert check_tokens([acquire(1, 0, 1), acquire(2, 2, 3)]).validity is Validity.UNKNOWN


def test_a_write_with_an_older_token_must_be_refused() -> None:
    assert check_fenced_writes([write(0, 1, 2), write(2, 3, 1)]).is_invalid
    assert check_fenced_writes([write(0, 1, 2), write(2, 3, 1, "fail"), write(4, 5, 2)]).is_valid
    assert check_fenced_writes([write(0, 9, 2), write(2, 3, 1)]).is_valid
    assert check_fenced_writes([write(0, 1, 2)]).validity is Validity.UNKNOWN


def _ended_nothing(each: Operation) -> bool:
    return each.outcome == "fail" or (each.outcome == "ok" and each.result in (False, 0))


def _held(history: list[Operation], acquired: Operation) -> tuple[int, int]:
    ends = [END_OF_TIME_US]
    if acquired.argument is not None:
        ends.append(acquired.invoke_us + acquired.argument)
    later = [each for each in history if each.process == acquired.process and each.invoke_us > acquired.invoke_us]
    ends += [each.invoke_us for each in later if each.kind == "release" and not _ended_nothing(each)]
    earlier = [each for each in history if each.process == acquired.process and each.invoke_us < acquired.invoke_us]
    if any(each.kind == "release" and each.outcome == "info" for each in earlier):
        return 0, 0
    return acquired.end_us, min(ends)


def _shared(history: list[Operation]) -> bool:
    """The dumb twin: some pair of acquires, each held for some time, held at one moment."""
    times = [_held(history, each) for each in history if each.kind == "acquire" and each.outcome == "ok"]
    times = [each for each in times if each[0] < each[1]]
    return any(one[0] < other[1] and other[0] < one[1] for index, one in enumerate(times) for other in times[:index])


def _history(rng: Random, leases: bool) -> list[Operation]:
    free = [0] * 4
    history = []
    for _ in range(rng.randint(2, 7)):
        process = rng.randrange(1, 4)
        begin = free[process] + rng.randrange(1, 6)
        end = begin + rng.randrange(4)
        free[process] = end + 1
        done = None if rng.random() < 0.1 else end
        if rng.random() < 0.5:
            lease = rng.randrange(1, 12) if leases and rng.random() < 0.7 else None
            history.append(acquire(process, begin, done, lease, rng.randrange(9)))
        else:
            answer = rng.choice([None, None, None, 1, True, False, 0])
            history.append(release(process, begin, done)._replace(result=answer))
            if done is not None and rng.random() < 0.1:
                history[-1] = history[-1]._replace(outcome="fail")
    return history


def test_holders_never_disagree_with_looking_at_every_pair() -> None:
    rng = Random(71)
    counts: dict[Validity, int] = {}
    for _ in range(FUZZ_ROUNDS):
        history = _history(rng, leases=True)
        verdict = check_mutex(history)
        assert verdict.is_invalid == _shared(history), history
        counts[verdict.validity] = counts.get(verdict.validity, 0) + 1
    assert all(counts[each] > FUZZ_ROUNDS // 20 for each in Validity)


def _step(held: int, each: Operation) -> tuple[bool, int]:
    if each.kind == "acquire":
        return held == 0, each.process
    return (held != each.process, held) if _ended_nothing(each) else (held == each.process, 0)


LOCK = Model("lock", 0, _step)
"""Held by a process, or by nobody (0). Every request that is `ok` succeeded, but for releases that say otherwise."""


def test_a_linearizable_lock_is_never_found_shared() -> None:
    rng = Random(72)
    linearizable = 0
    for _ in range(FUZZ_ROUNDS):
        history = _history(rng, leases=False)
        if is_linearizable(history, LOCK):
            linearizable += 1
            assert not check_mutex(history).is_invalid, history
    assert linearizable > FUZZ_ROUNDS // 50


def test_tokens_and_writes_never_disagree_with_looking_at_every_pair() -> None:
    rng = Random(73)
    broken = 0
    for _ in range(FUZZ_ROUNDS):
        history = []
        for _ in range(rng.randint(2, 5)):
            begin = rng.randrange(12)
            token, outcome = rng.randrange(1, 12), rng.choices(["ok", "fail"], [9, 1])[0]
            history.append(write(begin, begin + rng.randrange(5), token, outcome))
        accepted = [each for each in history if each.outcome == "ok"]
        older = any(a.precedes(b) and a.argument[0] > b.argument[0] for a in accepted for b in accepted)
        assert check_fenced_writes(history).is_invalid == older, history
        grants = [acquire(1, each.invoke_us, each.complete_us, None, each.argument[0]) for each in accepted]
        twice = len({each.result for each in grants}) < len(grants)
        assert check_tokens(grants).is_invalid == (older or twice), history
        broken += older
    assert FUZZ_ROUNDS // 10 < broken < FUZZ_ROUNDS * 9 // 10
