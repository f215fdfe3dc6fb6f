"""Each row of bad input is a test against the live port, or stands in docs/fault-rows.md as not applying yet."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = set(range(1, 44))


MORE = {5, 13, 14, 37, 40}
"""The rows of which the list asks more than a reply."""


def spanned(text: str) -> set[int]:
    first, _, last = text.partition("–")
    return set(range(int(first), int(last or first) + 1))


def test_every_row_is_tested_or_said_not_to_apply() -> None:
    tests = (ROOT / "tests/faults/test_bad_input.py").read_text()
    tested = {int(number) for number in re.findall(r'^    "(\d+) ', tests, re.MULTILINE)}
    tested |= {int(number) for number in re.findall(r"def test_row_(\d+)_", tests)}
    listed: set[int] = set()
    for line in (ROOT / "docs/fault-rows.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != 6 or not re.match(r"\d+(–\d+)?$", cells[1]):
            continue
        rows = spanned(cells[1])
        assert not rows & listed
        listed |= rows
        if cells[3] == "does not apply yet":
            assert not rows & tested
        else:
            assert rows <= tested, f"{rows - tested} are said to be tested"
    assert listed == ROWS


def test_what_is_asked_beside_a_reply_is_tested_against_the_live_port() -> None:
    tests = (ROOT / "tests/faults/test_closed_clients.py").read_text()
    names = re.findall(r"def test_rows?_([\d_and]+)_", tests)
    tested = {int(number) for name in names for number in re.findall(r"\d+", name)}
    listed: set[int] = set()
    for line in (ROOT / "docs/fault-rows.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and re.match(r"\d+(, \d+)*$", cells[1]):
            assert all(cells[2:4])
            listed |= {int(number) for number in cells[1].split(", ")}
    assert tested == listed == MORE
