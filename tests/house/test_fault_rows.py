"""Each row of bad input is a test against the live port, or stands in docs/fault-rows.md as not applying yet."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = set(range(1, 44))


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
        if len(cells) < 5 or not re.match(r"\d+(–\d+)?$", cells[1]):
            continue
        rows = spanned(cells[1])
        assert not rows & listed
        listed |= rows
        if cells[3] == "does not apply yet":
            assert not rows & tested
        else:
            assert rows <= tested, f"{rows - tested} are said to be tested"
    assert listed == ROWS
