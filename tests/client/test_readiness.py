"""Who waits for a cluster is told at once what will not come, and of a majority that serves that it does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from trilemma.base.sentence_field import escaped
from trilemma.client import control, readiness
from trilemma.client.layout import lay_out, places
from trilemma.client.readiness import NotReadyError, wait_until_own_serve

LONG_S = 100_000.0
"""Longer than a test may take: what waits this long fails it."""

DISK = "it comes with another disk, a copy"
REFUSED = {"state": "refused", "why": escaped(DISK)}
REFUSES = {"state": "refuses", "why": escaped(DISK)}
UP = {"state": "connected", "why": ""}
AWAY = {"state": "unreachable", "why": "it does not answer"}
HALF = {"state": "one_way", "why": "it does not connect to this node"}

ENDED = "down (exit 2)"
OWN = "trilemma: the log is lost; put it back"


class Told:
    """What a supervisor says of its nodes' processes, and the nodes of themselves: a node of `peers` does not serve."""

    def __init__(self, directory: Path, size: int) -> None:
        self.directory = directory
        self.said = {f"n{number}": "" for number in range(1, size + 1)}
        self.ended: set[str] = set()
        self.peers: dict[str, dict[str, dict[str, str]]] = {}
        self.rounds: list[str] = []
        self.stops_after = 1_000

    def answer_of(self, directory: Path, action: str) -> dict[str, Any]:
        assert (directory, action) == (self.directory, "status")
        self.rounds.append(action)
        nodes = [
            {"name": name, "pid": None if name in self.ended else 1, "state": ENDED, "said": said}
            for name, said in self.said.items()
        ]
        return {"stopping": len(self.rounds) > self.stops_after, "nodes": nodes}

    @contextmanager
    def own_client(self, _directory: Path, name: str, address: str, **_: object) -> Iterator["Client"]:
        if name in self.ended:
            raise redis.ConnectionError(f"Error 111 connecting to {address}. Connection refused.")
        yield Client(self.peers.get(name))


class Client:
    """A client of one node."""

    def __init__(self, peers: dict[str, dict[str, str]] | None) -> None:
        self._peers = peers

    def exists(self, _key: str) -> int:
        if self._peers is not None:
            raise redis.exceptions.ClusterDownError("n2 reaches 1 of 3 replicas")
        return 0

    def info(self, section: str) -> dict[str, dict[str, str]]:
        assert section == "peers"
        return self._peers or {}


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def tell(size: int) -> Told:
        lay_out(tmp_path, places(size, 7001), "cp", lab=False, segment_bytes=1 << 20)
        made = Told(tmp_path, size)
        monkeypatch.setattr(control, "answer_of", made.answer_of)
        monkeypatch.setattr(readiness, "own_client", made.own_client)
        return made

    return tell


def test_where_all_serve_nothing_lacks(told: Any) -> None:
    assert wait_until_own_serve(told(3).directory, LONG_S) == {}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (OWN, "n2 refuses to start: the log is lost; put it back; `trilemma lab start n2 --dir"),
        ("Killed", "n2 has ended (down (exit 2)); the last that it logged: Killed; `trilemma lab start n2 --dir"),
        ("", "n2 has ended (down (exit 2)); it logged nothing; `trilemma lab start n2 --dir"),
    ],
)
def test_a_node_that_has_ended_is_not_waited_for_where_a_majority_serves(told: Any, said: str, why: str) -> None:
    cluster = told(3)
    cluster.ended.add("n2")
    cluster.said["n2"] = said
    lacking = wait_until_own_serve(cluster.directory, LONG_S)
    assert list(lacking) == ["n2"]
    assert lacking["n2"].startswith(why)


def test_a_node_that_its_peers_refuse_is_not_waited_for_where_a_majority_serves(told: Any) -> None:
    cluster = told(3)
    cluster.peers["n2"] = {"n1": REFUSED, "n3": REFUSED}
    lacking = wait_until_own_serve(cluster.directory, LONG_S)
    assert lacking["n2"].startswith(f"n2 is not taken in by n1, n3: {DISK}; end it (`trilemma lab kill n2 --dir")


@pytest.mark.parametrize("peers", [{"n1": REFUSED, "n3": UP}, {"n1": AWAY, "n3": AWAY}, {"n1": REFUSED, "n3": AWAY}])
def test_a_node_that_may_still_find_a_majority_is_waited_for(told: Any, peers: dict[str, dict[str, str]]) -> None:
    cluster = told(3)
    cluster.peers["n2"] = peers
    cluster.stops_after = 3
    with pytest.raises(NotReadyError, match="was stopped before it served"):
        wait_until_own_serve(cluster.directory, LONG_S)


def test_without_a_majority_it_is_over_at_once(told: Any) -> None:
    cluster = told(3)
    cluster.ended |= {"n2", "n3"}
    cluster.said["n2"] = OWN
    why = (
        "n2 refuses to start: the log is lost; put it back; n3 cannot serve either; 1 of 3 nodes can, and 2 are needed"
    )
    with pytest.raises(NotReadyError) as refused:
        wait_until_own_serve(cluster.directory, LONG_S)
    assert str(refused.value) == why


def test_of_two_nodes_the_one_that_lost_its_disk_is_blamed(told: Any) -> None:
    cluster = told(2)
    cluster.peers |= {"n1": {"n2": REFUSES}, "n2": {"n1": REFUSED}}
    with pytest.raises(NotReadyError, match=f"n1 does not take in n2: {DISK}; n2 cannot serve eith"):
        wait_until_own_serve(cluster.directory, LONG_S)


def test_when_time_is_up_a_majority_is_left_and_what_is_late_is_named(told: Any) -> None:
    cluster = told(3)
    cluster.peers["n3"] = {"n1": HALF, "n2": HALF}
    lacking = wait_until_own_serve(cluster.directory, 0)
    assert lacking == {
        "n3": "n3 does not serve after 0 s: n2 reaches 1 of 3 replicas; of n1, n2: it does not connect to this node; "
        "it has logged nothing yet; it may still come"
    }
    cluster.peers["n2"] = {"n1": AWAY, "n3": AWAY}
    with pytest.raises(NotReadyError, match=r"n2 does not serve after 0 s: .*`up --wait SECONDS` gives nodes longer"):
        wait_until_own_serve(cluster.directory, 0)
