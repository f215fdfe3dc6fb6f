"""The command line as a user meets it: one command with three nodes, its tables, its refusals and exit codes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from shell import CANNOT, Said, detached, free_base, run, until


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A directory in which a cluster runs, detached, and its base port."""
    cwd, base = tmp_path_factory.mktemp("cli"), free_base()
    with detached("--lab", "--json", "--base-port", str(base), "--default-mode", "ap", cwd=cwd) as said:
        assert said.status == 0, said
        told = json.loads(said.out)
        assert told["nodes"] == {f"n{number + 1}": f"127.0.0.1:{base + number}" for number in range(3)}
        yield cwd, base
        assert run("down", cwd=cwd) == Said(0, "The cluster is down.\n", "")
    said = run("status", cwd=cwd)
    assert said.status == 1
    assert said.out.count("no answer") == 3
    assert (
        f"the cluster in {cwd}/trilemma-cluster is not running; `trilemma up --dir {cwd}/trilemma-cluster`" in said.out
    )
    assert [(node["process"], node["pid"]) for node in status(cwd)["nodes"].values()] == [("down", None)] * 3
    refused = Said(CANNOT, "", f"trilemma: {status(cwd)['advice']}\n")
    assert refused.err.endswith("starts it\n")
    assert run("down", cwd=cwd) == refused


def status(cwd: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("status", "--json", cwd=cwd).out)
    return found


@pytest.mark.process
def test_the_cluster_serves_and_its_status_shows_what_there_is(place: tuple[Path, int]) -> None:
    cwd, base = place
    assert run("keyspace", "create", "bank", "--mode", "cp", cwd=cwd) == Said(0, "OK\n", "")
    with redis.Redis(port=base + 2) as client:
        assert client.set("bank:k", "1")
        assert client.set("k", "1")
    said = run("status", cwd=cwd)
    assert said.status == 0
    for word in ("n1", "n2", "n3", "bank", "default", "running", "leader", "lag", "cp", "ap", "up"):
        assert word in said.out
    nodes = status(cwd)["nodes"]
    assert {node["process"] for node in nodes.values()} == {"running"}
    assert nodes["n1"]["keyspaces"]["default"]["mode"] == "ap"


@pytest.mark.process
def test_a_keyspace_is_made_altered_told_and_dropped(place: tuple[Path, int]) -> None:
    cwd, _ = place
    assert run("keyspace", "create", "flags", "--mode", "ca", cwd=cwd).status == 0
    assert run("keyspace", "alter", "flags", "--timeout", "1500", cwd=cwd) == Said(0, "OK\n", "")
    told = json.loads(run("keyspace", "info", "flags", "--json", cwd=cwd).out)
    assert told["mode"] == "ca"
    assert told["timeout-ms"] == 1500
    assert "flags" in run("keyspace", "list", cwd=cwd).out
    assert "replicas     n1 n2 n3" in run("keyspace", "info", "flags", cwd=cwd).out
    assert run("keyspace", "drop", "flags", cwd=cwd) == Said(0, "OK\n", "")
    assert run("keyspace", "lead", "bank", "n2", cwd=cwd) == Said(0, "OK\n", "")
    until(lambda: "leaders      n2" in run("keyspace", "info", "bank", cwd=cwd).out)
    said = run("keyspace", "list", cwd=cwd, columns=80)
    (row,) = [line.split("│")[1:-1] for line in said.out.splitlines() if "bank" in line]
    expected = ["bank", "cp", "n1 n2 n3", "n2", "majority", "linearizable", "sync", "2000"]
    assert [cell.strip() for cell in row] == expected
    said = run("keyspace", "info", "flags", cwd=cwd)
    assert said.status == CANNOT
    assert "no keyspace 'flags'" in said.err


@pytest.mark.process
def test_faults_of_links_and_of_processes(place: tuple[Path, int]) -> None:
    cwd, _ = place
    assert run("lab", "cut", "n3", cwd=cwd) == Said(0, "OK\n", "")
    assert run("lab", "status", cwd=cwd).out.splitlines() == ["CUT n1-n3", "CUT n2-n3"]
    until(lambda: status(cwd)["nodes"]["n1"]["links"]["n3"] == "down")
    assert "✗" in run("status", cwd=cwd).out
    assert run("lab", "heal", cwd=cwd) == Said(0, "OK\n", "")
    assert run("lab", "kill", "n3", cwd=cwd).out == "n3: down (exit -9)\n"
    assert not status(cwd)["nodes"]["n3"]["answers"]
    assert run("lab", "start", "n3", cwd=cwd).status == 0
    until(lambda: bool(status(cwd)["nodes"]["n3"]["answers"]))
    assert run("lab", "pause", "n2", cwd=cwd).out == "n2: paused\n"
    assert run("lab", "resume", "n2", cwd=cwd).out == "n2: running\n"
    until(lambda: status(cwd)["nodes"]["n1"]["links"]["n2"] == "up")


@pytest.mark.process
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("lab",), "say what to do"),
        (("lab", "foo"), "'foo' is none of cut, slow, loss, heal, status, pause, resume, kill, start, restart"),
        (("lab", "slow", "n1"), "the form is: LAB SLOW <where> 80ms\n"),
        (("lab", "cut", "n9"), "'n9' names no node and no link"),
        (("lab", "kill", "n9"), "no node 'n9'"),
        (("lab", "kill"), "the form is: trilemma lab kill n3"),
        (("keyspace", "create", "x", "--mode", "xp"), "MODE is cp, ap or ca"),
        (("keyspace", "create", "x", "--mode", "cp", "--write", "1"), "WRITE on cp is majority or all"),
        (("up", "--base-port", "7001"), "a cluster runs in"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(place: tuple[Path, int], words: tuple[str, ...], sentence: str) -> None:
    said = run(*words, cwd=place[0])
    assert said.status == CANNOT
    assert sentence in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("down",), "no cluster"),
        (("status",), "no cluster"),
        (("up", "--default-mode", "xp"), "--default-mode is cp, ap or ca"),
        (("up", "--nodes", "0"), "Invalid value for '--nodes'"),
        (("serve", "--config", "nothing.toml"), "nothing.toml"),
        (("sim", "run", "--seeds", "x"), "--seeds is from:to"),
        (("sim", "run", "--mode", "xp"), "--mode is cp, ap, ca or all"),
        (("sim", "run", "--seeds", "5:1"), "--seeds 5:1 names no seed"),
        (("sim", "mutants", "--seeds", "5:5"), "--seeds 5:5 names no seed"),
        (("sim", "run", "--seeds", "0:1", "--nodes", "-1"), "--nodes is 3 or 5; 0 lets the seed choose"),
        (("sim", "replay", "7", "--nodes", "4"), "--nodes is 3 or 5; 0 lets the seed choose"),
        (("sim", "mutants", "Z9"), "no mutant 'Z9'"),
        (("sim", "replay", "7", "--mutant", "Z9"), "no mutant 'Z9'"),
        (("nothing",), "No such command 'nothing'"),
    ],
)
def test_without_a_cluster(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    said = run(*words, cwd=tmp_path)
    assert said.status in (1, CANNOT)
    assert sentence in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("words", [(), ("up",), ("keyspace",), ("lab",), ("sim", "run"), ("trial",), ("serve",)])
def test_help_says_what_a_command_does(tmp_path: Path, words: tuple[str, ...]) -> None:
    said = run(*words, "--help", cwd=tmp_path)
    assert said.status == 0
    assert "Usage:" in said.out
    assert said.err == ""


def test_help_of_lab_names_every_word(tmp_path: Path) -> None:
    said = run("lab", "help", cwd=tmp_path, columns=80)
    words = [line.split()[2] for line in said.out.splitlines() if line.startswith("trilemma lab ")]
    assert words == ["cut", "slow", "loss", "heal", "status", "pause", "resume", "kill", "start", "restart"]


def test_a_schedule_is_run_and_replayed(tmp_path: Path) -> None:
    said = run("sim", "run", "--seeds", "3:5", "--record", "found.jsonl", "--json", cwd=tmp_path)
    told = json.loads(said.out)
    assert told["counted"] + told["vacuous"] == 2
    assert told["failed"] == []
    said = run("sim", "run", "--seeds", "3:5", "--record", "found.jsonl", cwd=tmp_path)
    assert said.status == 0
    assert "2 schedules counted" in said.out
    assert len((tmp_path / "found.jsonl").read_text().splitlines()) == 2
    said = run("sim", "run", "--seeds", "3:5", "--record", "found.jsonl", cwd=tmp_path)
    assert "2 schedules counted" in said.out
    said = run("sim", "replay", "3", "--mode", "cp", cwd=tmp_path)
    assert said.status == 0
    assert "nemesis" in said.out
    assert "convergence: valid" in said.out
