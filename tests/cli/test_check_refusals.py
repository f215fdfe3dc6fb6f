"""What `trilemma check` does with what cannot be judged: a sentence and a status of its own, never a traceback."""

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from trilemma.cli import check_history, check_run
from trilemma.cli.app import build
from trilemma.cli.guard import INTERNAL, NOT_WRITTEN, TRACEBACK
from trilemma.cli.judging import BAD_INPUT

app = build()

HEADER = '{"format":"trilemma-history","version":1}\n'


class Said(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


def trilemma(*words: str) -> Said:
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "160", TRACEBACK: ""})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert "Traceback" not in done.output
    return Said(done.exit_code, done.stdout, done.stderr)


def history(tmp_path: Path, *lines: str) -> str:
    file = tmp_path / "history.jsonl"
    file.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return str(file)


def line(number: int, kind: str, more: str, key: str = "x") -> str:
    at = 10 * number
    return f'{{"process":1,"invoke_us":{at},"complete_us":{at + 1},"kind":"{kind}","key":"{key}",{more}}}'


# --- histories ----------------------------------------------------------------------------------------------------


def test_a_history_of_reads_of_several_values_is_judged_where_a_model_is_named(tmp_path: Path) -> None:
    file = history(tmp_path, line(1, "read", '"result":[10,10]'))
    said = trilemma("check", "history", file)
    assert (said.status, said.out) == (BAD_INPUT, "")
    assert "several values were read at once, and nothing else done; name the model" in said.err
    assert trilemma("check", "history", file, "--model", "register").status == 1
    assert trilemma("check", "history", file, "--model", "bank").status == BAD_INPUT


def test_a_map_is_a_value_like_any_other(tmp_path: Path) -> None:
    written = line(1, "write", '"argument":{"map":[["a",1]]}')
    same, other = (line(2, "read", f'"result":{{"map":[["a",{number}]]}}') for number in (1, 2))
    assert trilemma("check", "history", history(tmp_path, written, same)).status == 0
    assert trilemma("check", "history", history(tmp_path, written, other)).status == 1


def test_a_key_is_shown_as_it_is_and_no_part_of_it_as_a_picture(tmp_path: Path) -> None:
    written, other = line(1, "write", '"argument":"x"', "app:lock:1"), line(2, "read", '"result":"y"', "app:lock:1")
    said = trilemma("check", "history", history(tmp_path, written, other))
    assert (said.status, "app:lock:1" in said.out) == (1, True)
    assert "app:lock:1" in trilemma("check", "history", "app:lock:1").err


TRANSACTIONS = {"none": "null", "an empty one": "[[]]", "a number": "7", "no list in it": "[5]"}


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_a_transaction_without_micro_operations_is_a_sentence(name: str, tmp_path: Path) -> None:
    file = history(tmp_path, line(1, "txn", f'"argument":{TRANSACTIONS[name]}', key=""))
    said = trilemma("check", "history", file)
    assert (said.status, "the values of txn are those of no one model" in said.err) == (BAD_INPUT, True)
    for model in ("list-append", "multi-register"):
        assert trilemma("check", "history", file, "--model", model).status in (2, BAD_INPUT)


def test_a_transaction_of_nil_in_edn_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "nil.edn").write_text("{:process 0 :type :invoke :f :txn :value nil}\n{:process 0 :type :ok :f :txn}")
    assert trilemma("check", "history", str(tmp_path / "nil.edn")).status == BAD_INPUT


OWN_MODELS = {
    "a step that raises": ("def step(s, o): return {}[o.kind]", "KeyError"),
    "no pair": ("def step(s, o): return True", "answered True"),
    "three": ("def step(s, o): return True, s, s", "answered (True"),
    "a state that cannot be remembered": ("def step(s, o): return True, [1]", "states must be hashable"),
    "another function that raises": (
        "def step(s, o): return True, s\ndef bad(o): return 1 / 0\nM = Model('m', 0, step, bad)",
        "ZeroDivisionError",
    ),
    "a file that cannot be run": ("no_such_name", "NameError"),
    "a maker that raises": ("def M(): raise KeyError('k')", "KeyError"),
}


@pytest.mark.parametrize("name", OWN_MODELS)
def test_a_model_of_the_users_own_that_fails_is_a_sentence(name: str, tmp_path: Path) -> None:
    code, said_why = OWN_MODELS[name]
    made = "" if "M = " in code or "def M" in code else "\nM = Model('m', 0, step)"
    (tmp_path / "mine.py").write_text(f"from trilemma.check.model import Model\n{code}{made}\n")
    lines = [line(number, "write", f'"argument":{number}') for number in range(3)]
    said = trilemma("check", "history", history(tmp_path, *lines), "--model", f"{tmp_path}/mine.py:M")
    assert (said.status, said_why in said.err) == (BAD_INPUT, True), said


def test_a_model_of_the_users_own_has_nothing_to_judge_where_no_operation_is_ok(tmp_path: Path) -> None:
    (tmp_path / "any.py").write_text(
        "from trilemma.check.model import Model\nM = Model('m', 0, lambda s, o: (True, s))\n"
    )
    failed = line(1, "write", '"argument":1,"outcome":"fail"')
    assert trilemma("check", "history", history(tmp_path, failed), "--model", f"{tmp_path}/any.py:M").status == 2


# --- runs ---------------------------------------------------------------------------------------------------------

TARGET = """
from trilemma.target.port import Keyspace, Target

class Memory(Target):
    name = "memory"
    def __init__(self):
        super().__init__()
        self.nodes, self.keyspaces, self.held = ("n1",), (Keyspace("k", b"k:"),), {}
    def client(self, node, keyspace):
        return Client(self.held)

class Client:
    def __init__(self, held):
        self.held = held
    def execute(self, commands):
        return [self.one(*each) for each in commands]
    def one(self, name, key, value=None):
        return self.held.get(key) if name == b"GET" else self.held.__setitem__(key, value) or b"OK"
    def is_usable(self):
        return True
    def close(self):
        pass

class Broken(Target):
    def __init__(self):
        raise RuntimeError("no licence")
"""


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "memory_target.py").write_text(TARGET)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "memory_target", raising=False)
    return "memory_target:Memory"


SHORT = ("--time", "0.3", "--rate", "200")


def test_a_target_that_cannot_be_made_is_a_sentence(memory: str) -> None:
    for name in ("os.path:join", "memory_target:Broken", "memory_target:Client", "no.such:Thing"):
        said = trilemma("check", "run", "--target", name)
        assert (said.status, name in said.err) == (BAD_INPUT, True), said


@pytest.mark.parametrize("option", ["--report", "--history"])
def test_a_file_that_cannot_be_written_is_refused_before_the_run(option: str, memory: str, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "file", tmp_path / "memory_target.py" / "file"):
        said = trilemma("check", "run", "--target", memory, *SHORT, option, str(path))
        assert (said.status, str(path) in said.err) == (BAD_INPUT, True), said
        assert "starts" not in said.out
    (tmp_path / "page-memory_target_Memory.html").mkdir()
    said = trilemma("check", "compare", memory, *SHORT, option, str(tmp_path / "page.html"))
    assert (said.status, "starts" in said.out) == (BAD_INPUT, False)


def test_what_is_asked_of_files_leaves_none_behind_and_keeps_what_was_there(memory: str, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("as it was")
    words = ("--report", str(tmp_path / "old"), "--history", str(tmp_path / "new"))
    assert trilemma("check", "run", "--target", "127.0.0.1:1", *SHORT, *words).status == 2  # nobody is there
    assert (tmp_path / "old").read_text() == "as it was"
    assert not (tmp_path / "new").exists()


def test_a_store_that_is_not_ours_is_not_asked_before_a_nemesis_is_refused() -> None:
    for nemesis in ("isolate", "kill", "mix"):
        said = trilemma("check", "run", "--target", "127.0.0.1:1", "--nemesis", nemesis)
        assert (said.status, "starts" in said.out, "not ours to" in said.err) == (BAD_INPUT, False, True), said


def test_the_times_of_a_run_are_counted_from_its_beginning(memory: str, tmp_path: Path) -> None:
    words = ("check", "run", "--target", memory, *SHORT, "--history", str(tmp_path / "run.jsonl"))
    assert trilemma(*words).status == 0
    lines = [json.loads(each) for each in (tmp_path / "run.jsonl").read_text().splitlines()[1:]]
    assert min(each["invoke_us"] for each in lines) == 0
    assert max(each["complete_us"] for each in lines) < 300_000_000


def test_findings_are_told_though_their_files_can_no_longer_be_written(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    words = ("check", "run", "--target", memory, *SHORT, "--report", str(tmp_path / "page.html"))
    said = trilemma(*words, "--json")
    assert json.loads(said.out)["validity"] == "valid"
    assert (said.status, "could not be written: No space left" in said.err) == (NOT_WRITTEN, True)
    said = trilemma("check", "compare", memory, *SHORT, "--report", str(tmp_path / "page.html"), "--json")
    assert (said.status, json.loads(said.out)[0]["validity"]) == (NOT_WRITTEN, "valid")


# --- the unexpected -----------------------------------------------------------------------------------------------


def test_what_nobody_foresaw_is_a_sentence_and_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(check_history, "read_history", broken)
    monkeypatch.setattr(check_run, "run_plan", broken)
    file = history(tmp_path, line(1, "fly", '"argument":1'))
    for words in (("history", file), ("run", "--target", "127.0.0.1:1"), ("compare", "127.0.0.1:1")):
        said = trilemma("check", *words)
        assert said.status == INTERNAL
        assert "RuntimeError: a fault of ours" in said.err


def test_a_traceback_is_there_for_those_who_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(check_history, "read_history", broken)
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    file = history(tmp_path, line(1, "fly", '"argument":1'))
    done = CliRunner().invoke(app, ["check", "history", file], env={TRACEBACK: "1"})
    assert done.exit_code == INTERNAL
    assert "in broken" in done.stderr


def test_an_output_that_nobody_reads_is_no_verdict(tmp_path: Path) -> None:
    file = history(tmp_path, line(1, "write", '"argument":1'))
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "trilemma", "check", "history", file, "--json"]
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=300)
    os.close(writer)
    assert (done.returncode not in (0, 1, 2), b"Traceback" in done.stderr) == (True, False), done
