"""Changes of the catalogue that several nodes send at the same moment: none undoes what another one was told of.

No two keyspaces ever have one id, for their rows and logs are kept by it.
"""

from typing import Any

import pytest

from stage import Stage


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.lead(1)
    return stage


def described(stage: Stage, name: str) -> dict[bytes, Any]:
    reply = stage.ask(1, "KEYSPACE", "INFO", name).reply
    assert isinstance(reply, tuple), reply
    return dict(zip(reply[::2], reply[1::2], strict=True))


def ids(stage: Stage, *names: str) -> list[int]:
    return [described(stage, name)[b"id"] for name in names]


def create_from_an_old_catalogue(stage: Stage, name: str, mode: str) -> Any:
    """Send CREATE at n2; the forward to n1 is lost once, and only what is sent again arrives."""
    asked = stage.begin(2, "KEYSPACE", "CREATE", name, "MODE", mode)
    stage.cut_way(2, 1)
    stage.run(1_500)
    stage.cluster.network.cut.clear()
    return asked


def test_a_create_that_comes_late_does_not_get_the_id_of_the_one_that_overtook_it(stage: Stage) -> None:
    late = create_from_an_old_catalogue(stage, "bbb", "ap")
    assert stage.ask(1, "KEYSPACE", "CREATE", "aaa", "MODE", "cp").reply == b"OK"
    assert stage.wait(late).reply == b"OK"
    one, other = ids(stage, "aaa", "bbb")
    assert one != other


@pytest.mark.parametrize("gap_us", [4_000, 4_250, 4_500])
def test_creates_at_two_nodes_at_nearly_the_same_moment_get_ids_of_their_own(stage: Stage, gap_us: int) -> None:
    one = stage.begin(1, "KEYSPACE", "CREATE", "aaa", "MODE", "cp")
    stage.run(gap_us)
    other = stage.begin(2, "KEYSPACE", "CREATE", "bbb", "MODE", "ap")
    made = [name for name, asked in (("aaa", one), ("bbb", other)) if stage.wait(asked).reply == b"OK"]
    assert made
    assert len(set(ids(stage, *made))) == len(made)


def test_what_was_acknowledged_in_both_is_there_after_all_nodes_have_started_again(stage: Stage) -> None:
    late = create_from_an_old_catalogue(stage, "bbb", "ap")
    assert stage.ask(1, "KEYSPACE", "CREATE", "aaa", "MODE", "cp").reply == b"OK"
    assert stage.wait(late).reply == b"OK"
    for name in ("aaa", "bbb"):
        assert stage.ask(1, "SET", f"{name}:x", name).reply == b"OK"
    for node in (1, 2, 3):
        stage.crash(node)
    stage.heal()
    stage.until_ok(1, "GET", "aaa:x")
    for name in ("aaa", "bbb"):
        assert stage.ask(1, "GET", f"{name}:x").reply == name.encode()


def test_a_create_that_comes_late_does_not_get_the_id_of_a_keyspace_that_is_gone_again(stage: Stage) -> None:
    late = create_from_an_old_catalogue(stage, "bbb", "cp")
    assert stage.ask(1, "KEYSPACE", "CREATE", "aaa", "MODE", "cp").reply == b"OK"
    used = ids(stage, "aaa")
    assert stage.ask(1, "SET", "aaa:x", "old").reply == b"OK"
    dropped = stage.ask(1, "KEYSPACE", "DROP", "aaa").reply
    assert stage.wait(late).reply == b"OK"
    assert dropped == b"OK" or stage.ask(1, "KEYSPACE", "DROP", "aaa").reply == b"OK"
    assert ids(stage, "bbb") != used
    assert stage.ask(1, "DBSIZE").reply == 0


def test_ids_are_not_used_again_after_a_drop_and_a_start_of_all_nodes(stage: Stage) -> None:
    used: list[int] = []
    for _ in range(3):
        stage.until_ok(1, "KEYSPACE", "CREATE", "aaa", "MODE", "cp")
        used += ids(stage, "aaa")
        assert stage.ask(1, "KEYSPACE", "DROP", "aaa").reply == b"OK"
        for node in (1, 2, 3):
            stage.crash(node)
        stage.heal()
    assert len(set(used)) == len(used)


def test_what_two_alters_at_the_same_moment_were_told_holds_of_both(stage: Stage) -> None:
    one = stage.begin(1, "KEYSPACE", "ALTER", "bank", "WRITE", "all")
    other = stage.begin(2, "KEYSPACE", "ALTER", "bank", "TIMEOUT", "500")
    assert (stage.wait(one).reply, stage.wait(other).reply) == (b"OK", b"OK")
    bank = described(stage, "bank")
    assert (bank[b"write"], bank[b"timeout-ms"]) == (b"all", 500)
