"""Schedules that once found something, each with its story: they must stay clean. ARCHITECTURE §5 tells more."""

import pytest

from trilemma.sim.campaign import run_seed

FOUND = {
    602123: "rows that came in a transfer were said to reflect a batch that was delivered behind them; handed on "
    "before it was applied, they lost it on a third node, where it had been acknowledged",
    601516: "a receiver gave up a transfer because it had let go what the rows lacked, and did not tell; its donor, "
    "the only node that held everything, began no other for three seconds",
}


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_stays_mended(seed: int) -> None:
    finding = run_seed(seed, "all", 0)
    assert finding.verdict == "clean", f"{FOUND[seed]}\n{finding.text}"
