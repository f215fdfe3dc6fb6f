"""`ap` as its clients see it: tokens, what a cut has hidden, READ and WRITE of more than one replica."""

import time
from collections.abc import Callable, Iterator

import pytest
import redis

import trilemma
from trilemma.client.local import LocalCluster

WAIT_S = 8.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with trilemma.local(nodes=3) as made:
        made.create("shop", "ap")
        made.create("orders", "ap", "WRITE", "2", "READ", "2")
        yield made


@pytest.fixture
def cut(cluster: LocalCluster) -> Iterator[Callable[[], None]]:
    """Cut n3 off; it is healed at the end, at the latest."""

    def apart() -> None:
        cluster.cut("n3")
        until(lambda: refused(lambda: cluster.client("n3").get("orders:any")))

    yield apart
    cluster.heal()
    until(lambda: not refused(lambda: cluster.client("n3").get("orders:any")))


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def refused(action: Callable[[], object]) -> bool:
    """Say whether a command is answered CLUSTERDOWN."""
    try:
        action()
    except redis.exceptions.ClusterDownError:
        return True
    return False


def test_a_session_that_waits_for_its_token_reads_its_own_writes_at_another_node(cluster: LocalCluster) -> None:
    here, there = cluster.client("n1"), cluster.client("n2")
    for number in range(20):
        here.set("shop:own", number)
        there.execute_command("CAP", "WAIT", here.execute_command("CAP", "TOKEN"))
        assert there.get("shop:own") == str(number)


def test_a_token_from_the_other_side_of_a_cut_is_waited_for_in_vain(
    cluster: LocalCluster, cut: Callable[[], None]
) -> None:
    cut()
    here, there = cluster.client("n1"), cluster.client("n3")
    here.set("shop:far", "1")
    token = here.execute_command("CAP", "TOKEN")
    with pytest.raises(redis.ResponseError, match="n3 does not hold yet what the token names: keyspace 'shop'"):
        there.execute_command("CAP", "WAIT", token, "100")
    assert there.get("shop:far") is None
    cluster.heal()
    assert there.execute_command("CAP", "WAIT", token) == "OK"
    assert there.get("shop:far") == "1"


@pytest.mark.parametrize("word", [b"", b"t1.", b"t1.!!!!", b"t2.gA==", b"t1.gQE=", b"\x00" * 100])
def test_what_is_no_token_is_refused(cluster: LocalCluster, word: bytes) -> None:
    with pytest.raises(redis.ResponseError, match="no token"):
        cluster.client("n1").execute_command("CAP", "WAIT", word)


def test_what_a_cut_has_hidden_is_told_until_a_write_that_saw_it(
    cluster: LocalCluster, cut: Callable[[], None]
) -> None:
    left, right = cluster.client("n1"), cluster.client("n3")
    cut()
    left.set("shop:both", "left")
    right.set("shop:both", "right")
    token = right.execute_command("CAP", "TOKEN")
    cluster.heal()
    left.execute_command("CAP", "WAIT", token)
    rows = left.execute_command("CAP", "CONFLICTS", "shop")
    [(db, _, shown, hidden)] = [row for row in rows if row[1] == "shop:both"]
    assert db == 0
    assert [shown[0], *(one[0] for one in hidden)] == ["right", "left"]
    assert (shown[1], hidden[0][1]) == ("n3", "n1")
    assert left.get("shop:both") == "right"
    left.set("shop:both", "settled")
    assert all(row[1] != "shop:both" for row in left.execute_command("CAP", "CONFLICTS", "shop"))


def test_conflicts_are_told_of_ap_alone(cluster: LocalCluster) -> None:
    client = cluster.client("n1")
    with pytest.raises(redis.ResponseError, match="keyspace 'default' is cp"):
        client.execute_command("CAP", "CONFLICTS", "default")
    with pytest.raises(redis.ResponseError, match="no keyspace 'none'"):
        client.execute_command("CAP", "CONFLICTS", "none")
    with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
        client.execute_command("CAP", "CONFLICTS")


def test_a_read_of_two_sees_a_write_of_two_from_anywhere(cluster: LocalCluster) -> None:
    nodes = [cluster.client(name) for name in ("n1", "n2", "n3")]
    for number in range(30):
        nodes[number % 3].set("orders:seen", number)
        assert nodes[(number + 1) % 3].get("orders:seen") == str(number)


def test_reads_and_writes_of_two_are_refused_where_two_cannot_be_reached(
    cluster: LocalCluster, cut: Callable[[], None]
) -> None:
    cut()
    alone = cluster.client("n3")
    with pytest.raises(redis.exceptions.ClusterDownError, match="n3 reaches 1 of 3 replicas, needs 2"):
        alone.get("orders:k")
    with pytest.raises(redis.exceptions.ClusterDownError, match="n3 reaches 1 of 3 replicas, needs 2"):
        alone.set("orders:k", "v")
    assert cluster.client("n1").set("orders:k", "w")
    assert cluster.client("n2").get("orders:k") == "w"


def test_pipelined_reads_of_two_keep_their_place(cluster: LocalCluster) -> None:
    pipe = cluster.client("n1").pipeline(transaction=False)
    pipe.set("orders:p", "a").get("orders:p").set("orders:p", "b").get("orders:p").delete("orders:p").get("orders:p")
    assert pipe.execute() == [True, "a", True, "b", 1, None]
    pipe = cluster.client("n2").pipeline(transaction=True)
    pipe.set("orders:q", "a").get("orders:q")
    assert pipe.execute() == [True, "a"]


def test_what_has_expired_is_removed_on_every_replica(cluster: LocalCluster) -> None:
    clients = [cluster.client(name) for name in ("n1", "n2", "n3")]
    clients[1].set("shop:lasting", "v")
    token = clients[1].execute_command("CAP", "TOKEN")
    for client in clients:
        client.execute_command("CAP", "WAIT", token)
    before = clients[0].dbsize()
    clients[1].set("shop:short", "v", px=200)
    assert clients[1].dbsize() == before + 1
    until(lambda: all(client.dbsize() == before for client in clients))
    assert clients[2].get("shop:lasting") == "v"
