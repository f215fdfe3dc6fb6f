"""A disk that is nearly full: no writes, and everything else goes on."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

import trilemma
from trilemma.client.local import LocalCluster
from trilemma.runtime import room
from trilemma.runtime.room import DISK_RESERVE_BYTES, Room
from trilemma.runtime.server import Server

WAIT_S = 8.0


def test_writes_stop_below_the_reserve_and_go_on_well_above_it() -> None:
    free = 1_000
    judged = Room(1_000, lambda path: free)
    assert not judged.look(Path("/"))
    free = 999
    assert judged.look(Path("/"))
    assert not judged.is_enough
    free = 1_249
    assert not judged.look(Path("/"))
    free = 1_250
    assert judged.look(Path("/"))
    assert judged.is_enough


def test_what_is_free_is_asked_of_the_system(tmp_path: Path) -> None:
    assert 0 < room.free_bytes(tmp_path) <= os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize


class Disks:
    """What statvfs says of the nodes' disks."""

    def __init__(self) -> None:
        self.full: set[str] = set()

    def free_bytes(self, path: Path) -> int:
        return DISK_RESERVE_BYTES // 2 if path.name in self.full else 100 * DISK_RESERVE_BYTES


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Disks:
    made = Disks()
    monkeypatch.setitem(Server.__init__.__kwdefaults__, "free_bytes", made.free_bytes)
    return made


@pytest.fixture
def cluster(disks: Disks) -> Iterator[LocalCluster]:
    with trilemma.local(nodes=3) as made:
        client = made.client("n1")
        for name, words in (("bank", ("cp",)), ("ledger", ("cp", "WRITE", "all")), ("shop", ("ap",))):
            client.execute_command("KEYSPACE", "CREATE", name, "MODE", *words)
        yield made


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def said(action: Callable[[], object]) -> str:
    try:
        action()
    except redis.ResponseError as problem:
        return str(problem)
    return "OK"


def test_a_full_disk_refuses_writes_with_a_word_and_everything_else_goes_on(
    cluster: LocalCluster, disks: Disks
) -> None:
    clients = {name: cluster.client(name) for name in cluster.names}
    until(lambda: said(lambda: clients["n1"].execute_command("KEYSPACE", "LEAD", "bank", "n1")) == "OK")
    for name in ("bank", "ledger", "shop"):
        clients["n1"].set(f"{name}:k", "before")

    disks.full.add("n1")
    until(lambda: "disk full on n1" in said(lambda: clients["n1"].set("shop:probe", "x")))
    assert said(lambda: clients["n1"].incr("shop:count")).startswith("keyspace 'shop' (ap): disk full on n1")
    assert clients["n1"].get("shop:k") == "before"
    assert clients["n1"].info("server")["redis_version"] == "7.0.15"
    # Others lead now, and need only each other's disks.
    for name, client in clients.items():
        until(lambda client=client: said(lambda: client.set("bank:k", "after")) == "OK")  # type: ignore[misc]
        assert client.get("bank:k") == "after", name
        until(lambda client=client: "disk full on n1" in said(lambda: client.set("ledger:probe", "x")))  # type: ignore[misc]
        assert client.get("ledger:k") == "before"
    assert said(lambda: clients["n2"].set("shop:k2", "taken")) == "OK"
    assert "disk full on n1" in said(lambda: clients["n2"].execute_command("KEYSPACE", "CREATE", "more", "MODE", "cp"))

    disks.full.clear()
    for name in ("bank", "ledger", "shop"):
        until(lambda name=name: said(lambda: clients["n1"].set(f"{name}:k", "again")) == "OK")  # type: ignore[misc]

    def digests() -> int:
        found = {}
        for client in clients.values():
            for keyspace, _, _, digest in client.execute_command("CAP", "DIGEST"):
                found.setdefault(keyspace, set()).add(digest)
        return max(len(each) for each in found.values())

    until(lambda: digests() == 1)
    assert clients["n1"].get("shop:k2") == "taken"
