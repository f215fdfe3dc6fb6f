"""A row holds only where it was exercised, and by what was answered: also READONLY reads, their labels, and silence."""

from typing import Any

import pytest

from trilemma.check.history import Operation
from trilemma.demo.scene import KEYSPACES, LABELS, UNREACHED, Phase, Row, judge_rows

WHOLE = Phase("healed", "whole", 0, 6_000_000)
KILLED = Phase("killed", "down", 0, 6_000_000, ("bank", "ledger"))


def told(
    kind: str, keyspace: str, node: str, *, outcome: str = "ok", result: Any = b"a", promise: bytes | None = None
) -> Operation:
    """Return an operation in the middle of a phase; with a receipt where something is promised."""
    if promise is not None:
        kind, result = "explained_" + kind, (result, ((b"promise", promise),))
    return Operation(
        1, 3_000_000, 3_000_500, kind, f"{keyspace}:k".encode(), None, result, outcome, node, keyspace,
        KEYSPACES[keyspace],
    )  # type: ignore[arg-type]  # fmt: skip


def row(phase: Phase, request: str, keyspace: str, node: str, *operations: Operation) -> Row:
    rows = judge_rows([phase], list(operations))
    return next(each for each in rows if each[1:4] == (keyspace, request, node))


def test_nothing_holds_that_nobody_asked() -> None:
    phases = [Phase(kind, kind, 0, 6_000_000) for kind in ("calm", "whole", "cut", "down")]
    assert not [each for each in judge_rows(phases, []) if each.holds]


def test_a_node_that_was_tried_and_gave_no_answer_is_silent() -> None:
    refused = told("read", "bank", "n3", outcome="fail", result=UNREACHED)
    broken_off = told("read", "bank", "n3", outcome="info", result=None)
    assert row(KILLED, "read", "bank", "n3", refused, broken_off).holds


@pytest.mark.parametrize("outcome", ["ok", "fail", "info"])
def test_a_node_that_answers_in_any_way_is_not_silent(outcome: str) -> None:
    refused = told("read", "bank", "n3", outcome="fail", result=UNREACHED)
    answered = told("read", "bank", "n3", outcome=outcome, result="CLUSTERDOWN or so")
    assert not row(KILLED, "read", "bank", "n3", refused, answered).holds


@pytest.mark.parametrize("keyspace", ["bank", "ledger", "site"])
def test_a_readonly_read_holds_with_the_label_of_its_mode(keyspace: str) -> None:
    plain = told("stale_read", keyspace, "n1")
    labelled = told("stale_read", keyspace, "n1", promise=LABELS[KEYSPACES[keyspace]])
    found = row(WHOLE, "stale_read", keyspace, "n1", plain, labelled)
    assert found.holds
    assert (found.answered, found.labelled) == (2, 1)


@pytest.mark.parametrize("keyspace", ["bank", "ledger", "site"])
def test_a_readonly_read_that_nothing_labelled_was_not_exercised(keyspace: str) -> None:
    assert not row(WHOLE, "stale_read", keyspace, "n1", told("stale_read", keyspace, "n1")).holds


def test_a_wrong_label_is_found() -> None:
    right, wrong = (told("stale_read", "bank", "n1", promise=LABELS[mode]) for mode in ("cp", "ca"))
    assert not row(WHOLE, "stale_read", "bank", "n1", right, wrong).holds
    assert not row(WHOLE, "stale_read", "site", "n1", told("stale_read", "site", "n1", promise=LABELS["cp"])).holds


def test_a_readonly_read_on_ca_is_refused_at_the_node_that_is_cut_off() -> None:
    cut = Phase("cut", "cut", 0, 6_000_000)
    refused = told("stale_read", "site", "n3", outcome="fail", result="CLUSTERDOWN no lease")
    assert row(cut, "stale_read", "site", "n3", refused).holds
    assert not row(cut, "stale_read", "site", "n3", refused, told("stale_read", "site", "n3")).holds


@pytest.mark.parametrize("kind", ["cut", "down"])
def test_a_fault_must_strike_the_leader(kind: str) -> None:
    rows = judge_rows([Phase(kind, kind, 0, 6_000_000, ("bank",))], [])
    assert [(each.keyspace, each.holds) for each in rows if each.request == "leader"] == [
        ("bank", True),
        ("ledger", False),
    ]
