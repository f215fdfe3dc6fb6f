"""`ap` at a node without a replica: tokens are made of, and waited for at, whichever replicas execute for a session.

`one` lives on n1 and n2; the sessions are at n3. The nearest replica, n1, executes as long as it is reached.
"""

from typing import Any

import pytest

from connection import Connection
from stage import Stage
from trilemma.node.token import decode_token, encode_token

SETTLED_US = 1_000_000


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    assert stage.ask(1, "KEYSPACE", "CREATE", "one", "MODE", "ap", "REPLICAS", "2").reply == b"OK"
    stage.run(SETTLED_US)
    return stage


def cut(stage: Stage, *pairs: tuple[int, int]) -> None:
    """Have just these links cut, and all nodes know it."""
    stage.cluster.network.cut.clear()
    stage.cut(*pairs)
    stage.run(SETTLED_US)


def token(session: Connection) -> str:
    reply = session.ask("CAP", "TOKEN")
    assert isinstance(reply, bytes), reply
    return reply.decode()


def write(stage: Stage, node: int, value: str) -> str:
    """Write `one:x` on a new connection to a node; return the token of that."""
    writer = Connection(stage, node)
    assert writer.ask("SET", "one:x", value) == b"OK"
    return token(writer)


def named_of_one(stage: Stage, word: str) -> dict[int, int]:
    return decode_token(word.encode())[stage._shard("one")]


# CAP WAIT


def test_who_has_waited_for_a_token_reads_its_writes_at_a_node_without_a_replica(stage: Stage) -> None:
    assert write(stage, 1, "old")
    cut(stage, (1, 2), (1, 3))
    named = write(stage, 2, "new")
    cut(stage, (1, 2), (2, 3))
    session = Connection(stage, 3)
    assert session.ask("GET", "one:x") == b"old"
    session.send(("CAP", "WAIT", named, "0"), ("GET", "one:x"))
    stage.run(SETTLED_US)
    assert session.replies == [b"old"]
    stage.cluster.network.cut.clear()
    stage.run(SETTLED_US)
    assert session.replies == [b"old", b"OK", b"new"]


def test_the_replica_that_holds_what_a_token_names_executes_though_another_one_is_nearer(stage: Stage) -> None:
    cut(stage, (1, 2))
    named = write(stage, 2, "mine")
    session, other = Connection(stage, 3), Connection(stage, 3)
    assert session.ask("CAP", "WAIT", named) == b"OK"
    assert session.ask("GET", "one:x") == b"mine"
    assert session.ask("SET", "one:y", "1") == b"OK"
    assert other.ask("GET", "one:x") is None
    assert stage.ask(2, "GET", "one:y").reply == b"1"


@pytest.mark.parametrize(
    ("command", "outcome"),
    [(("GET", "one:x"), "read"), (("SET", "one:x", "late"), "written"), (("KEYS", "one:*"), "read")],
    ids=["read", "write", "whole db"],
)
def test_what_follows_is_refused_where_that_replica_is_out_of_reach(
    stage: Stage, command: tuple[str, ...], outcome: str
) -> None:
    cut(stage, (1, 2))
    named = write(stage, 2, "mine")
    session = Connection(stage, 3)
    assert session.ask("CAP", "WAIT", named) == b"OK"
    cut(stage, (1, 2), (2, 3))
    began_us = stage.now_us
    assert session.ask(*command).endswith(
        "keyspace 'one' (ap): no path to n2, for whose replica CAP WAIT was answered: send it again; "
        f"nothing was {outcome}"
    )
    assert stage.now_us - began_us < 10_000
    assert session.ask("CAP", "WAIT", named, "100") == (
        "TRYAGAIN n1, which n3 asks because it has no replica, does not hold yet what is waited for: keyspace 'one' "
        "holds nothing, the tokens of this connection name 2:1"
    )
    cut(stage, (2, 3))
    assert session.ask("CAP", "WAIT", named) == b"OK"
    assert session.ask("GET", "one:x") == b"mine"


def test_a_read_that_is_out_when_that_replica_is_lost_is_refused_and_not_shown_by_another(stage: Stage) -> None:
    cut(stage, (1, 2))
    named = write(stage, 2, "mine")
    session = Connection(stage, 3)
    assert session.ask("CAP", "WAIT", named) == b"OK"
    stage.cut((2, 3))
    assert "no path to n2" in session.ask("GET", "one:x")


def test_reset_forgets_what_was_waited_for(stage: Stage) -> None:
    cut(stage, (1, 2))
    named = write(stage, 2, "mine")
    session = Connection(stage, 3)
    assert session.ask("CAP", "WAIT", named) == b"OK"
    cut(stage, (1, 2), (2, 3))
    assert session.ask("RESET") == b"RESET"
    assert session.ask("GET", "one:x") is None


def test_reset_behind_a_command_under_way_forgets_it_as_well(stage: Stage) -> None:
    session = Connection(stage, 3)
    assert session.ask("CAP", "WAIT", write(stage, 1, "v")) == b"OK"
    session.send(("GET", "one:x"), ("RESET",))
    stage.run(SETTLED_US)
    assert session.replies[1:] == [b"v", b"RESET"]
    cut(stage, (1, 2), (1, 3))
    assert session.ask("GET", "one:x") == b"v"


def test_a_later_token_does_not_put_what_an_earlier_one_named_out_of_sight(stage: Stage) -> None:
    cut(stage, (1, 2))
    first, second = write(stage, 2, "first"), write(stage, 1, "second")
    session = Connection(stage, 3)
    assert session.ask("CAP", "WAIT", first) == b"OK"
    refused = session.ask("CAP", "WAIT", second, "100")
    assert refused.startswith("TRYAGAIN")
    assert "name 1:1 2:1" in refused
    cut(stage)
    assert session.ask("CAP", "WAIT", second) == b"OK"


def test_a_wait_where_no_replica_is_reached_says_so_when_its_time_is_up(stage: Stage) -> None:
    named = write(stage, 1, "mine")
    cut(stage, (1, 3), (2, 3))
    answer = stage.ask(3, "CAP", "WAIT", named, "50")
    assert answer.reply == (
        "TRYAGAIN n3 has no replica of keyspace 'one' and does not know whether one holds what the token names: it "
        "reaches none"
    )
    assert answer.took_us >= 50_000


def test_a_node_that_waits_for_what_is_elsewhere_rests_meanwhile(stage: Stage) -> None:
    named = write(stage, 1, "mine")
    cut(stage, (1, 3), (2, 3))
    waits = stage.begin(3, "CAP", "WAIT", named, "0")
    stage.run(SETTLED_US)
    before = stage.cluster.processes[3].turns
    stage.run(SETTLED_US)
    assert waits.answer is None
    assert stage.cluster.processes[3].turns - before < 300


def test_nobody_is_asked_for_a_keyspace_of_which_a_token_names_nothing(stage: Stage) -> None:
    named = token(Connection(stage, 1))
    cut(stage, (1, 3), (2, 3))
    assert stage.ask(3, "CAP", "WAIT", named, "0").reply == b"OK"


@pytest.mark.parametrize("name", ["_system", "bank", "site"])
def test_what_names_a_keyspace_that_is_not_ap_is_no_token(stage: Stage, name: str) -> None:
    named = encode_token({stage._shard(name): {1: 1}}).decode()
    assert stage.ask(3, "CAP", "WAIT", named, "0").reply == "ERR that is no token of CAP TOKEN"


# WAIT


def test_who_wants_no_replica_to_hold_a_write_is_told_what_is_known_and_never_waits_for_its_executor(
    stage: Stage,
) -> None:
    session = Connection(stage, 3)
    assert session.ask("SET", "one:x", "v") == b"OK"
    stage.run(SETTLED_US)
    assert session.ask("WAIT", "0", "0") in (0, 1)
    cut(stage, (1, 3), (2, 3))
    began_us = stage.now_us
    assert session.ask("WAIT", "0", "0") == 0
    assert stage.now_us - began_us < 10_000


# CAP TOKEN


def test_a_token_names_what_two_executors_have_shown(stage: Stage) -> None:
    session = Connection(stage, 3)
    cut(stage, (1, 2))
    assert session.ask("SET", "one:x", "at n1") == b"OK"
    cut(stage, (1, 2), (1, 3))
    assert session.ask("SET", "one:y", "at n2") == b"OK"
    cut(stage, (1, 2))
    named = token(session)
    for node in (1, 2):
        assert stage.ask(node, "CAP", "WAIT", named, "50").reply.startswith("TRYAGAIN")
    cut(stage)
    assert stage.ask(1, "CAP", "WAIT", named).reply == b"OK"
    assert stage.ask(1, "GET", "one:y").reply == b"at n2"


def test_a_token_is_refused_while_an_executor_that_has_shown_more_than_the_last_token_is_out_of_reach(
    stage: Stage,
) -> None:
    session = Connection(stage, 3)
    assert session.ask("SET", "one:x", "mine") == b"OK"
    stage.crash(1)
    stage.run(SETTLED_US)
    assert session.ask("CAP", "TOKEN") == (
        "CLUSTERDOWN keyspace 'one' (ap): n3 has no path to n1, which alone knows what it has shown to this connection "
        "since its last token; ask again later, or send RESET, which forgets what was seen"
    )
    stage.heal()
    stage.run(SETTLED_US)
    assert named_of_one(stage, token(session)) == {1: 1}


def test_a_token_needs_no_executor_that_has_shown_nothing_since_the_last_one(stage: Stage) -> None:
    session = Connection(stage, 3)
    cut(stage, (1, 2))
    assert session.ask("SET", "one:x", "mine") == b"OK"
    first = token(session)
    cut(stage, (1, 2), (1, 3))
    assert token(session) == first
    assert session.ask("SET", "one:y", "too") == b"OK"
    both = token(session)
    assert session.ask("RESET") == b"RESET"
    cut(stage)
    for node in (1, 2):
        assert stage.ask(node, "CAP", "WAIT", both).reply == b"OK"
        assert [stage.ask(node, "GET", key).reply for key in ("one:x", "one:y")] == [b"mine", b"too"]


def test_a_token_names_what_the_connection_has_waited_for_and_not_read(stage: Stage) -> None:
    named = write(stage, 1, "mine")
    session = Connection(stage, 3)
    assert session.ask("CAP", "WAIT", named) == b"OK"
    assert named_of_one(stage, token(session)) == {1: 1}


# WAIT


def held(session: Connection, count: int = 1, wait_ms: int = 100) -> Any:
    return session.ask("WAIT", str(count), str(wait_ms))


def test_wait_asks_the_node_that_has_executed_the_write_and_not_the_one_that_would_now(stage: Stage) -> None:
    session = Connection(stage, 3)
    assert stage.ask(2, "SET", "one:z", "0").reply == b"OK"
    stage.run(SETTLED_US)
    cut(stage, (1, 2), (2, 3))
    assert session.ask("SET", "one:x", "mine") == b"OK"
    assert held(session) == 0
    cut(stage, (1, 2), (1, 3))
    assert held(session) == 0
    cut(stage)
    assert held(session) == 1


def test_wait_afar_waits_until_enough_replicas_hold_the_write(stage: Stage) -> None:
    session = Connection(stage, 3)
    cut(stage, (1, 2))
    session.send(("SET", "one:x", "mine"), ("WAIT", "1", "0"))
    stage.run(SETTLED_US)
    assert session.replies == [b"OK"]
    stage.cluster.network.cut.clear()
    stage.run(SETTLED_US)
    assert session.replies == [b"OK", 1]


def test_wait_counts_nothing_where_the_write_was_refused(stage: Stage) -> None:
    session = Connection(stage, 3)
    cut(stage, (1, 3), (2, 3))
    assert session.ask("SET", "one:x", "mine").startswith("CLUSTERDOWN")
    assert held(session) == 0
