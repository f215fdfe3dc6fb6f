"""How commands reach nodes: by name, by address, with a password; and what they say where that does not go."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shell import CANNOT, Said, run
from trilemma.client import control
from trilemma.client.processes import ProcessCluster

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def cluster() -> Iterator[ProcessCluster]:
    with ProcessCluster(nodes=2) as made:
        made.create("shop", "ap")
        yield made


@contextmanager
def password(cluster: ProcessCluster, name: str) -> Iterator[None]:
    """Have a node ask for one for a moment."""
    with cluster.client(name) as client:
        client.config_set("requirepass", "secret")
        yield
        client.config_set("requirepass", "")


def refused(said: Said, sentence: str) -> None:
    assert (said.status, said.out) == (CANNOT, "")
    assert sentence in said.err


def test_a_node_at_an_address_needs_no_directory(cluster: ProcessCluster, tmp_path: Path) -> None:
    at = cluster.addresses["n1"]
    assert run("lab", "status", "--node", at, cwd=tmp_path) == Said(0, "no faults\n", "")
    assert run("lab", "cut", "n1-n2", "--node", at, cwd=tmp_path) == Said(0, "OK\n", "")
    assert run("lab", "status", "--node", at, cwd=tmp_path).out == "CUT n1-n2\n"
    assert run("lab", "heal", "--node", at, cwd=tmp_path).status == 0
    assert "shop" in run("keyspace", "list", "--node", at, cwd=tmp_path).out


def test_a_node_with_a_password_is_reached_with_that_of_the_environment(
    cluster: ProcessCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = cluster.addresses["n1"]
    words = ("keyspace", "list", "--node", at)
    with password(cluster, "n1"):
        monkeypatch.delenv(control.PASSWORD, raising=False)
        refused(run(*words, cwd=tmp_path), f"{at} asks for a password: set REDISCLI_AUTH")
        said = run("status", "--dir", str(cluster.directory), cwd=tmp_path)
        assert (said.status, "n1✓" in said.out) == (0, True)
        assert f"n1 at {at} asks for a password: set REDISCLI_AUTH" in said.out
        told = json.loads(run("status", "--json", "--dir", str(cluster.directory), cwd=tmp_path).out)["nodes"]["n1"]
        assert (told["answers"], told["is_taken"], told["is_locked"]) == (False, False, True)
        monkeypatch.setenv(control.PASSWORD, "wrong")
        refused(run(*words, cwd=tmp_path), f"{at} does not take the password that it was given")
        monkeypatch.setenv(control.PASSWORD, "secret")
        said = run(*words, cwd=tmp_path)
        assert (said.status, "shop" in said.out) == (0, True)
        assert "no answer" not in run("status", "--dir", str(cluster.directory), cwd=tmp_path).out
    said = run(*words, cwd=tmp_path)
    assert said.status == 0, "a password that a node does not ask for is no obstacle, as for redis-cli"


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        ("n9", "'n9' is neither host:port nor a node's name: the nodes of"),
        ("localhost", "'localhost' is neither host:port nor a node's name"),
        ("localhost:", "'localhost:' is neither host:port nor a node's name"),
        ("127.0.0.1:0", "'127.0.0.1:0' is neither host:port nor a node's name"),
    ],
)
def test_a_word_that_names_no_node_is_told_what_is_expected(
    cluster: ProcessCluster, tmp_path: Path, node: str, sentence: str
) -> None:
    for words in (("keyspace", "list"), ("lab", "status")):
        refused(run(*words, "--dir", str(cluster.directory), "--node", node, cwd=tmp_path), sentence)


def test_without_a_word_whoever_answers_is_asked(cluster: ProcessCluster, tmp_path: Path) -> None:
    place = ("--dir", str(cluster.directory))
    assert run("lab", "pause", "n1", *place, cwd=tmp_path).status == 0
    try:
        assert run("keyspace", "info", "shop", *place, cwd=tmp_path).status == 0
        assert run("lab", "status", *place, cwd=tmp_path) == Said(0, "n1: paused\n", "")
    finally:
        assert run("lab", "resume", "n1", *place, cwd=tmp_path).status == 0


@pytest.mark.parametrize("verb", ["kill", "pause", "resume", "start", "restart"])
def test_a_process_is_left_alone_where_a_node_is_asked_that_may_be_of_another_cluster(
    cluster: ProcessCluster, tmp_path: Path, verb: str
) -> None:
    (tmp_path / "trilemma-cluster").symlink_to(cluster.directory)  # what --dir is where nobody says it
    processes = {node["name"]: node["pid"] for node in control.ask(cluster.directory, "status")["nodes"]}
    named = ("--dir", str(cluster.directory))
    for place in (("--node", "127.0.0.1:1"), (*named, "--node", cluster.addresses["n1"]), (*named, "--node", "n1")):
        said = run("lab", verb, "n2", *place, cwd=tmp_path)
        refused(said, f"{verb} is done by the supervisor of a cluster that `trilemma up` started, named by --dir;")
    nodes = control.ask(cluster.directory, "status")["nodes"]
    assert {node["name"]: (node["state"], node["pid"]) for node in nodes} == {
        name: ("running", pid) for name, pid in processes.items()
    }


def test_nobody_at_an_address_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        refused(run("keyspace", "list", "--node", at, cwd=tmp_path), f"nothing answers at {at}: Connection refused")


def test_a_cluster_that_is_down_says_how_it_is_started(tmp_path: Path) -> None:
    with ProcessCluster(nodes=1) as made:
        control.ask(made.directory, "stop")
        made._thread.join()
        for words in (("keyspace", "list"), ("lab", "status")):
            refused(run(*words, "--dir", str(made.directory), cwd=tmp_path), f"`trilemma up --dir {made.directory}`")


def test_lint_asks_a_clusters_directory_for_its_keyspaces(cluster: ProcessCluster, tmp_path: Path) -> None:
    (tmp_path / "sent").write_text("SETNX shop:lock 1\n")
    said = run("lint", "sent", "--cluster", str(cluster.directory), cwd=tmp_path)
    assert (said.status, "keyspace 'shop' (ap)" in said.out) == (1, True)
    refused(
        run("lint", "sent", "--cluster", "nowhere", cwd=tmp_path), "'nowhere' is neither host:port nor a node's name"
    )
