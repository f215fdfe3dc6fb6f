"""No clock step makes log time leap, also where another leader takes over from one that slewed back."""

from stage import Stage
from trilemma.base.time import US_PER_S

STEP_US = 3_600 * US_PER_S
WRONG_US = 100 * US_PER_S
"""How long the leader's wall clock is wrong: its log time is a tenth of that ahead then."""


def test_a_key_lives_on_when_a_follower_takes_over_from_a_leader_that_has_slewed_back() -> None:
    stage = Stage()
    stage.lead(1)
    clock = stage.cluster.processes[1].clock
    clock.step(STEP_US)
    stage.run(WRONG_US)
    clock.step(-STEP_US)
    stage.run(WRONG_US + 20 * US_PER_S)
    assert stage.ask(1, "SET", "bank:k", "v", "EX", "8").reply == b"OK"
    stage.lead(2)
    assert stage.ask(2, "GET", "bank:k").reply == b"v"
    assert stage.ask(3, "PTTL", "bank:k", readonly=True).reply > 5_000
