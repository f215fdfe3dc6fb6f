"""The verdicts look at every value that was read, also on READONLY connections, and at all replicas."""

from collections.abc import Sequence
from typing import Any

import pytest

from trilemma.check.history import Operation
from trilemma.demo.scene import KEYSPACES, LABELS
from trilemma.demo.verdicts import consistency, convergence

REPLICAS = {"n1": "d", "n2": "d", "n3": "d"}


def operation(keyspace: str, begin_us: int, kind: str, argument: Any, result: Any) -> Operation:
    return Operation(
        begin_us, begin_us, begin_us + 10, kind, f"{keyspace}:k".encode(), argument, result, "ok", "n1", keyspace,
        KEYSPACES[keyspace],
    )  # fmt: skip


def receipt(keyspace: str, value: bytes | None, **facts: Any) -> tuple[Any, ...]:
    """Return a value and its receipt, which is right but for the facts that are given."""
    mode = KEYSPACES[keyspace]
    usual = {"node": b"n1", "keyspace": keyspace.encode(), "mode": mode.encode(), "promise": LABELS[mode]}
    usual |= {"stale_ms_max": 1_000 if mode == "cp" else 0, "index": 5, "term": 1, "replicas": 3, "warnings": ()}
    return value, tuple((name.encode(), fact) for name, fact in (usual | facts).items())


def broken(keyspace: str, *more: Operation) -> Sequence[str]:
    """Return the names of the checkers that do not find all valid, of a keyspace with two writes and then more."""
    writes = {
        name: [operation(name, 0, "write", b"a", b"OK"), operation(name, 20, "write", b"b", b"OK")]
        for name in KEYSPACES
    }
    finals = {name: [operation(name, 900_000_000, "read", None, b"b")] for name in KEYSPACES}
    histories = writes | {keyspace: [*writes[keyspace], *more]}
    return [verdict.checker for _, verdict in consistency(histories, finals) if not verdict.is_valid]


@pytest.mark.parametrize("keyspace", ["bank", "ledger"])
def test_a_readonly_read_on_cp_may_show_what_was_current_at_some_time(keyspace: str) -> None:
    assert not broken(keyspace, operation(keyspace, 40, "stale_read", None, b"a"))
    assert not broken(keyspace, operation(keyspace, 40, "explained_stale_read", None, receipt(keyspace, b"a")))


@pytest.mark.parametrize("keyspace", ["bank", "ledger"])
def test_a_readonly_read_of_what_nobody_wrote_is_found(keyspace: str) -> None:
    garbage = b"garbage-nobody-wrote"
    assert broken(keyspace, operation(keyspace, 40, "stale_read", None, garbage)) == ["stale reads"]
    explained = operation(keyspace, 40, "explained_stale_read", None, receipt(keyspace, garbage))
    assert broken(keyspace, explained) == ["stale reads"]


@pytest.mark.parametrize("keyspace", ["bank", "ledger"])
def test_a_readonly_read_that_is_staler_than_its_receipt_says_is_found(keyspace: str) -> None:
    late = operation(keyspace, 9_000_000, "explained_stale_read", None, receipt(keyspace, b"a"))
    assert broken(keyspace, late) == ["receipts"]


def test_a_readonly_read_on_ca_must_show_the_newest() -> None:
    newest = receipt("site", b"b")
    assert not broken("site", operation("site", 40, "stale_read", None, b"b"))
    assert not broken("site", operation("site", 40, "explained_stale_read", None, newest))
    assert broken("site", operation("site", 40, "stale_read", None, b"a")) == ["linearizable register"]
    assert "linearizable register" in broken(
        "site", operation("site", 40, "explained_stale_read", None, receipt("site", b"a"))
    )


def test_every_replica_must_be_there_and_the_same() -> None:
    digests = dict.fromkeys(KEYSPACES, REPLICAS)
    assert convergence(digests).is_valid
    assert convergence({**digests, "shop": REPLICAS | {"n3": "other"}}).is_invalid
    assert not convergence({**digests, "shop": {"n1": "d", "n2": "d"}}).is_valid
    assert not convergence({name: REPLICAS for name in KEYSPACES if name != "shop"}).is_valid
