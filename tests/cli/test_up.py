"""`up` calls no cluster up that is not, tells what a majority goes on without, and finds what outlived a supervisor.

`status` shows no other's nodes.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import pytest
import redis

from shell import CANNOT, COMMAND, ENVIRONMENT, PATIENCE_S, Said, detached, free_base, run, until
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
    with detached("--nodes", "1", "--base-port", str(base), cwd=cwd, directory="one") as said:
        assert said.status == 0, said
        assert said.out.startswith("1 node is up.")
        yield Cluster(cwd / "one", base)


def test_a_cluster_that_is_set_up_for_tests_is_ended_where_its_set_up_fails(tmp_path: Path) -> None:
    base = free_base()

    def set_up() -> None:
        with detached("--nodes", "1", "--base-port", str(base), cwd=tmp_path, directory="one") as said:
            assert said.status == 0, said
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        set_up()
    assert nothing_runs(tmp_path / "one", base)


def refused(said: Said, *sentences: str) -> None:
    """Check that a command was refused with one line."""
    assert (said.status, said.out, said.err.count("\n")) == (CANNOT, "", 1), said
    for sentence in sentences:
        assert sentence in said.err


def refused_as_json(said: Said, *sentences: str) -> None:
    """Check that a command was refused with one object."""
    assert (said.status, said.err) == (CANNOT, ""), said
    told = json.loads(said.out)
    assert list(told) == ["error"]
    for sentence in sentences:
        assert sentence in told["error"]


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
    check = refused_as_json if how else refused
    check(said, f"n1 cannot listen on 127.0.0.1:{other.base}", f"n1 of the cluster in {other.directory}")
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

    with pytest.raises(NotReadyError, match=r"n1 refuses to start: cannot listen on"):
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
    assert (told["answers"], told["is_taken"], told["process"]) == (False, True, "down")
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
    refused(said, "n1 does not serve after 0 s", "`up --wait SECONDS` gives", "all nodes were stopped")
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
    refused(said, f"n2 refuses to start: {directory}/n2/data/identity.json is damaged", "1 of 2 nodes can, and 2 are")
    assert nothing_runs(directory, base)


def test_a_cluster_that_stands_is_started_again_and_keeps_its_password(tmp_path: Path) -> None:
    base = free_base()
    up = ("up", "--detach", "--dir", "kept", "--json")
    metrics = base + 1
    more = ("--json", "--nodes", "1", "--base-port", str(base), "--default-mode", "ap", "--metrics-port", str(metrics))
    with detached(*more, cwd=tmp_path, directory="kept") as said:
        assert said.status == 0, said
        assert json.loads(said.out)["metrics"] == {"n1": f"127.0.0.1:{metrics}"}
        with urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=PATIENCE_S) as page:
            assert b'trilemma_shard_info{configuration="replicas=1' in page.read()
        told = json.loads(run("status", "--dir", "kept", "--json", cwd=tmp_path).out)
        assert told["nodes"]["n1"]["metrics"] == f"127.0.0.1:{metrics}"
        assert str(metrics) in run("status", "--dir", "kept", cwd=tmp_path).out
        with control.connect(f"127.0.0.1:{base}") as client:
            client.set("k", "v")
            client.config_set("requirepass", "of the file")
            client.execute_command("AUTH", "of the file")
            client.config_rewrite()
        assert run("down", "--dir", "kept", cwd=tmp_path).status == 0
        refused_as_json(run(*up, "--nodes", "2", cwd=tmp_path), "made with --nodes 1, which stays")
        told = json.loads(run(*up, "--lab", "--metrics-port", "0", cwd=tmp_path).out)
        assert (told["new"], told["default_mode"], told["lab"], told["metrics"]) == (False, "ap", True, {})
        with control.connect(f"127.0.0.1:{base}") as client, pytest.raises(redis.AuthenticationError):
            client.get("k")
        with control.connect(f"127.0.0.1:{base}", password="of the file") as client:
            assert client.get("k") == "v"
        assert run("status", "--dir", "kept", cwd=tmp_path).status == 0
        assert run("lab", "status", "--dir", "kept", cwd=tmp_path).status == 0


@pytest.fixture
def stood(tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes that have met, and were stopped; whatever runs at the end is ended."""
    base = free_base()
    with detached("--base-port", str(base), cwd=tmp_path, directory="c") as said:
        assert said.status == 0, said
        assert run("down", "--dir", "c", cwd=tmp_path) == Said(0, "The cluster is down.\n", "")
        yield Cluster(tmp_path / "c", base)


def test_a_majority_goes_on_without_a_node_that_lost_its_data(stood: Cluster) -> None:
    directory, base = stood
    shutil.rmtree(directory / "n2" / "data")
    # It is not waited for what can no longer come: the command would be given up on by the test before that.
    up = ("up", "--dir", str(directory), "--wait", "100000")
    said = run(*up, "--detach", "--json", cwd=directory)
    assert (said.status, said.err) == (1, ""), said
    told = json.loads(said.out)
    assert (told["degraded"], list(told["lacking"])) == (True, ["n2"])
    assert "n2 is not taken in by n1, n3: it comes with another disk" in told["lacking"]["n2"]
    with control.connect(f"127.0.0.1:{base}") as client:
        assert client.set("k", "v")
    shown = run("status", "--dir", str(directory), cwd=directory).out
    assert "n2 is not taken in by n1, n3: it comes with another disk" in shown
    assert run("down", "--dir", str(directory), cwd=directory).status == 0

    shutil.rmtree(directory / "n2" / "data" / "log")
    with subprocess.Popen(
        [*COMMAND, *up], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as foreground:
        try:
            assert foreground.stdout is not None
            assert foreground.stdout.readline().startswith("2 of 3 nodes are up.")
            told = json.loads(run("status", "--dir", str(directory), "--json", cwd=directory).out)["nodes"]["n2"]
            assert (told["process"], told["pid"]) == ("down (exit 2)", None)
            assert "has lost its log" in told["said"]
        finally:
            assert run("down", "--dir", str(directory), cwd=directory).status == 0
        foreground.wait(timeout=PATIENCE_S)
        # Not by `communicate`: it reads the pipe itself, and would miss what came along with the line read above.
        assert foreground.stderr is not None
        out, err = foreground.stdout.read(), foreground.stderr.read()
    assert (foreground.returncode, err) == (1, "")
    assert f"n2 refuses to start: {directory}/n2/data has lost its log" in out
    assert f"`trilemma lab start n2 --dir {directory}` starts it when that is mended" in out


def test_nodes_that_outlive_their_supervisor_are_named_and_ended(stood: Cluster) -> None:
    directory, base = stood
    assert run("up", "--detach", "--dir", str(directory), cwd=directory).status == 0
    told = control.ask(directory, "status")
    os.kill(told["pid"], signal.SIGKILL)
    until(lambda: control.answer_of(directory, "status") is None)
    named = ", ".join(f"{node['name']} (process {node['pid']})" for node in told["nodes"])
    sentence = (
        f"the cluster in {directory} has lost its supervisor, but {named} still run; "
        f"`trilemma down --dir {directory}` ends them"
    )
    refused(run("up", "--dir", str(directory), cwd=directory), sentence)
    refused_as_json(run("up", "--detach", "--json", "--dir", str(directory), cwd=directory), sentence)
    refused(run("lab", "kill", "n1", "--dir", str(directory), cwd=directory), sentence)
    said = run("status", "--dir", str(directory), cwd=directory)
    assert (said.status, said.out.splitlines()[-1], said.out.count("left over")) == (0, sentence, 3)
    said = run("down", "--dir", str(directory), cwd=directory)
    ended = f"The supervisor is gone, but {named} still run: told to hand over and end.\nThe cluster is down.\n"
    assert said == Said(0, ended, "")
    assert nothing_runs(directory, base)
    assert [(directory / name / "log").read_text().count(" stopped ") for name in ("n1", "n2", "n3")] == [2, 2, 2]
