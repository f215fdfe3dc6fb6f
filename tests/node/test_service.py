"""What INFO, CLUSTER INFO and KEYSPACE LEAD say of a keyspace is what a client at that node gets."""

from typing import Any

import pytest

from stage import Stage
from trilemma.base.sentence_field import unescaped


@pytest.fixture
def stage() -> Stage:
    made = Stage()
    made.lead(1)
    assert made.ask(1, "KEYSPACE", "CREATE", "pair", "MODE", "ap", "WRITE", "2", "READ", "2").reply == b"OK"
    assert made.ask(1, "KEYSPACE", "CREATE", "asks", "MODE", "ap", "READ", "2").reply == b"OK"
    made.run(500_000)
    return made


def facts(stage: Stage, node: int) -> dict[str, dict[str, str]]:
    told: Any = stage.ask(node, "INFO", "keyspaces").reply
    lines = [line.partition(":") for line in told.decode().splitlines() if line and not line.startswith("#")]
    return {name: dict(fact.split("=", 1) for fact in rest.split(",")) for name, _, rest in lines}  # type: ignore[misc]


def states(stage: Stage, node: int) -> dict[str, str]:
    return {name: fact["state"] for name, fact in facts(stage, node).items()}


def cluster_state(stage: Stage, node: int) -> str:
    told: Any = stage.ask(node, "CLUSTER", "INFO").reply
    return dict(line.split(":") for line in told.decode().split())["cluster_state"]


def gets(stage: Stage, node: int, name: str) -> str:
    """Try a write and a read; return the word for what happens."""
    takes = stage.ask(node, "SET", f"{name}:k", "v").reply == b"OK"
    shows = not isinstance(stage.ask(node, "GET", f"{name}:k").reply, str)
    return {(True, True): "up", (False, True): "read_only", (True, False): "write_only"}.get((takes, shows), "down")


NAMES = ("bank", "ledger", "site", "shop", "pair", "asks", "default")


def test_with_all_nodes_every_keyspace_is_up(stage: Stage) -> None:
    for node in (1, 2, 3):
        assert set(states(stage, node).values()) == {"up"}
        assert cluster_state(stage, node) == "ok"


@pytest.mark.parametrize("away", [1, 3])
def test_the_states_under_a_cut_are_what_a_client_gets(stage: Stage, away: int) -> None:
    stage.cut_off(away)
    stage.run(3_000_000)
    for node in (1, 2, 3):
        said = states(stage, node)
        assert {name: said[name] for name in NAMES} == {name: gets(stage, node, name) for name in NAMES}
        assert cluster_state(stage, node) == ("fail" if node == away else "ok")
    assert states(stage, 2) == dict.fromkeys(said, "up") | {"ledger": "read_only", "site": "read_only"}
    assert states(stage, away) == dict.fromkeys(said, "down") | {"shop": "up", "asks": "write_only"}
    assert f"n{away} cannot be reached" in facts(stage, 2)["site"]["why"]
    assert unescaped(facts(stage, away)["bank"]["why"]) == f"n{away} reaches 1 of 3 replicas, needs 2"
    stage.heal()
    stage.run(3_000_000)
    for node in (1, 2, 3):
        assert set(states(stage, node).values()) == {"up"}


def test_a_keyspace_whose_leader_is_lost_is_down_until_another_is_elected(stage: Stage) -> None:
    stage.cut_off(1)
    stage.run(380_000)
    while states(stage, 2)["bank"] == "up":
        # Until the link counts as down; when another one is elected is a matter of chance.
        assert stage.leads(1, "bank")
        stage.run(5_000)
    assert "n1" in facts(stage, 2)["bank"]["why"]


def test_a_full_disk_makes_read_only_what_needs_it(stage: Stage) -> None:
    stage.cluster.processes[3].give(lambda made: made.disk_room(False))
    stage.run(500_000)
    said = states(stage, 2)
    assert (said["bank"], said["ledger"], said["site"], said["shop"]) == ("up", "read_only", "read_only", "up")


def test_nobody_leads_an_ap_keyspace(stage: Stage) -> None:
    told: Any = stage.ask(2, "KEYSPACE", "INFO", "shop").reply
    assert dict(zip(told[::2], told[1::2], strict=True))[b"leaders"] == ()
    told = stage.ask(2, "KEYSPACE", "INFO", "bank").reply
    assert dict(zip(told[::2], told[1::2], strict=True))[b"leaders"] == (b"n1",)


# KEYSPACE LEAD


@pytest.mark.parametrize("node", [1, 2])
def test_leadership_is_not_given_to_a_node_that_the_leader_does_not_reach(stage: Stage, node: int) -> None:
    stage.cut((1, 3))
    stage.run(1_000_000)
    answer = stage.ask(node, "KEYSPACE", "LEAD", "bank", "n3")
    assert answer.reply == "ERR n3 cannot take over keyspace 'bank': no link from the leader, n1, to it is up"
    assert stage.ask(node, "KEYSPACE", "LEAD", "bank", "n2").reply == b"OK"
    stage.run(1_000_000)
    assert stage.leads(2, "bank")


def test_a_second_hand_over_is_refused_because_of_the_first(stage: Stage) -> None:
    stage.cut((1, 3))
    assert stage.ask(1, "KEYSPACE", "LEAD", "bank", "n3").reply == b"OK"  # nobody knows of the cut yet
    answer = stage.ask(1, "KEYSPACE", "LEAD", "bank", "n2")
    assert answer.reply == "ERR n2 cannot take over keyspace 'bank': a hand-over to n3 is under way"


def test_a_leader_is_given_what_it_leads(stage: Stage) -> None:
    assert stage.ask(2, "KEYSPACE", "LEAD", "bank", "n1").reply == b"OK"


def test_readonly_needs_no_service_on_cp_and_helps_nothing_on_ca(stage: Stage) -> None:
    assert stage.ask(1, "SET", "bank:k", "v").reply == stage.ask(1, "SET", "site:k", "v").reply == b"OK"
    stage.run(1_000_000)
    stage.cut_off(3)
    stage.run(3_000_000)
    assert states(stage, 3)["bank"] == states(stage, 3)["site"] == "down"
    assert stage.ask(3, "GET", "bank:k", readonly=True).reply == b"v"
    assert stage.ask(3, "GET", "site:k", readonly=True).is_refusal


@pytest.mark.parametrize("words", ["CREATE x MODE ap", "ALTER bank TIMEOUT 500", "DROP bank"])
def test_a_change_that_cannot_be_made_says_so_of_the_list_and_names_no_keyspace_of_the_nodes_own(
    stage: Stage, words: str
) -> None:
    stage.cut_off(3)
    stage.run(3_000_000)
    refused = "CLUSTERDOWN the list of keyspaces cannot be changed now: "
    for node, why in (
        (1, "n3 cannot be reached from the leader, every member has to agree"),
        (3, "n3 reaches 1 of 3 replicas, needs 3"),
    ):
        assert stage.ask(node, "KEYSPACE", *words.split()).reply == f"{refused}{why}; nothing was written"


def test_a_change_in_doubt_says_so_of_the_list(stage: Stage) -> None:
    stage.lead(2)
    stage.crash(1)
    told: Any = stage.ask(2, "KEYSPACE", "ALTER", "bank", "TIMEOUT", "500").reply
    assert told.startswith("UNCERTAIN the list of keyspaces: ")
    assert told.endswith("; the change may still take effect")


def test_a_keyspace_that_was_given_up_before_it_began_never_comes(stage: Stage) -> None:
    stage.lead(2)
    stage.crash(1)
    told: Any = stage.ask(2, "KEYSPACE", "CREATE", "x", "MODE", "cp").reply
    assert told.startswith("ERR keyspace 'x': it took too long and was given up; nothing was changed, but keys that ")
    stage.heal()
    stage.run(5_000_000)
    assert b"x" not in stage.ask(2, "KEYSPACE", "LIST").reply
    assert stage.ask(2, "SET", "x:1", "a").reply == b"OK"
