"""CAP WAIT also waits for a keyspace that its node does not know yet, and not for one that is gone."""

import pytest

from stage import Stage


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.lead(1)
    return stage


def known_at(stage: Stage, node: int) -> set[str]:
    made = stage.cluster.processes[node].node
    assert made is not None
    return set(made._system.catalogue.keyspaces)


def token(stage: Stage, node: int) -> str:
    reply = stage.ask(node, "CAP", "TOKEN").reply
    assert isinstance(reply, bytes)
    return reply.decode()


def make_unknown_to_n2(stage: Stage) -> str:
    """Create `q` at n1 and cut n2 off before it hears of the activation; return the token of a write of it at n1."""
    stage.begin(1, "KEYSPACE", "CREATE", "q", "MODE", "ap")
    stage.scheduler.run_until(stage.now_us + 100_000, lambda: "q" in known_at(stage, 1))
    stage.cut_off(2)
    stage.run(60_000)
    assert "q" not in known_at(stage, 2)
    assert stage.ask(1, "SET", "q:x", "mine").reply == b"OK"
    return token(stage, 1)


def test_who_has_waited_for_a_token_reads_its_writes_of_a_new_keyspace_too(stage: Stage) -> None:
    waits = stage.begin(2, "CAP", "WAIT", make_unknown_to_n2(stage), "5000")
    stage.run(300_000)
    assert waits.answer is None
    stage.heal()
    assert stage.wait(waits).reply == b"OK"
    assert stage.ask(2, "GET", "q:x").reply == b"mine"


def test_a_wait_for_a_keyspace_that_stays_unknown_says_so(stage: Stage) -> None:
    answer = stage.ask(2, "CAP", "WAIT", make_unknown_to_n2(stage), "50")
    assert answer.reply.startswith("TRYAGAIN n2 does not know yet of a keyspace that the token names: id 6, of")
    assert answer.took_us >= 50_000


def test_nobody_waits_for_a_keyspace_that_was_dropped(stage: Stage) -> None:
    assert stage.ask(1, "KEYSPACE", "CREATE", "q", "MODE", "ap").reply == b"OK"
    assert stage.ask(1, "SET", "q:x", "mine").reply == b"OK"
    named = token(stage, 1)
    stage.cut_off(2)
    assert stage.ask(1, "SET", "q:x", "newer").reply == b"OK"
    newer = token(stage, 1)
    waits = stage.begin(2, "CAP", "WAIT", newer, "0")
    stage.run(50_000)
    assert waits.answer is None
    stage.heal()
    stage.run(500_000)
    assert stage.wait(waits).reply == b"OK"
    assert stage.ask(1, "KEYSPACE", "DROP", "q").reply == b"OK"
    for node in (1, 2, 3):
        assert stage.ask(node, "CAP", "WAIT", named, "0").reply == b"OK"


def test_a_node_without_a_replica_of_a_new_keyspace_asks_those_that_have_one_once_it_knows_of_it(stage: Stage) -> None:
    assert stage.ask(1, "KEYSPACE", "CREATE", "q", "MODE", "ap", "REPLICAS", "2").reply == b"OK"
    assert stage.ask(1, "SET", "q:x", "mine").reply == b"OK"
    assert stage.ask(3, "CAP", "WAIT", token(stage, 1)).reply == b"OK"
