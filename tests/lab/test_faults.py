"""The words of LAB and the table that they make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trilemma.base.errors import ReplyError
from trilemma.lab.faults import NO_FAULT, Change, Fault, Table, describe, parse

NODES = {"n1": 1, "n2": 2, "n3": 3}
NAMES = {number: name for name, number in NODES.items()}


def after(*lines: str, table: Table | None = None) -> Table:
    """Return the table that the commands make."""
    table = table or {}
    for line in lines:
        change = parse(line.split(), NODES)
        assert isinstance(change, Change)
        table = change.applied(table)
    return table


CUT = Fault(is_cut=True)


@pytest.mark.parametrize(
    ("line", "table"),
    [
        ("CUT n3", {(1, 3): CUT, (3, 1): CUT, (2, 3): CUT, (3, 2): CUT}),
        ("CUT n1>n2", {(1, 2): CUT}),
        ("CUT n1-n2", {(1, 2): CUT, (2, 1): CUT}),
        ("cut n2-n1", {(1, 2): CUT, (2, 1): CUT}),
        ("SLOW n1>n2 80ms", {(1, 2): Fault(delay_ms=80)}),
        ("SLOW n1>n2 2s", {(1, 2): Fault(delay_ms=2000)}),
        ("LOSS n2>n1 10%", {(2, 1): Fault(loss_percent=10.0)}),
        ("LOSS n2>n1 0.5", {(2, 1): Fault(loss_percent=0.5)}),
        ("SLOW n1>n2 0ms", {}),
    ],
)
def test_each_form_makes_its_faults(line: str, table: Table) -> None:
    assert after(line) == table


def test_faults_of_different_kinds_on_one_link_add_up_and_heal_together() -> None:
    both = after("SLOW n1-n2 80ms", "LOSS n1>n2 5%")
    assert both == {(1, 2): Fault(False, 80, 5.0), (2, 1): Fault(False, 80, 0.0)}
    assert after("HEAL n1>n2", table=both) == {(2, 1): Fault(False, 80, 0.0)}
    assert after("HEAL", table=both) == {}


def test_healing_one_link_of_a_node_that_is_cut_off_leaves_the_others_cut() -> None:
    assert after("CUT n3", "HEAL n1-n3") == {(2, 3): CUT, (3, 2): CUT}


def test_a_change_leaves_the_old_table_alone() -> None:
    table: Table = {(1, 2): CUT}
    after("HEAL", table=table)
    assert table == {(1, 2): CUT}


def test_status_is_no_change() -> None:
    assert parse(["status"], NODES) is None


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "LAB takes CUT"),
        ("BREAK n1", "LAB takes CUT"),
        ("CUT", "the form is: LAB CUT <where>$"),
        ("CUT n1 n2", "the form is: LAB CUT <where>"),
        ("SLOW n1-n2", "the form is: LAB SLOW"),
        ("STATUS n1", "the form is: LAB STATUS|LAB takes CUT"),
        ("CUT n9", "'n9' names no node and no link.* the nodes are n1, n2, n3"),
        ("CUT n1-n1", "names no node and no link"),
        ("CUT n1<n2", "names no node and no link"),
        ("SLOW n1-n2 80", "'80' is no delay; say 80ms"),
        ("SLOW n1-n2 ٣ms", "is no delay"),
        ("SLOW n1-n2 11s", "a delay is at most 10000 ms"),
        ("LOSS n1-n2 101%", "is no share"),
        ("LOSS n1-n2 ten", "'ten' is no share; say 10%"),
        ("LOSS n1-n2 nan", "is no share"),
        ("KILL n3", "a node cannot kill a process: use `trilemma lab kill`"),
    ],
)
def test_words_that_make_no_command_get_a_sentence(line: str, sentence: str) -> None:
    with pytest.raises(ReplyError, match=sentence):
        parse(line.split(), NODES)


def test_names_with_hyphens_are_told_from_links() -> None:
    nodes = {"eu-1": 1, "eu-2": 2, "eu": 3}
    change = parse(["CUT", "eu-1-eu-2"], nodes)
    assert change is not None
    assert set(change.directions) == {(1, 2), (2, 1)}


FAULTS = st.builds(
    Fault, st.booleans(), st.integers(0, 10_000), st.integers(0, 1000).map(lambda tenths: tenths / 10)
).filter(lambda fault: fault != NO_FAULT)
DIRECTIONS = st.sampled_from([(a, b) for a in (1, 2, 3) for b in (1, 2, 3) if a != b])


@given(st.dictionaries(DIRECTIONS, FAULTS))
def test_the_description_of_a_table_makes_that_table(table: Table) -> None:
    assert after(*(line.removeprefix("LAB ") for line in describe(table, NAMES))) == table


def test_what_is_alike_both_ways_is_one_line() -> None:
    assert describe(after("CUT n3", "SLOW n1>n2 80ms"), NAMES) == ["SLOW n1>n2 80ms", "CUT n1-n3", "CUT n2-n3"]
