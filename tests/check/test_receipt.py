"""Receipts and questions: each planted contradiction between what a store says of itself and what was seen is found."""

from typing import Any

import pytest

from trilemma.check.history import Operation
from trilemma.check.inquiry import check_conflicts, check_counts, check_digests, check_tokens
from trilemma.check.receipt import Terms, check_receipts, plainly

TERMS = Terms(3, 2)


def told(
    kind: str, begin_us: int, value: bytes | None, *, mode: str = "cp", key: bytes = b"k", **facts: Any
) -> Operation:
    """Return an explained operation of 10 us, whose receipt is right but for the facts that are given."""
    is_write = kind == "write"
    promise = b"durable on majority" if is_write else b"own side's newest" if mode == "ap" else b"newest acknowledged"
    usual = {"node": b"n1", "keyspace": b"default", "mode": mode.encode(), "promise": promise, "stale_ms_max": 0}
    usual |= {"replicas": 2} | ({"vector": b"1:1"} if mode == "ap" else {"index": 5, "term": 1})
    receipt = tuple((name.encode(), fact) for name, fact in (usual | facts).items())
    return Operation(
        begin_us, begin_us, begin_us + 10, f"explained_{kind}", key, value if is_write else None,
        (b"OK" if is_write else value, receipt), "ok", "n1", "default", mode,
    )  # fmt: skip


def plain_write(begin_us: int, value: bytes, *, mode: str = "cp", node: str = "n1") -> Operation:
    return Operation(begin_us, begin_us, begin_us + 10, "write", b"k", value, b"OK", "ok", node, "default", mode)


STALE = b"stale: current at some time"

RIGHT = {
    "entries in order": [told("write", 0, b"a"), told("read", 20, b"a", index=5), told("write", 40, b"b", index=6)],
    "another key's entry, under a lease": [told("write", 0, b"a", index=5), told("read", 20, None, key=b"o", index=4)],
    "no bound": [plain_write(0, b"a"), told("stale_read", 9_000_000, None, promise=STALE, stale_ms_max=-1)],
    "within the bound": [plain_write(0, b"a"), told("stale_read", 900, None, promise=STALE, stale_ms_max=1)],
    "newest, though READONLY": [told("stale_read", 0, None)],
    "on ap, what is concurrent": [
        plain_write(0, b"a", mode="ap"), plain_write(100, b"b", mode="ap", node="n2"),
        told("read", 9_000, b"a", mode="ap"),
    ],
}  # fmt: skip

WRONG = {
    "a replica too many": [told("write", 0, b"a", replicas=4)],
    "a replica too few": [told("write", 0, b"a", replicas=1)],
    "another keyspace": [told("write", 0, b"a", keyspace=b"shop")],
    "another mode": [told("write", 0, b"a", mode="ap", keyspace=b"default") ._replace(mode="cp")],
    "a read that promises what a write does": [told("read", 0, None, promise=b"durable on majority")],
    "a stale read on a connection that is not READONLY": [told("read", 0, None, promise=STALE)],
    "newest, and old": [told("read", 0, None, stale_ms_max=3)],
    "an older entry": [told("write", 0, b"a", index=5), told("write", 20, b"b", index=4)],
    "an older term": [told("write", 0, b"a", term=2), told("write", 20, b"b", term=1, index=6)],
    "a read of an entry before the write": [told("write", 0, b"a", index=5), told("read", 20, b"a", index=4)],
    "staler than is said": [plain_write(0, b"a"), told("stale_read", 9_000, None, promise=STALE, stale_ms_max=1)],
    "a value that was replaced long ago": [
        plain_write(0, b"a"), plain_write(20, b"b"), told("stale_read", 9_000, b"a", promise=STALE, stale_ms_max=1),
    ],
    "on ap, absent for too long": [
        plain_write(0, b"a", mode="ap"), told("read", 9_000, None, mode="ap", stale_ms_max=1),
    ],
    "a vector that shrinks": [
        told("write", 0, b"a", mode="ap", vector=b"1:2 2:1"), told("read", 20, b"a", mode="ap", vector=b"1:3"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_receipt_that_says_what_was_seen_is_valid(name: str) -> None:
    assert check_receipts(RIGHT[name], TERMS).is_valid


@pytest.mark.parametrize("name", WRONG)
def test_a_receipt_that_says_what_cannot_be_is_found(name: str) -> None:
    assert check_receipts(WRONG[name], TERMS).is_invalid


def test_a_readonly_read_that_says_it_is_the_newest_is_judged_as_such() -> None:
    reads = [told("stale_read", 0, None), told("stale_read", 0, None, promise=STALE)]
    assert [each.kind for each in plainly(reads)] == ["read", "stale_read"]


def asked(kind: str, result: Any, *, argument: Any = None, mode: str = "ap") -> Operation:
    return Operation(9, 500, 510, kind, b"k", argument, result, "ok", "n1", "default", mode)


def test_two_digests_of_what_reflects_the_same_are_found() -> None:
    here = asked("digests", ((b"default", 1024, b"index 8", b"aa"),))
    there = asked("digests", ((b"default", 1024, b"index 8", b"ab"),))
    later = asked("digests", ((b"default", 1024, b"index 9", b"ab"),))
    assert check_digests([here, later], {"1024": {"n1": "index 9 ab"}}).is_valid
    assert check_digests([here, there], {}).is_invalid
    assert check_digests([here], {"1024": {"n2": "index 8 ab"}}).is_invalid


def test_hidden_writes_of_one_node_or_of_nobody_are_found() -> None:
    writes = [plain_write(0, b"a", mode="ap"), plain_write(20, b"b", mode="ap", node="n2")]

    def shown(value: bytes, node: bytes, *hidden: tuple[bytes, bytes, int]) -> Operation:
        return asked("conflicts", ((0, b"k", (value, node, 1), hidden),))

    assert check_conflicts([*writes, shown(b"b", b"n2", (b"a", b"n1", 1))]).is_valid
    assert check_conflicts([*writes, shown(b"b", b"n1", (b"a", b"n1", 1))]).is_invalid
    assert check_conflicts([*writes, shown(b"b", b"n2", (b"x", b"n1", 1))]).is_invalid
    assert check_conflicts([*writes, shown(b"b", b"n2")]).is_invalid


def test_a_count_of_replicas_that_cannot_be_is_found() -> None:
    for mode, counts in (("cp", (1, 2)), ("ap", (0, 1, 2))):
        for count in range(-1, 4):
            waited = asked("counted_write", (b"OK", count), argument=b"a", mode=mode)
            assert check_counts([waited], TERMS).is_valid is (count in counts)


def test_who_has_waited_for_a_token_and_does_not_see_what_it_names_is_found() -> None:
    assert check_tokens([asked("awaited_read", (b"a", True)), asked("awaited_read", (None, False))]).is_valid
    assert check_tokens([asked("awaited_read", (None, True))]).is_invalid
