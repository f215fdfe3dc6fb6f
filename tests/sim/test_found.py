"""Schedules that once found something, each with its story: they must stay clean. ARCHITECTURE §5 tells more.

Their options are kept whole, for what a seed draws changes with the mix.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from trilemma.sim.campaign import judge
from trilemma.sim.options import Options, draw
from trilemma.sim.run import run_schedule

FOUND = sorted((Path(__file__).parent / "found").glob("*.json"))


def kept(path: Path) -> tuple[str, Options]:
    """Return the story and the options of a schedule; options that came later stand at rest."""
    entry = json.loads(path.read_text())
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in entry["options"].items()}
    return entry["story"], replace(
        draw(options["seed"]),
        **{
            "again": 0.0,
            "anyone_sleeps": False,
            "apart_us": 0,
            "founded_together": 1,
            "heartbeat_us": 80_000,
            "is_watched": False,
            "pace": 0,
            "spell_us": 0,
            "packet_gap_us": 0,
            "passes": False,
            "slow_sync_us": 0,
            "replicas": 0,
            **options,
        },
    )


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_found_stays_mended(path: Path) -> None:
    story, options = kept(path)
    outcome = run_schedule(options)
    assert judge(outcome) == "clean", "\n".join([story, *outcome.broken, *outcome.failures])
