"""The hunt for planted bugs: the first seed at which clients see one, and which is clean without it (FAULTS §2)."""

import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from trilemma.sim.campaign import run_seed, run_seeds
from trilemma.sim.mutation import MASKS_ONLY, MUTANTS, OPTIONS_ONLY

SEEN_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Hunt:
    """What came of one."""

    name: str
    tried: int
    seed: int | None = None
    """Where it was found; None where it was not."""
    seen: str = ""
    """The first verdict that says so."""
    by_itself: int = 0
    """How many schedules before showed it only to a node's own invariants, or to the simulator."""

    @property
    def is_found(self) -> bool:
        """Say whether a client could see it."""
        return self.seed is not None


def hunt(name: str, seeds: range) -> Hunt:
    """Look for a seed that shows a bug, and is clean without it, whether what masks it is there or not."""
    mode = MUTANTS[name].mode
    tried = by_itself = 0
    with closing(run_seeds(seeds, mode, 0, name)) as findings:
        for finding in findings:
            tried += 1
            by_itself += finding.verdict == "failed"
            if finding.verdict == "broken" and _is_clean_without(name, finding.seed):
                seen = finding.text.splitlines()[0][:SEEN_CHARACTERS_MAX]
                return Hunt(name, tried, finding.seed, seen, by_itself)
    return Hunt(name, tried, by_itself=by_itself)


def _is_clean_without(name: str, seed: int) -> bool:
    """Run a seed with the masks only, and with nothing changed at all."""
    mode = MUTANTS[name].mode
    return all(
        run_seed(seed, mode, 0, planted).verdict == "clean" for planted in (name + MASKS_ONLY, name + OPTIONS_ONLY)
    )


HEAD = """# Planted bugs, and the seed at which clients saw each

What `trilemma sim mutants` found: each bug is planted in turn, and schedules of the ordinary mix are run from seed 0 on
until a checker that sees only what clients saw, or digests, says `invalid`; the same seed is clean without the bug. In
italics: what was taken away besides, because a second defence stands behind the first; with that alone the seed is
clean too. Bugs of CAP ONCE (N4, X1, X3) are looked for with that workload alone, N4 also with little retained. What
the letters stand for is in [faults.md](faults.md), FAULTS §2; H9 to H17 are this simulator's own finds, H18 is a
review's.

"""


BY_TESTS_HEAD = """
## Found by tests

These showed to clients in schedules of earlier mixes only. Planted, each makes its test fail.

| bug | what is planted | mode | test |
|---|---|---|---|
"""

BY_TESTS = {
    "H10": "tests/node/test_causal_shard.py::"
    "test_rows_that_came_in_a_transfer_are_not_said_to_reflect_what_is_delivered_behind_them",
    "H11": "tests/node/test_transfer.py::test_a_receiver_that_comes_back_without_the_transfer_is_not_waited_for",
    "H14": "tests/node/test_route.py::test_a_read_among_writes_stays_with_them_at_an_executor_that_was_replaced",
    "H16": "tests/node/test_forwarding.py::test_a_repeat_is_answered_no_sooner_than_the_first_answer_may_leave",
    "H17": "tests/node/test_route.py::"
    "test_of_a_batch_that_is_lost_reads_go_on_unless_they_could_show_what_was_sent_behind_them",
}
"""Per bug that no hunt on the newest mix has found, the test that does."""


def page(hunts: Iterable[Hunt]) -> str:
    """Return docs/mutants.md."""
    found = list(hunts)
    missing = BY_TESTS.keys() - {hunt.name for hunt in found if hunt.is_found}
    rows = [
        f"| {name} | {MUTANTS[name].story} | {MUTANTS[name].mode} | `{BY_TESTS[name]}` |" for name in sorted(missing)
    ]
    return HEAD + table(found) + BY_TESTS_HEAD + "\n".join(rows) + "\n"


def table(hunts: Iterable[Hunt]) -> str:
    """Return the report on many hunts as a Markdown table."""
    lines = ["| bug | what is planted | mode | seed | tried | what clients saw first |", "|---|---|---|---|---|---|"]
    for found in hunts:
        mutant = MUTANTS[found.name]
        masks = " ".join((mutant.masks.__doc__ or "").split()) if mutant.masks is not list else ""
        story = mutant.story + (f"<br>*{masks}*" if masks else "")
        seed = str(found.seed) if found.is_found else "**not found**"
        cells = (found.name, story, mutant.mode, seed, str(found.tried), found.seen.replace("|", "\\|"))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def known_hunts(path: Path) -> dict[str, Hunt]:
    """Return the hunts in a campaign's file, by mutant; a later line about a mutant replaces an earlier one."""
    if not path.exists():
        return {}
    return {entry["name"]: Hunt(**entry) for entry in map(json.loads, path.read_text().splitlines())}


def append_hunt(path: Path, found: Hunt) -> None:
    """Add a hunt to a campaign's file."""
    with path.open("a") as file:
        file.write(json.dumps(asdict(found)) + "\n")
