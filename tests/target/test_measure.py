"""Figures of a run, against histories drawn at random and the figures written out."""

from collections.abc import Sequence
from random import Random

from trilemma.check.fault import Fault
from trilemma.check.history import Operation
from trilemma.target.measure import (
    answered,
    lost_writes,
    staleness,
    standstill_us,
    with_aborts_answered,
)


def write(value: bytes, begin: int, end: int, outcome: str = "ok", node: str = "n1") -> Operation:
    return Operation(1, begin, end, "write", b"k", value, None, outcome, node)  # type: ignore[arg-type]


def read(value: bytes | None, begin: int, end: int, node: str = "n1") -> Operation:
    return Operation(2, begin, end, "read", b"k", None, value, "ok", node)


def drawn(rng: Random) -> list[Operation]:
    operations = []
    for number in range(rng.randint(1, 12)):
        begin = rng.randint(0, 30)
        key = rng.choice((b"a", b"b"))
        if rng.random() < 0.5:
            outcome = rng.choice(("ok", "ok", "fail", "info"))
            made = write(b"%d" % number, begin, begin + rng.randint(0, 8), outcome)
        else:
            value = b"%d" % rng.randrange(12) if rng.random() < 0.8 else None
            made = read(value, begin, begin + rng.randint(0, 8))
        operations.append(made._replace(key=key))
    return operations


def stale_written_out(operations: Sequence[Operation]) -> list[int]:
    """Return by how much each stale read was stale: every read against every write.

    A write had surely taken effect when it was over, or when the first read that shows it was.
    """
    found = []
    for one in operations:
        if one.kind != "read":
            continue
        same = [each for each in operations if each.key == one.key and each.kind == "write" and each.outcome != "fail"]
        source = [each for each in same if each.argument == one.result]
        if not source and one.result is not None:
            continue
        shown = [each for each in operations if (each.key, each.kind, each.result) == (one.key, "read", one.result)]
        effect_us = min(each.end_us for each in (*source, *shown)) if source else -1
        newer = [
            each.end_us
            for each in same
            if each.outcome == "ok" and each.end_us < one.invoke_us and effect_us < each.invoke_us
        ]
        if newer:
            found.append(one.invoke_us - min(newer))
    return found


def stale_by(operations: Sequence[Operation]) -> list[int]:
    return [each.age_us for each in staleness(operations) if each.versions]


def test_stale_reads_are_counted_as_when_every_read_meets_every_write() -> None:
    rng = Random(5)
    stale = 0
    for _ in range(1_500):
        operations = drawn(rng)
        expected = stale_written_out(operations)
        found = stale_by(operations)
        assert sorted(found) == sorted(expected)
        stale += len(found)
    assert stale > 250


def test_a_read_that_overlaps_the_newer_write_is_not_stale() -> None:
    history = [write(b"1", 0, 1), write(b"2", 2, 5), read(b"1", 5, 6)]
    assert stale_by(history) == []
    assert stale_by([*history, read(b"1", 6, 7)]) == [1]


def test_what_is_no_read_of_a_register_is_not_measured() -> None:
    grown = Operation(1, 0, 1, "append", b"grown", b"1;", 2)
    assert staleness([grown, read(b"1;", 2, 3)._replace(key=b"grown")]) == []
    assert staleness([write(b"1", 0, 1), read(b"ghost", 2, 3)]) == []
    cas = Operation(1, 2, 3, "cas", b"k", (b"1", b"2"), True)
    assert stale_by([write(b"1", 0, 1), cas, read(b"1", 5, 6)]) == [2]
    assert stale_by([write(b"1", 0, 1), cas._replace(result=False), read(b"1", 5, 6)]) == []


def test_an_acknowledged_write_that_nothing_left_can_have_replaced_is_lost() -> None:
    kept, lost, later = write(b"1", 0, 1), write(b"2", 2, 3), write(b"3", 4, 5)
    assert lost_writes([kept, lost, later], [read(b"1", 9, 9)]) == [lost, later]
    assert lost_writes([kept, lost, later], [read(b"3", 9, 9)]) == []
    assert lost_writes([kept, lost, later], [read(None, 9, 9)]) == [kept, lost, later]


def test_what_was_not_acknowledged_cannot_be_lost() -> None:
    doubtful = [write(b"2", 2, 3, "info"), write(b"3", 2, 3, "fail")]
    assert lost_writes([write(b"1", 0, 1), *doubtful], [read(b"1", 9, 9)]) == []


def test_a_token_that_is_gone_is_lost_and_one_inside_another_is_not_found() -> None:
    appends = [Operation(1, n, n, "append", b"k", token, 1) for n, token in enumerate((b"1;", b"11;", b"2;"))]
    assert [each.argument for each in lost_writes(appends, [read(b"11;2;", 9, 9)])] == [b"1;"]


CUT = Fault("isolate", "n3 from n1 n2", 10, 20, ("n1", "n2", "n3"), (("n3",), ("n1", "n2")))


def test_requests_are_counted_by_side_and_by_whether_a_fault_was_in_force() -> None:
    operations = [
        write(b"1", 5, 6),
        write(b"2", 12, 13),
        write(b"3", 12, 13, "fail", "n3"),
        write(b"4", 12, 19, "info", "n3"),
    ]
    found = answered(operations, [CUT])
    assert (found.calm.total, found.others.total, found.befallen.total) == (1, 1, 2)
    assert found.befallen.ratio == 0.0


def test_a_standstill_is_the_longest_gap_between_writes_away_from_the_fault() -> None:
    calm = [write(b"%d" % n, n, n) for n in (1, 3, 9, 17, 18, 30)]
    befallen = [write(b"x%d" % n, n, n, node="n3") for n in range(10, 20)]
    assert standstill_us([*calm, *befallen], [CUT]) == 12
    assert standstill_us(calm, []) == 0


def test_a_transaction_that_watch_stopped_was_answered() -> None:
    aborted = Operation(1, 0, 1, "cas", b"k", (b"1", b"2"), None, "fail")
    refused = aborted._replace(result="CLUSTERDOWN no")
    assert [each.outcome for each in with_aborts_answered([aborted, refused])] == ["ok", "fail"]
