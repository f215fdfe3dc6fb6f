"""The table of a run on the terminal."""

from trilemma.check.history import Operation
from trilemma.check.report.data import SideShare
from trilemma.check.verdict import invalid
from trilemma.cli.check_table import _first_line, _shares, _verdict


def cells(share: SideShare) -> list[str]:
    table = _shares([share])
    return [next(iter(column.cells)) for column in table.columns if isinstance(next(iter(column.cells)), str)]  # type: ignore[misc]


def test_where_nothing_was_answered_no_time_is_told() -> None:
    assert cells(SideShare("whole", "n1", 0, 3, 1, 0, 0, 0)) == ["whole", "n1", "0", "3", "1", "-", "-", "-"]
    assert cells(SideShare("whole", "n1", 2, 0, 0, 500, 1_000, 1_500))[-3:] == ["0.5", "1.0", "1.5"]


def test_what_was_seen_and_not_promised_takes_one_line_without_its_witness() -> None:
    found = invalid("linearizability", "no order explains it", [Operation(1, 0, 1, "read", b"k")])
    assert _verdict(found).count("\n") == 1
    assert _first_line(found) == "linearizability: [bold red]invalid[/]: no order explains it"
