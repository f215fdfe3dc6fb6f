"""Stale reads may show anything that was current at some time, and nothing else."""

from trilemma.check.history import Operation
from trilemma.check.stale import check_stale
from trilemma.check.verdict import Verdict


def write(begin_us: int, value: bytes, *, key: bytes = b"k", outcome: str = "ok") -> Operation:
    return Operation(1, begin_us, begin_us + 10, "write", key, value, b"OK", outcome)  # type: ignore[arg-type]


def judge(value: bytes | None, *writes: Operation) -> Verdict:
    return check_stale([*writes, Operation(2, 100, 110, "stale_read", b"k", None, value)])


def test_what_was_written_may_be_shown_also_after_it_was_replaced() -> None:
    assert judge(b"a", write(0, b"a"), write(20, b"b")).is_valid
    assert judge(None, write(0, b"a")).is_valid


def test_a_write_in_doubt_may_be_shown() -> None:
    assert judge(b"a", write(0, b"a", outcome="info")).is_valid


def test_what_nobody_wrote_is_found() -> None:
    assert judge(b"garbage").is_invalid


def test_what_was_refused_is_found() -> None:
    assert judge(b"a", write(0, b"a", outcome="fail")).is_invalid


def test_what_was_written_later_is_found() -> None:
    assert judge(b"a", write(111, b"a")).is_invalid
    assert judge(b"a", write(109, b"a")).is_valid


def test_what_was_written_to_another_key_is_found() -> None:
    assert judge(b"a", write(0, b"a", key=b"other")).is_invalid
