"""A data directory that is an older copy of a node's own: its peers, who met the node later, do not take it back."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from redis.exceptions import ResponseError

import trilemma
from trilemma.client.local import LocalCluster
from trilemma.runtime import directory, known_disks
from trilemma.runtime.listening import Sockets, StartRefused
from trilemma.runtime.server import Server

TIMEOUT_S = 10.0
POLL_S = 0.01
BESIDE = "state=refused,why=another process runs on a copy of this disk: start 1 is connected now"


def awaited(condition: Callable[[], object]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(POLL_S)


def refusal(cluster: LocalCluster, node: str, peer: str) -> str:
    """Return why a peer refuses a node, once INFO shows that it does: it is told of it once a second."""
    found: list[str] = []

    def is_refused() -> bool:
        shown = cluster.client(node).info("peers").get(peer, {})
        found[:] = [shown["why"]] if shown.get("state") == "refused" else []
        return bool(found)

    awaited(is_refused)
    return found[0]


def serves(cluster: LocalCluster, *nodes: str) -> bool:
    try:
        return all(cluster.client(node).dbsize() >= 0 for node in nodes)
    except ResponseError:
        return False


def take_copy(cluster: LocalCluster, data: Path, copy: Path) -> None:
    """Copy the directory of n3 while it is down; the node is one start further then."""
    cluster.kill("n3")
    shutil.copytree(data, copy)
    cluster.restart("n3")
    cluster.wait_until_ready()


def put_back(copy: Path, data: Path) -> None:
    shutil.rmtree(data)
    shutil.copytree(copy, data)


def test_an_older_copy_is_refused_and_no_acknowledged_write_is_lost(tmp_path: Path) -> None:
    """Elected with it, the node that had missed the write took it from the only one that still held it."""
    data, copy = tmp_path / "n3", tmp_path / "copy"
    with trilemma.local(directory=tmp_path) as cluster:
        take_copy(cluster, data, copy)
        cluster.cut("n2")
        awaited(lambda: serves(cluster, "n1", "n3"))
        assert cluster.client("n1").set("k", "acknowledged")
        cluster.kill("n3")
        cluster.kill("n1")
        put_back(copy, data)
        cluster.restart("n3")
        cluster.heal()
        for _ in range(3):  # its starts count up, but the one that is known of it is in the past of none
            why = refusal(cluster, "n3", "n2")
            assert why.startswith("its data directory is an older copy: start 2 of it was known here with another run")
            cluster.kill("n3")
            cluster.restart("n3")
        cluster.restart("n1")
        awaited(lambda: serves(cluster, "n1", "n2"))
        assert cluster.client("n2").get("k") == "acknowledged"
        assert "older copy" in refusal(cluster, "n3", "n1")


def test_the_newest_directory_is_taken_back_after_an_older_copy_was_refused(tmp_path: Path) -> None:
    data, copy, newest = tmp_path / "n2", tmp_path / "copy", tmp_path / "newest"
    with trilemma.local(directory=tmp_path) as cluster:
        cluster.kill("n2")
        shutil.copytree(data, copy)
        cluster.restart("n2")
        cluster.wait_until_ready()
        cluster.kill("n2")
        shutil.copytree(data, newest)
        put_back(copy, data)
        cluster.restart("n2")
        assert "older copy" in refusal(cluster, "n2", "n1")
        assert "older copy" in refusal(cluster, "n2", "n3")
        cluster.kill("n2")
        put_back(newest, data)
        cluster.restart("n2")
        cluster.wait_until_ready()


def test_a_node_that_runs_is_not_expelled_by_a_short_start_of_a_copy_of_its_disk(tmp_path: Path) -> None:
    """Its peers remembered that later start, and refused it, which had the newest data, for good."""
    copy = tmp_path / "copy"
    with trilemma.local(directory=tmp_path) as cluster:
        shutil.copytree(tmp_path / "n3", copy)
        cluster.client("n3").set("k", "acknowledged after the copy")
        config = msgspec.structs.replace(cluster._configs["n3"], dir=str(copy))
        beside = Server(config, sockets=Sockets.free("127.0.0.1"))
        cluster._nodes._run(beside.start())
        try:
            awaited(lambda: all(BESIDE in state for state in beside.peers.states().values()))
        finally:
            cluster._nodes._run(beside.stop())
        states = cluster._nodes.servers["n3"].peers.states()
        assert states == {"n1": "state=connected,why=", "n2": "state=connected,why="}
        cluster.kill("n3")
        cluster.restart("n3")
        cluster.wait_until_ready()
        assert cluster.client("n3").get("k") == "acknowledged after the copy"


@pytest.mark.parametrize("stray", ["log/x.segment", "peers.json"])
def test_starts_that_fail_do_not_have_an_older_copy_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stray: str
) -> None:
    """As a service manager makes them: each counted as a run, and so many pushed out the one that peers knew."""
    runs_max = 4
    for module in (directory, known_disks):
        monkeypatch.setattr(module, "RUNS_MAX", runs_max)
    data, copy = tmp_path / "n3", tmp_path / "copy"
    with trilemma.local(directory=tmp_path) as cluster:
        take_copy(cluster, data, copy)
        cluster.kill("n3")
        put_back(copy, data)
        held = (data / stray).read_bytes() if (data / stray).exists() else None
        (data / stray).write_bytes(b"{")
        for _ in range(2 * runs_max):
            with pytest.raises(StartRefused):
                cluster.restart("n3")
        (data / stray).unlink()
        if held is not None:
            (data / stray).write_bytes(held)
        cluster.restart("n3")
        assert "older copy" in refusal(cluster, "n3", "n1")


@pytest.mark.parametrize("mode", ["cp", "ap"])
def test_copies_of_all_nodes_of_one_moment_are_taken_back_whatever_they_were_before(tmp_path: Path, mode: str) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    with trilemma.local(directory=data, default_mode=mode) as cluster:
        cluster.client("n1").set("k", "then")
    shutil.copytree(data, copy)
    for _ in range(2):
        with trilemma.local(directory=data, default_mode=mode) as cluster:
            cluster.client("n1").set("k", "later")
    put_back(copy, data)
    for _ in range(2):
        with trilemma.local(directory=data, default_mode=mode) as cluster:
            awaited(lambda: cluster.client("n2").get("k") == "then")
