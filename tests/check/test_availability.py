"""Availability: who was answered, on which side of a cut, and how fast; compared with counting one by one."""

from random import Random
from typing import Any

from trilemma.check.availability import Outage, check_availability, shares, side_shares, while_live
from trilemma.check.fault import Fault
from trilemma.check.history import Operation
from trilemma.check.report.data import SideShare
from trilemma.check.staleness import Staleness
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 2_000

CUT = Fault("cut", "n3 from n1 n2", 10, 20, sides=(("n1", "n2"), ("n3",)))


def request(node: str, begin: int, end: int | None, outcome: Any = "ok") -> Operation:
    return Operation(1, begin, end, "read", b"k", None, None, outcome, node)


RUN = [
    request("n1", 0, 5),
    request("n2", 12, 13),
    request("n1", 14, 19),
    request("n3", 12, 13, "fail"),
    request("n3", 15, None, "info"),
    request("n3", 30, 31),
]


def test_each_side_of_a_cut_has_its_own_row() -> None:
    assert side_shares(RUN, [CUT]) == [
        SideShare("whole", "n1 n2 n3", 4, 1, 1, 1, 5, 5),
        SideShare("n3 from n1 n2", "n1 n2", 2, 0, 0, 1, 5, 5),
        SideShare("n3 from n1 n2", "n3", 0, 1, 1, 0, 0, 0),
    ]


def test_other_faults_divide_those_they_befell_from_the_others() -> None:
    pause = Fault("pause", "n3", 10, 20, nodes=("n3",))
    assert [(row.stretch, row.side, row.answered) for row in side_shares(RUN, [pause])[1:]] == [
        ("n3", "n3", 0),
        ("n3", "n1 n2", 2),
    ]


def test_faults_in_the_same_words_are_one_stretch_and_count_no_request_twice() -> None:
    again = CUT._replace(from_us=12, until_us=40)
    rows = side_shares(RUN, [CUT, again])
    assert [(row.side, row.answered + row.refused + row.unknown) for row in rows[1:]] == [("n1 n2", 2), ("n3", 3)]


def test_a_side_that_nobody_asked_has_no_row() -> None:
    assert side_shares([], [CUT]) == []
    assert [row.side for row in side_shares(RUN[:3], [CUT])[1:]] == ["n1 n2"]


def test_rows_never_disagree_with_counting_one_by_one() -> None:
    rng = Random(97)
    for _ in range(FUZZ_ROUNDS):
        run = []
        for _ in range(rng.randint(1, 12)):
            begin, outcome = rng.randrange(30), rng.choice(["ok", "ok", "fail", "info"])
            end = None if outcome == "info" else begin + rng.randrange(5)
            run.append(request(rng.choice(["n1", "n2", "n3"]), begin, end, outcome))
        for row in side_shares(run, [CUT]):
            mine = [
                each
                for each in run
                if row.stretch == "whole" or (each.node in row.side.split() and 10 <= each.invoke_us <= 20)
            ]
            waits = sorted(
                each.complete_us - each.invoke_us for each in mine if each.outcome == "ok" and each.complete_us
            )
            waits = sorted((each.complete_us or 0) - each.invoke_us for each in mine if each.outcome == "ok")
            assert row.answered == len(waits)
            assert row.refused == sum(each.outcome == "fail" for each in mine)
            assert row.unknown == sum(each.outcome == "info" for each in mine)
            assert row.worst_us == max(waits, default=0)
            assert sum(wait <= row.p50_us for wait in waits) * 2 >= len(waits)
            assert sum(wait < row.p50_us for wait in waits) * 2 <= len(waits)


def test_how_stale_reads_were_is_told_of_the_side_that_was_asked() -> None:
    fresh, old, older = Staleness(RUN[1], 0, 0), Staleness(RUN[2], 1, 700), Staleness(RUN[5], 3, 200)
    rows = side_shares(RUN, [CUT], [fresh, old, older])
    assert [(row.side, row.reads, row.stale_reads, row.stale_versions, row.stale_us) for row in rows] == [
        ("n1 n2 n3", 3, 2, 3, 700),
        ("n1 n2", 2, 1, 1, 700),
        ("n3", 0, 0, 0, 0),
    ]
    assert {row.reads for row in side_shares(RUN, [CUT])} == {0}


def test_staleness_never_disagrees_with_looking_at_each_read() -> None:
    rng = Random(98)
    stale = 0
    for _ in range(FUZZ_ROUNDS):
        measured = []
        for _ in range(rng.randrange(1, 10)):
            begin = rng.randrange(30)
            versions = rng.randrange(3)
            look = request(rng.choice(["n1", "n2", "n3"]), begin, begin + 1)
            measured.append(Staleness(look, versions, rng.randrange(1, 9) if versions else 0))
        writes = [request(node, 12, 13) for node in ("n1", "n2", "n3")]
        rows = side_shares([*writes, *(each.read for each in measured)], [CUT], measured)
        assert [row.side for row in rows] == ["n1 n2 n3", "n1 n2", "n3"]
        for row in rows:
            mine = [
                each
                for each in measured
                if row.stretch == "whole" or (each.read.node in row.side.split() and 10 <= each.read.invoke_us <= 20)
            ]
            assert row.reads == len(mine)
            assert row.stale_reads == sum(each.versions > 0 for each in mine)
            assert row.stale_versions == max((each.versions for each in mine), default=0)
            assert row.stale_us == max((each.age_us for each in mine), default=0)
            stale += row.stale_reads
    assert stale > FUZZ_ROUNDS


def test_every_request_to_a_live_node_must_be_answered() -> None:
    assert check_availability(RUN).is_invalid
    down = Outage("n3", 10, 20)
    assert check_availability(RUN, [down]).is_valid
    assert check_availability(RUN, [down], latency_us_max=4).is_invalid
    assert check_availability([]).validity is Validity.UNKNOWN
    assert check_availability(RUN[3:4], [down]).validity is Validity.UNKNOWN


def test_requests_that_touch_an_outage_are_left_out_and_shares_count_the_rest() -> None:
    left = while_live(RUN, [Outage("n3", 10, 20)])
    assert [each for each in RUN if each not in left] == RUN[3:5]
    assert shares(RUN, lambda each: each.node)["n3"] == (1, 1, 1)
    assert shares(RUN, lambda each: each.node)["n3"].ratio == 1 / 3
