"""A cluster within this process: the scene that must always work, and nothing left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

import trilemma
from trilemma.client.local import LocalCluster

WAIT_S = 30.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with trilemma.local(nodes=3) as made:
        for name, mode in (("bank", "cp"), ("site", "ca"), ("shop", "ap")):
            made.create(name, mode)
        made.create("ledger", "cp", "WRITE", "all")
        yield made


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def succeeds(action: Callable[[], object]) -> bool:
    """Say whether a command is answered without an error."""
    try:
        action()
    except redis.RedisError:
        return False
    return True


def refused(action: Callable[[], object]) -> bool:
    """Say whether a command is answered CLUSTERDOWN."""
    try:
        action()
    except redis.exceptions.ClusterDownError:
        return True
    except redis.RedisError:
        return False
    return False


def test_every_node_serves_reads_and_writes_of_every_keyspace(cluster: LocalCluster) -> None:
    for number, node in enumerate(cluster.names):
        for name in ("bank", "site", "shop", "ledger"):
            assert cluster.client(node).set(f"{name}:k", number)
            assert cluster.client(node).get(f"{name}:k") == str(number)


def test_transactions_and_watch_work_through_a_follower(cluster: LocalCluster) -> None:
    client, other = cluster.client("n2"), cluster.client("n3")
    with client.pipeline() as pipeline:
        pipeline.watch("bank:balance")
        pipeline.multi()
        pipeline.set("bank:balance", 1)
        pipeline.incr("bank:balance")
        assert pipeline.execute() == [True, 2]
        pipeline.watch("bank:balance")
        other.set("bank:balance", 7)
        pipeline.multi()
        pipeline.incr("bank:balance")
        with pytest.raises(redis.WatchError):
            pipeline.execute()


def test_a_cut_is_answered_as_each_keyspace_promises_and_heals(cluster: LocalCluster) -> None:
    near, far = cluster.client("n1"), cluster.client("n3")
    for name in ("bank", "site", "shop", "ledger"):
        near.set(f"{name}:c", "before")
    cluster.cut("n3")
    try:
        until(lambda: refused(lambda: far.set("bank:c", "x")))
        until(lambda: refused(lambda: far.get("site:c")))
        until(lambda: refused(lambda: near.set("site:c", "x")) and refused(lambda: near.set("ledger:c", "x")))
        until(lambda: not refused(lambda: near.set("bank:c", "majority")))
        assert refused(lambda: far.get("bank:c"))
        assert near.get("site:c") == near.get("ledger:c") == "before"
        assert near.set("shop:c", "near")
        assert far.set("shop:d", "far")
        assert (far.get("shop:c"), near.get("shop:d")) == ("before", None)
        far.execute_command("READONLY")
        assert far.get("bank:c") in ("before", None), "current at some time"
        assert "stale: current at some time" in str(far.execute_command("CAP", "EXPLAIN", "GET", "bank:c"))
        far.execute_command("READWRITE")
    finally:
        cluster.heal()
    until(lambda: near.get("shop:d") == "far" and far.get("shop:c") == "near")
    until(lambda: not refused(lambda: far.set("site:c", "after")) and not refused(lambda: far.set("ledger:c", "after")))
    assert far.get("bank:c") == "majority"
    assert near.get("site:c") == "after"

    def agree() -> bool:
        digests = [cluster.client(node).execute_command("CAP", "DIGEST") for node in cluster.names]
        return all([row[3] for row in each] == [row[3] for row in digests[0]] for each in digests)

    until(agree)


def test_ten_thousand_divergent_writes_a_side_converge(cluster: LocalCluster) -> None:
    cluster.cut("n3")
    try:
        for node in ("n1", "n3"):
            client = cluster.client(node)
            for start in range(0, 10_000, 500):
                batch = client.pipeline(transaction=False)
                for number in range(start, start + 500):
                    batch.set(f"shop:w{number}", f"{node}-{number}")
                    batch.incr(f"shop:n{number % 50}")
                batch.execute()
    finally:
        cluster.heal()
    near, far = cluster.client("n1"), cluster.client("n3")
    until(lambda: near.get("shop:n7") == far.get("shop:n7") == "400")

    def digest(client: redis.Redis) -> object:
        return client.execute_command("CAP", "DIGEST", "shop")[0][3]

    until(lambda: digest(near) == digest(far))
    assert near.get("shop:w77") == far.get("shop:w77")


def test_a_killed_node_comes_back_with_all_that_was_acknowledged(cluster: LocalCluster) -> None:
    # A cluster that an earlier test has cut may still be changing its leader.
    until(lambda: succeeds(lambda: cluster.client("n2").set("bank:k", "kept")))
    cluster.client("n2").set("shop:k", "kept too")
    cluster.kill("n2")
    until(lambda: not refused(lambda: cluster.client("n1").get("bank:k")))
    cluster.restart("n2")
    cluster.wait_until_ready()
    client = cluster.client("n2")
    until(lambda: not refused(lambda: client.get("bank:k")))
    assert (client.get("bank:k"), client.get("shop:k")) == ("kept", "kept too")


def test_a_node_that_a_client_shuts_down_is_down_and_can_be_started_again(cluster: LocalCluster) -> None:
    """Once only its connections were closed, and it went on serving new ones without ever leading."""
    cluster.client("n1").set("bank:kept", "1")
    cluster.client("n2").shutdown()
    until(lambda: not succeeds(cluster.client("n2").ping))
    cluster.restart("n2")
    until(lambda: succeeds(lambda: cluster.client("n2").get("bank:kept")))
    assert cluster.client("n2").get("bank:kept") == "1"


def test_a_paused_node_is_taken_for_lost_and_catches_up(cluster: LocalCluster) -> None:
    cluster.pause("n2")
    try:
        until(lambda: refused(lambda: cluster.client("n1").set("ledger:k", 1)))
    finally:
        cluster.resume("n2")
    until(lambda: not refused(lambda: cluster.client("n1").set("ledger:k", 2)))


STARTS = """
import os, threading, trilemma

def counted():
    return threading.active_count(), len(os.listdir("/proc/self/fd"))

with trilemma.local(nodes=1):
    pass
before = counted()
for _ in range(5):
    with trilemma.local(nodes=3) as made:
        made.client("n1").set("a", 1)
after = counted()
assert after[0] == before[0] and after[1] <= before[1], (before, after)
"""


def test_many_starts_leave_no_thread_descriptor_or_directory(tmp_path: Path) -> None:
    # In a process of its own: other clusters open and close files as they like.
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", STARTS], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
