"""Long fork and causal reverse: hand-made histories, and agreement with every pair of reads and of writes."""

from random import Random
from typing import Any

import pytest

from trilemma.check.causal_reverse import check_causal_reverse
from trilemma.check.history import Operation
from trilemma.check.long_fork import check_long_fork
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 5_000
KEYS = (b"x", b"y", b"z")


def write(key: bytes, begin: int, end: int | None, outcome: Any = "ok") -> Operation:
    return Operation(1, begin, end, "write", key, 1, None, outcome)


def look(at: int, **shown: Any) -> Operation:
    keys = tuple(key.encode() for key in shown)
    return Operation(2, at, at + 1, "multi_read", b"", keys, tuple(shown.values()))


WRITES = [write(b"x", 0, 1), write(b"y", 2, 3)]


def test_two_reads_that_saw_opposite_orders_are_a_long_fork() -> None:
    reads = [look(4, x=1, y=None), look(6, x=None, y=1)]
    verdict = check_long_fork([*WRITES, *reads])
    assert verdict.is_invalid
    assert verdict.witness == tuple(reads)


def test_reads_of_different_keys_are_compared_by_those_they_share() -> None:
    assert check_long_fork([*WRITES, look(4, x=1, y=None, z=None), look(6, x=None, y=1)]).is_invalid
    assert check_long_fork([*WRITES, look(4, x=1, y=None, z=None), look(6, x=1, z=None)]).is_valid


def test_reads_that_agree_are_no_fork() -> None:
    assert check_long_fork([*WRITES, look(4, x=1, y=None), look(6, x=1, y=1)]).is_valid


def test_long_fork_without_a_read_in_between_is_unknown() -> None:
    for history in ([], WRITES, [*WRITES, look(4, x=1, y=1)], [look(4, x=None, y=None)]):
        assert check_long_fork(history).validity is Validity.UNKNOWN
    assert check_long_fork([*WRITES, WRITES[0], look(4, x=1, y=None)]).validity is Validity.UNKNOWN


def test_nil_as_a_written_value_cannot_be_told_from_nothing() -> None:
    nil = WRITES[0]._replace(argument=None)
    for check in (check_long_fork, check_causal_reverse):
        assert check([nil, WRITES[1], look(4, x=None, y=1)]).validity is Validity.UNKNOWN
        assert not check([nil._replace(outcome="fail"), WRITES[1], look(4, x=None, y=1)]).is_invalid


def test_a_value_that_nobody_wrote_is_found() -> None:
    for check in (check_long_fork, check_causal_reverse):
        verdict = check([*WRITES, look(4, x=1, y=2)])
        assert verdict.is_invalid
        assert "2 was read from b'y', but nobody had written it" in verdict.reason
        assert verdict.witness == (look(4, x=1, y=2),)
        assert check([*WRITES, look(4, x=1, z=1)]).is_invalid
        assert check([WRITES[0], WRITES[1]._replace(outcome="fail"), look(4, x=1, y=1)]).is_invalid
        assert not check([WRITES[0], write(b"y", 2, None, "info"), look(4, x=1, y=1)]).is_invalid


def test_a_value_that_was_read_before_anybody_began_to_write_it_is_found() -> None:
    for check in (check_long_fork, check_causal_reverse):
        verdict = check([write(b"x", 5, 6), write(b"y", 7, 8), look(0, x=1, y=None)])
        assert verdict.is_invalid
        assert "1 was read from b'x', but nobody had written it" in verdict.reason
        assert not check([write(b"x", 1, 6), write(b"y", 7, 8), look(0, x=1, y=None)]).is_invalid, "at equal stamps"


@pytest.mark.parametrize("shown", [(1, None), (None, 1), (1, None, 1), (1, 1, None)])
def test_a_read_that_shows_a_key_both_as_written_and_as_absent_is_found(shown: tuple[Any, ...]) -> None:
    for check in (check_long_fork, check_causal_reverse):
        torn = Operation(2, 4, 5, "multi_read", b"", (b"x", b"x", b"x")[: len(shown)], shown)
        verdict = check([*WRITES, torn])
        assert verdict.is_invalid
        assert "one read showed b'x' both as written and as absent" in verdict.reason
        assert verdict.witness == (torn,)
        whole = torn._replace(argument=(b"x", b"x", b"y"), result=(1, 1, None))
        assert not check([*WRITES, whole]).is_invalid


def test_of_the_values_that_one_operation_writes_to_a_key_only_the_last_is_there() -> None:
    twice = Operation(1, 0, 1, "multi_write", b"", ((b"x", 1), (b"x", 2)))
    for check in (check_long_fork, check_causal_reverse):
        assert check([twice, WRITES[1], look(4, x=1, y=None)]).is_invalid
        assert not check([twice, WRITES[1], look(4, x=2, y=None)]).is_invalid
    assert check_long_fork([twice, WRITES[1], look(4, x=2, y=None), look(6, x=2, y=1)]).is_valid


def test_a_later_write_shown_without_an_earlier_one_is_a_causal_reverse() -> None:
    read = look(4, x=None, y=1)
    verdict = check_causal_reverse([*WRITES, read])
    assert verdict.is_invalid
    assert verdict.witness == (*WRITES, read)
    assert check_causal_reverse([*WRITES, look(4, x=1, y=1)]).is_valid


def test_writes_that_overlap_or_are_in_doubt_may_be_seen_in_any_order() -> None:
    for first in (write(b"x", 0, 9), write(b"x", 0, None, "info")):
        assert check_causal_reverse([first, WRITES[1], look(10, x=None, y=1)]).validity is Validity.UNKNOWN


def test_causal_reverse_of_nothing_is_unknown() -> None:
    for history in ([], WRITES, [*WRITES, look(4, x=None, y=None)], [*WRITES, WRITES[0], look(4, x=None, y=1)]):
        assert check_causal_reverse(history).validity is Validity.UNKNOWN


def _is_from_the_future(history: list[Operation]) -> bool:
    """The dumb twin of what may be read: whether a read shows a write that had not begun when the read ended."""
    reads = [each for each in history if each.kind == "multi_read"]
    return any(
        value is not None and key == each.key and each.invoke_us > read.invoke_us + 1
        for read in reads
        for key, value in zip(read.argument, read.result, strict=True)
        for each in history
        if each.kind == "write"
    )


def _is_torn(history: list[Operation]) -> bool:
    reads = (zip(each.argument, each.result, strict=True) for each in history if each.kind == "multi_read")
    return any(len({value for key, value in pairs if key == x}) > 1 for pairs in map(list, reads) for x in KEYS)


def _history(rng: Random) -> list[Operation]:
    history = []
    for key in KEYS:
        begin = rng.randrange(8)
        doubtful = rng.random() < 0.1
        end = None if doubtful else begin + rng.randrange(4)
        history.append(write(key, begin, end, "info" if doubtful else "ok"))
    for _ in range(rng.randint(1, 3)):
        keys = rng.sample([*KEYS, *KEYS] if rng.random() < 0.1 else KEYS, rng.randint(2, 3))
        begin = rng.randrange(4, 18)
        shown = tuple(1 if rng.random() < 0.6 else None for _ in keys)
        history.append(Operation(2, begin, begin + 1, "multi_read", b"", tuple(keys), shown))
    return history


def test_long_forks_never_disagree_with_looking_at_every_pair_of_reads() -> None:
    rng = Random(81)
    forks = 0
    for _ in range(FUZZ_ROUNDS):
        history = _history(rng)
        reads = [dict(zip(each.argument, each.result, strict=True)) for each in history if each.kind == "multi_read"]
        expected = any(
            a.keys() >= {x, y} and b.keys() >= {x, y} and a[x] and not a[y] and b[y] and not b[x]
            for a in reads
            for b in reads
            for x in KEYS
            for y in KEYS
        )
        expected |= _is_from_the_future(history) or _is_torn(history)
        assert check_long_fork(history).is_invalid == expected, history
        forks += expected
    assert FUZZ_ROUNDS // 10 < forks < FUZZ_ROUNDS * 9 // 10


def test_causal_reverses_never_disagree_with_looking_at_every_pair_of_writes() -> None:
    rng = Random(82)
    reverses = 0
    for _ in range(FUZZ_ROUNDS):
        history = _history(rng)
        writes = [each for each in history if each.kind == "write"]
        expected = False
        for read in history:
            if read.kind == "multi_read":
                shown = dict(zip(read.argument, read.result, strict=True))
                for one in writes:
                    for other in writes:
                        if {one.key, other.key} <= shown.keys() and one.precedes(other):
                            expected |= bool(shown[other.key]) and not shown[one.key]
        expected |= _is_from_the_future(history) or _is_torn(history)
        assert check_causal_reverse(history).is_invalid == expected, history
        reverses += expected
    assert FUZZ_ROUNDS // 10 < reverses < FUZZ_ROUNDS * 9 // 10
