"""The report says when n3 was away, and counts what was not exercised, or not compared after both heals, as broken."""

import io

from rich.console import Console

from trilemma.demo.report import HEALS, Findings, report
from trilemma.demo.scene import KEYSPACES, LED, Phase

SAME = {heal: {name: dict.fromkeys(("n1", "n2", "n3"), "d") for name in KEYSPACES} for heal in HEALS}
PHASES = [
    Phase("cut", "cut", 12_300_000, 18_300_000, LED),
    Phase("healed", "whole", 18_400_000, 22_000_000),
    Phase("killed", "down", 25_000_000, 31_000_000, LED[:1]),
    Phase("back", "whole", 33_500_000, 38_000_000),
]


def told(digests: dict[str, dict[str, dict[str, str]]]) -> tuple[bool, str]:
    text = io.StringIO()
    nothing = {name: [] for name in KEYSPACES}
    held = report(Console(file=text, width=200), Findings(1_000_000, PHASES, nothing, nothing, digests))
    return held, text.getvalue()


def test_it_says_from_when_until_when_n3_was_away() -> None:
    _, text = told(SAME)
    assert "P  links n1-n3 and n2-n3 cut from 11.3 s to 17.4 s after the start (6.1 s)" in text
    assert "P  n3 down from 24.0 s to 32.5 s after the start (8.5 s)" in text


def test_a_scene_that_nobody_drove_is_broken() -> None:
    held, text = told(SAME)
    assert not held
    assert "broken: killed: write on bank at n3: expected silent" in text
    assert "broken: killed: n3 did not lead ledger" in text
    assert "cut: n3 did not lead" not in text


def test_digests_that_differ_after_the_first_heal_are_broken() -> None:
    differing = SAME | {"the cut": SAME["the cut"] | {"shop": {"n1": "d", "n2": "d", "n3": "other"}}}
    _, text = told(differing)
    assert "broken: digests after the cut" in text
    assert "broken: digests after the crash" not in text


def test_digests_that_were_never_taken_are_broken() -> None:
    _, text = told({"the crash": SAME["the crash"]})
    assert "broken: digests after the cut" in text
