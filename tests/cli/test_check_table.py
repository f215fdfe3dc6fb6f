"""The table of a run on the terminal."""

from io import StringIO

from rich.console import Console

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


def test_how_stale_reads_were_at_most_stands_beside_who_was_answered() -> None:
    share = SideShare("whole", "n1", 3, 0, 0, 500, 1_000, 1_500, 2, 1, 4, 12_345)
    assert cells(share)[-2:] == ["12.3", "4"]
    assert cells(share._replace(stale_reads=0, stale_versions=0, stale_us=0))[-2:] == ["0.0", "0"]


def test_of_a_side_whose_reads_tell_nothing_no_staleness_is_told_and_of_none_no_column() -> None:
    told = SideShare("whole", "n1 n2", 3, 0, 0, 500, 1_000, 1_500, 2, 1, 4, 12_345)
    silent = SideShare("cut", "n1", 3, 0, 0, 500, 1_000, 1_500)
    assert [list(column.cells)[1] for column in _shares([told, silent]).columns][-2:] == ["-", "-"]
    assert len(_shares([silent]).columns) == len(_shares([told]).columns) - 2


def test_the_table_of_a_cut_takes_a_hundred_columns_and_no_row_two_lines() -> None:
    cut = "cut: n3 from n1 n2"
    rows = [
        SideShare("whole", "n1 n2 n3", 17_886, 1_234, 1_234, 102_900, 2_003_100, 3_000_200, 902, 166, 1_234, 8_264_600),
        SideShare(cut, "n3", 149, 10, 10, 2_500, 7_800, 2_008_000, 60, 31, 7, 8_264_600),
        SideShare(cut, "n1 n2", 298, 0, 0, 2_800, 11_100, 11_600, 130, 0, 0, 0),
    ]
    shown = Console(file=StringIO(), width=100)
    shown.print(_shares(rows))
    lines = shown.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 100
    ends = ("8264.6      1234", "8264.6         7", "0.0         0")
    for row, end in zip(rows, ends, strict=True):
        begins = f"{row.stretch:<18}  {row.side}"
        assert [line.strip().endswith(end) for line in lines if line.strip().startswith(begins)] == [True], lines


def test_what_was_seen_and_not_promised_takes_one_line_without_its_witness() -> None:
    found = invalid("linearizability", "no order explains it", [Operation(1, 0, 1, "read", b"k")])
    assert _verdict(found).count("\n") == 1
    assert _first_line(found) == "linearizability: [bold red]invalid[/]: no order explains it"
