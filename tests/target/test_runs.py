"""Real runs, short ones: Trilemma keeps its promises, a planted lost write is found, and nothing is left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from running_redis import needs_redis, redis_that_runs
from trilemma.check.verdict import Validity
from trilemma.cli.app import build
from trilemma.cli.check_table import as_json
from trilemma.cli.judging import BAD_INPUT
from trilemma.target.machines import Machines, Place
from trilemma.target.plan import Plan
from trilemma.target.port import Client, Keyspace, Link, LinkFault, Target, TargetError
from trilemma.target.redis_server import ask, holds_within, info, require, start_server
from trilemma.target.run import run
from trilemma.target.trilemma import Trilemma
from trilemma.target.wire import RespConnection

app = build()

pytestmark = pytest.mark.process

SEED = 4
TIMEOUT_S = 20.0


def left_behind() -> set[str]:
    """Name the directories and namespaces of runs that there are now."""
    found = {str(path) for path in Path(tempfile.gettempdir()).glob("trilemma-*")}
    spaces = Path("/run/netns")
    return found | ({path.name for path in spaces.glob("tri*x*")} if spaces.is_dir() else set())


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = left_behind()
    yield
    mine = {each for each in left_behind() - before if each.startswith(("/", f"tri{os.getpid()}x"))}
    assert not mine


# Trilemma


def test_trilemma_keeps_every_promise_while_a_node_is_cut_off() -> None:
    result = run(Trilemma(), Plan("registers", "isolate", 4.0, clients=1, rate=150, seed=SEED))
    report = result.report
    told = [verdict.describe() for subject in report.subjects for verdict in subject.verdicts]
    assert report.validity is Validity.VALID, told
    assert [subject.mode for subject in report.subjects] == ["cp", "ca", "ap"]
    assert [fault.kind for fault in report.faults] == ["cut", "cut"]
    assert all(subject.operations for subject in report.subjects)
    assert all(len(set(subject.digests.values())) == 1 for subject in report.subjects)
    assert any("LAB" in note for note in report.notes)
    assert all(
        "t-visibility" in subject.staleness and "k-staleness" in subject.staleness for subject in report.subjects
    )
    cp, _, ap = ([each for each in subject.shares if each.reads] for subject in report.subjects)
    assert {"whole", *(f"cut: {fault.what}" for fault in report.faults)} <= {each.stretch for each in cp}
    assert not any(each.stale_reads for each in cp)
    befallen = [each for each in ap if each.stretch != "whole" and " " not in each.side]
    assert len(befallen) == 2
    assert as_json(result)["subjects"][0]["t_visibility"] == {"1000": 1.0, "10000": 1.0, "100000": 1.0, "1000000": 1.0}
    assert as_json(result)["subjects"][0]["k_staleness"]["1"] == 1.0


# A user's own target, with a bug planted in it


class Pair(Target):
    """A primary and a replica. What it calls a cut stops replication; what it calls a heal promotes the replica, and
    all that the primary acknowledged in between is gone."""

    name = "pair"
    means = "Replication was stopped and the replica promoted."

    def __init__(self) -> None:
        super().__init__()
        self.nodes = ("p", "r")
        self.keyspaces = (Keyspace("pair", b""),)
        self.links = self
        self.machines = Machines(self.nodes, has_links=False)
        self.places: dict[str, Place] = {}
        self.primary = "p"

    def start(self) -> None:
        self.machines.open()
        self.places = {node: places[0] for node, places in self.machines.places(1, 6379).items()}
        for node, place in self.places.items():
            start_server(self.machines, node, "redis", place, ("repl-diskless-sync-delay 0",))
        require(self.machines, lambda: bool(self._ask("r", "PING")) and bool(self._ask("p", "PING")), "no answer")
        self._follow("r", "p")

    def stop(self) -> None:
        self.machines.close()

    def client(self, node: str, keyspace: Keyspace) -> Client:
        # Each client looks for the primary once, and goes on with it for as long as its connection stands.
        return RespConnection(self.machines.dial(self.places[self.primary]))

    def apply(self, faults: Mapping[Link, LinkFault]) -> None:
        if faults and self.primary == "p":
            self._ask("r", "REPLICAOF", "NO", "ONE")
            self._was_cut = True
        elif getattr(self, "_was_cut", False):
            self._was_cut = False
            self.primary = "r"
            self._ask("p", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            self._follow("p", "r")

    def _follow(self, follower: str, primary: str) -> None:
        place = self.places[primary]
        self._ask(follower, "REPLICAOF", place.host, str(place.port))
        facts = lambda: info(self.machines, self.places[follower], "replication")  # noqa: E731
        assert holds_within(lambda: facts().get("master_link_status") == "up", TIMEOUT_S)

    def _ask(self, node: str, *words: str) -> object:
        return ask(self.machines, self.places[node], *words)


@needs_redis
def test_a_planted_lost_write_is_found_on_a_redis_pair_with_its_witness() -> None:
    result = run(Pair(), Plan("registers", "isolate", 3.0, clients=2, rate=300, seed=SEED))
    (subject,) = result.report.subjects
    broken = {verdict.checker: verdict for verdict in subject.verdicts if verdict.is_invalid}
    assert "lost acknowledged writes" in broken
    assert broken["lost acknowledged writes"].witness
    assert result.figures["pair"].lost_writes > 0
    assert result.report.exit_status == 1


@needs_redis
def test_the_same_pair_loses_nothing_while_it_is_left_alone() -> None:
    result = run(Pair(), Plan("counters", "none", 1.0, clients=2, rate=300, seed=SEED))
    assert result.report.exit_status == 0


def test_a_target_that_cannot_start_is_stopped_and_says_why() -> None:
    class Broken(Pair):
        def start(self) -> None:
            self.machines.open()
            raise TargetError("it cannot be started")

    with pytest.raises(TargetError, match="it cannot be started"):
        run(Broken(), Plan(time_s=1.0))


# The command line


@needs_redis
def test_a_store_that_runs_already_is_judged_by_its_address_and_its_keys_are_removed(tmp_path: Path) -> None:
    with redis_that_runs(tmp_path) as place:
        words = ["check", "run", "--target", str(place), "--workload", "cas", "--time", "1", "--json"]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert found["validity"] == "valid"
        assert found["subjects"][0]["operations"] > 50
        assert ask(Machines((), has_links=False), place, "DBSIZE") == 0
        words = ["check", "run", "--target", str(place), "--nemesis", "kill", "--time", "1"]
        refused = CliRunner().invoke(app, words)
        assert refused.exit_code == BAD_INPUT
        assert "not ours to kill" in refused.output


@needs_redis
@pytest.mark.parametrize(
    ("workload", "forbidden", "reason"),
    [
        ("bank", "-watch", "no transfer was acknowledged"),
        ("bank", "-multi", "no transfer was acknowledged"),
        ("cas", "-multi", "no compare-and-set was acknowledged"),
        ("registers", "-set", "no write was acknowledged"),
    ],
)
def test_a_store_that_refuses_what_a_workload_is_about_is_neither_right_nor_wrong(
    tmp_path: Path, workload: str, forbidden: str, reason: str
) -> None:
    with redis_that_runs(tmp_path) as place:
        ask(Machines((), has_links=False), place, "ACL", "SETUSER", "default", forbidden)
        words = ["check", "run", "--target", str(place), "--workload", workload, "--time", "1", "--json"]
        result = CliRunner().invoke(app, words)
    assert result.exit_code == 2, result.output
    assert reason in result.output
    assert json.loads(result.stdout)["validity"] == "unknown"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--target", "nothing"], "there is no target"),
        (["--mode", "xp"], "there is no mode"),
        (["--target", "etcd", "--workload", "bank"], "takes the workloads"),
        (["--nemesis", "storm"], "there is no nemesis"),
        (["--time", "0"], "time is more than 0"),
        (["--target", "127.0.0.1:none"], "there is no target"),
        (["--tagret", "etcd"], "No such option"),
        (["--rate", "many"], "Invalid value"),
        (["--history", "/no/such/directory/h.jsonl"], "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence_and_is_no_verdict(words: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, ["check", "run", *words])
    assert result.exit_code == BAD_INPUT
    assert any(each in " ".join(result.output.split()) for each in sentence.split("|"))


def test_a_store_that_does_not_answer_is_unknown() -> None:
    result = CliRunner().invoke(app, ["check", "run", "--target", "127.0.0.1:1", "--time", "1"])
    assert result.exit_code == 2
    assert "does not answer" in result.output


def test_a_comparison_refuses_a_bad_target_before_it_begins() -> None:
    for words in (["nothing"], ["127.0.0.1:1", "--nemesis", "storm"], ["127.0.0.1:1", "--mode", "xp"], ["--rates"]):
        result = CliRunner().invoke(app, ["check", "compare", "127.0.0.1:1", *words])
        assert result.exit_code == BAD_INPUT
        assert "not run" not in result.output


def test_each_command_whose_status_is_a_verdict_says_so_in_its_help() -> None:
    for command in ("history", "run", "compare"):
        text = " ".join(CliRunner().invoke(app, ["check", command, "--help"]).output.split())
        assert "64 for a bad" in text


def test_a_comparison_names_every_target_also_those_that_could_not_run() -> None:
    words = ["check", "compare", "127.0.0.1:1", "127.0.0.1:2", "--time", "1"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert result.output.count("not run") == 2
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert ["error" in each for each in found] == [True, True]


@needs_redis
@pytest.mark.skipif(shutil.which("redis-sentinel") is None, reason="redis-sentinel is not installed")
def test_ctrl_c_in_the_middle_of_a_cut_leaves_nothing_behind_but_the_files_that_were_asked_for(tmp_path: Path) -> None:
    is_root = os.geteuid() == 0
    page, history = tmp_path / "page.html", tmp_path / "history.jsonl"
    words = ["check", "run", "--target", "redis", "--nemesis", "isolate" if is_root else "pause", "--time", "12"]
    words += ["--report", str(page), "--history", str(history)]
    command = subprocess.Popen(
        [sys.executable, "-m", "trilemma", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert command.stdout is not None
        said = ""
        while "from n" not in said and "pause: n" not in said:
            line = command.stdout.readline()
            assert line, said
            said += line
        servers = children(command.pid)
        assert len(servers) >= 6
        command.send_signal(signal.SIGINT)
        said += command.communicate(timeout=TIMEOUT_S)[0]
    finally:
        command.kill()
        command.wait()
    assert command.returncode == 2
    assert "interrupted" in said
    assert "broken off" in page.read_text()
    assert CliRunner().invoke(app, ["check", "history", str(history), "--model", "register"]).exit_code == 0
    assert not [pid for pid in servers if Path(f"/proc/{pid}").exists()]
    assert not list(tmp_path.glob("trilemma-*"))
    assert not list(Path("/run").glob(f"netns/tri{command.pid}x*"))


def children(parent: int) -> list[int]:
    """Return the ids of a process' children."""
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        if found:
            return [int(pid) for pid in found]
    raise AssertionError("no children")
