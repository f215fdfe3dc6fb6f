"""`ap` at a node without a replica: another node executes, and knows what this one cannot."""

import pytest

from connection import Connection
from stage import Stage


@pytest.fixture
def stage() -> Stage:
    """The stage with a keyspace `pair` on n1 and n2 that wants both for a write, and `one` that wants one."""
    stage = Stage()
    for name, settings in (("pair", ("WRITE", "2")), ("one", ())):
        assert stage.ask(1, "KEYSPACE", "CREATE", name, "MODE", "ap", "REPLICAS", "2", *settings).reply == b"OK"
    stage.run(500_000)
    return stage


def test_a_write_that_too_few_replicas_can_take_is_refused_by_the_executor_before_it_is_made(stage: Stage) -> None:
    assert stage.ask(3, "SET", "pair:a", "0").reply == b"OK"
    stage.cut((1, 2))
    stage.run(2_000_000)
    answer = stage.ask(3, "SET", "pair:a", "1")
    assert answer.reply == (
        "CLUSTERDOWN keyspace 'pair' (ap): n1 reaches 1 of 2 replicas, needs 2; nothing was written"
    )
    assert answer.took_us < 10_000
    assert stage.ask(1, "GET", "pair:a").reply == b"0"
    assert stage.ask(3, "GET", "pair:a").reply == b"0"


@pytest.mark.parametrize("node", [1, 3], ids=["at the executor", "forwarded"])
def test_a_write_that_has_not_spread_in_time_is_answered_with_where_it_is(stage: Stage, node: int) -> None:
    stage.cut((1, 2))
    answer = stage.ask(node, "SET", "pair:a", "1")
    assert answer.is_uncertain
    assert "it is on 1 of 2 and will spread" in answer.reply
    assert answer.took_us < 2_000_000


def test_a_token_needs_no_keyspace_that_is_elsewhere_and_that_the_connection_has_not_used(stage: Stage) -> None:
    """A node that is cut off refused it for the sake of a keyspace that nobody there had asked for."""
    session = Connection(stage, 3)
    assert session.ask("SET", "shop:x", "mine") == b"OK"
    stage.cut_off(3)
    stage.run(1_000_000)
    assert session.ask("CAP", "TOKEN").startswith(b"t1.")
    assert session.ask("GET", "one:x").startswith("CLUSTERDOWN keyspace 'one'")
    assert session.ask("CAP", "TOKEN").startswith(b"t1.")
