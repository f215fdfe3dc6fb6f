"""`up` never calls a cluster up that is not, never leaves half of one behind, and `status` shows no other's nodes."""

import asyncio
import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from shell import CANNOT, Said, free_base, run
from trilemma.client import control
from trilemma.client.layout import lay_out, places
from trilemma.client.readiness import NotReadyError, wait_until_own_serve
from trilemma.client.supervisor import Supervisor
from trilemma.runtime.listening import bind

pytestmark = pytest.mark.process

DETACHED = pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["foreground", "detached"])


class Cluster(NamedTuple):
    """A cluster that runs: its directory, and its base port."""

    directory: Path
    base: int


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of one node that has the ports which the tests' own clusters are to have."""
    cwd, base = tmp_path_factory.mktemp("other"), free_base()
    said = run("up", "--detach", "--nodes", "1", "--base-port", str(base), "--dir", "one", cwd=cwd)
    try:
        assert said.status == 0, said
        assert said.out.startswith("1 node is up.")
        yield Cluster(cwd / "one", base)
    finally:
        run("down", "--dir", "one", cwd=cwd)


def refused(said: Said, *sentences: str) -> None:
    """Check that a command was refused with one line."""
    assert (said.status, said.out, said.err.count("\n")) == (CANNOT, "", 1), said
    for sentence in sentences:
        assert sentence in said.err


def nothing_runs(directory: Path, base: int) -> bool:
    with pytest.raises(control.NoClusterError):
        control.ask(directory, "status")
    for port in (base, base + 10_000):
        bind("127.0.0.1", port).close()
    return True


@DETACHED
@pytest.mark.parametrize("how", [(), ("--json",)], ids=["text", "json"])
def test_up_is_refused_where_another_cluster_has_the_port(
    tmp_path: Path, other: Cluster, detach: tuple[str, ...], how: tuple[str, ...]
) -> None:
    said = run("up", "--nodes", "1", "--base-port", str(other.base), "--dir", "mine", *detach, *how, cwd=tmp_path)
    refused(said, f"n1 cannot listen on 127.0.0.1:{other.base}", f"n1 of the cluster in {other.directory}")
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_ended_is_not_up_because_another_answers_at_its_address(tmp_path: Path, other: Cluster) -> None:
    # Where the port is taken after it was looked at.
    members = places(1, other.base)
    lay_out(tmp_path, members, "cp", lab=False, segment_bytes=1 << 20)
    supervisor = Supervisor(tmp_path, members)
    ends: list[asyncio.Task[None]] = []

    async def watch() -> None:
        try:
            await asyncio.to_thread(wait_until_own_serve, tmp_path)
        finally:
            supervisor.stop()

    async def start() -> None:
        await supervisor.run(lambda: ends.append(asyncio.create_task(watch())))
        await ends[0]

    with pytest.raises(NotReadyError, match=r"n1 did not start: down \(exit 2\).*trilemma: cannot listen on"):
        asyncio.run(start())


def test_a_cluster_whose_supervisor_was_stopped_is_not_waited_for(tmp_path: Path) -> None:
    lay_out(tmp_path, places(1, free_base()), "cp", lab=False, segment_bytes=1 << 20)
    with pytest.raises(NotReadyError, match="was stopped before it served"):
        wait_until_own_serve(tmp_path)


def test_no_command_takes_another_clusters_nodes_for_its_own(tmp_path: Path, other: Cluster) -> None:
    # A copy has the same cluster id and names, and its nodes are down.
    shutil.copytree(other.directory, tmp_path / "copy", ignore=shutil.ignore_patterns(control.CONTROL))
    whose = f"n1 of the cluster in {other.directory}"
    said = run("status", "--dir", "copy", cwd=tmp_path)
    assert said.status == 1
    assert said.out.count("no answer") == 1
    assert f"n1 does not run: {whose}" in said.out
    told = json.loads(run("status", "--dir", "copy", "--json", cwd=tmp_path).out)["nodes"]["n1"]
    assert (told["answers"], told["is_taken"], told["process"]) == (False, True, "not supervised")
    assert "keyspaces" not in told
    refused(run("keyspace", "create", "k", "--mode", "cp", "--dir", "copy", "--node", "n1", cwd=tmp_path), whose)
    refused(run("lab", "heal", "--dir", "copy", cwd=tmp_path), whose)
    assert run("status", "--dir", str(other.directory), cwd=tmp_path).status == 0


def test_a_server_of_another_kind_is_no_node(tmp_path: Path) -> None:
    lay_out(tmp_path, places(1, free_base()), "cp", lab=False, segment_bytes=1 << 20)
    host, _, port = control.nodes(tmp_path)["n1"].rpartition(":")
    with socket.socket() as silent:
        silent.bind((host, int(port)))
        silent.listen()
        said = run("up", "--dir", str(tmp_path), cwd=tmp_path)
    refused(said, f"n1 cannot listen on {host}:{port}", "end what holds it")


@DETACHED
def test_what_up_gives_up_on_is_stopped(tmp_path: Path, detach: tuple[str, ...]) -> None:
    base = free_base()
    said = run("up", "--nodes", "1", "--base-port", str(base), "--dir", "late", "--wait", "0", *detach, cwd=tmp_path)
    refused(said, f"n1 at 127.0.0.1:{base} does not serve after 0 s", "all nodes were stopped")
    assert nothing_runs(tmp_path / "late", base)


@DETACHED
def test_a_node_that_cannot_start_is_quoted_at_once(tmp_path: Path, detach: tuple[str, ...]) -> None:
    base, directory = free_base(), tmp_path / "torn"
    lay_out(directory, places(2, base), "cp", lab=False, segment_bytes=1 << 20)
    (directory / "n2" / "data").mkdir()
    (directory / "n2" / "data" / "identity.json").write_text("[1]")
    (directory / "n2" / "log").write_text("of an earlier start\n")
    # It is not waited for what can no longer come: the command would be given up on by the test before that.
    said = run("up", "--dir", "torn", "--wait", "100000", *detach, cwd=tmp_path)
    refused(said, "n2 did not start: down (exit 2)", f"{directory}/n2/data/identity.json is damaged")
    assert nothing_runs(directory, base)


def test_a_cluster_that_stands_is_started_again_and_keeps_its_password(tmp_path: Path) -> None:
    base = free_base()
    up = ("up", "--detach", "--dir", "kept", "--json")
    assert run(*up, "--nodes", "1", "--base-port", str(base), "--default-mode", "ap", cwd=tmp_path).status == 0
    try:
        with control.connect(f"127.0.0.1:{base}") as client:
            client.set("k", "v")
            client.config_set("requirepass", "of the file")
            client.execute_command("AUTH", "of the file")
            client.config_rewrite()
        assert run("down", "--dir", "kept", cwd=tmp_path).status == 0
        refused(run(*up, "--nodes", "2", cwd=tmp_path), "made with --nodes 1, which stays")
        told = json.loads(run(*up, "--lab", cwd=tmp_path).out)
        assert (told["new"], told["default_mode"], told["lab"]) == (False, "ap", True)
        with control.connect(f"127.0.0.1:{base}") as client, pytest.raises(redis.AuthenticationError):
            client.get("k")
        with control.connect(f"127.0.0.1:{base}", password="of the file") as client:
            assert client.get("k") == "v"
        assert run("status", "--dir", "kept", cwd=tmp_path).status == 0
        assert run("lab", "status", "--dir", "kept", cwd=tmp_path).status == 0
    finally:
        run("down", "--dir", "kept", cwd=tmp_path)
