"""Who is told that a change of the catalogue was refused finds nothing changed: no node refuses the prefix any more."""

import pytest

from stage import PATIENCE_US, Stage
from trilemma.keyspace.settings import TIMEOUT_MS_DEFAULT

NODES = (1, 2, 3)
ON_THE_WAY_US = 10_000
"""What a request and its reply take beside the time for which the node waits."""


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.lead(2)
    return stage


def written_everywhere(stage: Stage, key: str) -> list[object]:
    """Write a key at every node at the same moment; return the replies."""
    asked = [stage.begin(node, "SET", key, "y") for node in NODES]
    return [stage.wait(each).reply for each in asked]


@pytest.mark.parametrize("node", NODES)
def test_behind_a_refused_create_its_prefix_is_written_at_every_node(stage: Stage, node: int) -> None:
    assert stage.ask(node, "SET", "foo:1", "x").reply == b"OK"
    refused = stage.ask(node, "KEYSPACE", "CREATE", "foo", "MODE", "ap").reply
    assert str(refused).endswith("they would vanish from sight; nothing was changed")
    assert written_everywhere(stage, "foo:1") == [b"OK"] * 3


def test_behind_a_create_that_another_one_overtook_its_keyspace_is_written_at_every_node(stage: Stage) -> None:
    late = stage.begin(1, "KEYSPACE", "CREATE", "aaa", "MODE", "cp")
    stage.cut_way(1, 2)
    stage.run(1_500)
    stage.cluster.network.cut.clear()
    assert stage.ask(2, "KEYSPACE", "CREATE", "aaa", "MODE", "cp").reply == b"OK"
    stage.until_ok(2, "SET", "aaa:1", "x")
    refused = stage.wait(late).reply
    assert str(refused).startswith("ERR keyspace 'aaa': another change is in the making, or the name is taken")
    assert str(refused).endswith("nothing was changed")
    assert written_everywhere(stage, "aaa:1") == [b"OK"] * 3


def test_a_refusal_whose_end_a_lost_node_cannot_apply_comes_in_time_and_says_what_may_stand(stage: Stage) -> None:
    assert stage.ask(1, "SET", "foo:1", "x").reply == b"OK"
    asked = stage.begin(1, "KEYSPACE", "CREATE", "foo", "MODE", "cp")
    made = stage.cluster.processes[1].node
    assert made is not None
    stage.scheduler.run_until(stage.now_us + PATIENCE_US, lambda: made.catalogue.prepared is not None)
    stage.crash(3)
    refused = stage.wait(asked)
    assert str(refused.reply).endswith("changed, but keys that begin with 'foo:' may be refused for a while yet")
    assert refused.took_us <= TIMEOUT_MS_DEFAULT * 1_000 + ON_THE_WAY_US
    stage.until_ok(1, "SET", "foo:1", "y")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("foo:1", "changed, but keys that begin with 'foo:' may be refused for a while yet"),
        ("bar:1", "not every node has taken the change into use yet"),
    ],
)
@pytest.mark.parametrize("since_us", [0, 14_000, 28_000, 42_000])
def test_a_change_that_a_node_is_not_heard_to_apply_is_answered_at_its_deadline_wherever_the_ticks_are(
    stage: Stage, key: str, said: str, since_us: int
) -> None:
    """Nothing else needs a turn just then: it came with the next heartbeat, up to one interval later."""
    assert stage.ask(1, "SET", key, "x").reply == b"OK"
    stage.run(since_us)
    asked = stage.begin(1, "KEYSPACE", "CREATE", "foo", "MODE", "cp")
    made = stage.cluster.processes[1].node
    assert made is not None
    stage.scheduler.run_until(stage.now_us + PATIENCE_US, lambda: made.catalogue.prepared is not None)
    stage.cut_way(3, 1)
    answer = stage.wait(asked)
    assert said in str(answer.reply)
    assert answer.took_us <= TIMEOUT_MS_DEFAULT * 1_000 + ON_THE_WAY_US
