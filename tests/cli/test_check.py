"""`trilemma check history` as a user meets it: verdicts and exit statuses, guesses, options, refusals, own models."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from trilemma.check.formats.writer import write
from trilemma.check.history import Operation
from trilemma.cli.app import build
from trilemma.cli.check_history import _alarm
from trilemma.cli.check_model import OutOfTimeError
from trilemma.trial.checking import register_history

app = build()

PATIENCE_S = 300.0
BAD_INPUT = 64


class Said(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


def check(file: Path | str, *options: str, given: bytes = b"") -> Said:
    done = CliRunner().invoke(app, ["check", "history", str(file), *options], input=given, env={"COLUMNS": "160"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Said(done.exit_code, done.stdout, done.stderr)


STALE = b"""[{:process 0 :type :invoke :f :write :value 1} {:process 0 :type :ok :f :write :value 1}
 {:process 1 :type :invoke :f :write :value 2} {:process 1 :type :ok :f :write :value 2}
 {:process 2 :type :invoke :f :read} {:process 2 :type :ok :f :read :value 1}]"""
FRESH = STALE.replace(b":read :value 1", b":read :value 2")


@pytest.fixture
def stale(tmp_path: Path) -> Path:
    (tmp_path / "stale.edn").write_bytes(STALE)
    return tmp_path / "stale.edn"


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    (tmp_path / "fresh.edn").write_bytes(FRESH)
    return tmp_path / "fresh.edn"


def test_a_good_history_ends_with_0_and_says_what_it_was_taken_for(fresh: Path) -> None:
    said = check(fresh)
    assert said.status == 0
    assert "format edn" in said.out
    assert "model register (guessed" in said.out
    assert said.out.splitlines()[-1] == "valid"


def run(file: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "trilemma", "check", "history", file.name, *options],
        cwd=file.parent,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
        env=os.environ,
    )


def test_it_is_a_command_with_an_exit_status(stale: Path) -> None:
    done = run(stale)
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (1, b"invalid", b"")


def test_a_bad_history_ends_with_1_and_shows_its_witness(stale: Path) -> None:
    said = check(stale)
    assert said.status == 1
    assert "1 must come before 2 and after it" in said.out
    assert "process 2 [4..5 us] read b'' -> 1" in said.out
    assert said.out.splitlines()[-1] == "invalid"


def test_the_verdict_as_json_has_its_witness_as_lines_of_our_format(stale: Path) -> None:
    said = check(stale, "--json", "--model", "register")
    found = json.loads(said.out)
    assert (said.status, found["validity"], found["model"], found["guessed"]) == (1, "invalid", "register", False)
    assert {"process": 2, "invoke_us": 4, "complete_us": 5, "kind": "read", "key": "", "result": 1} in found[
        "verdicts"
    ][0]["witness"]


def test_nothing_and_too_little_time_end_with_2(tmp_path: Path) -> None:
    (tmp_path / "none.edn").write_bytes(b"[]")
    said = check(tmp_path / "none.edn", "--model", "register")
    assert (said.status, "no operations" in said.out) == (2, True)
    hard = [Operation(number, number, 10_000, "write", b"k", number % 7) for number in range(2_000)]
    with (tmp_path / "hard.jsonl").open("wb") as file:
        write(file, [*hard, Operation(9_999, 20_000, 20_001, "read", b"k", None, 99)])
    # By itself: what the alarm raises while a callback of the garbage collector runs is nobody's, and this process has
    # such callbacks of others.
    done = run(tmp_path / "hard.jsonl", "--time-limit", "0.2", "--model", "cas-register")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (2, b"unknown")


def test_time_that_is_up_is_told_again_where_it_was_not_heard() -> None:
    with _alarm(PATIENCE_S):
        _, again_s = signal.getitimer(signal.ITIMER_REAL)
        with pytest.raises(OutOfTimeError):
            signal.raise_signal(signal.SIGALRM)
    assert again_s > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_our_own_format_is_judged_as_operations_and_straight_from_its_lines(tmp_path: Path) -> None:
    for stale_at, status in ((None, 0), (500, 1)):
        path = tmp_path / f"{status}.jsonl"
        with path.open("wb") as file:
            write(file, register_history(Random(5), 1_000, stale_at))
        for options in ((), ("--model", "register"), ("--model", "causal"), ("--nil", "unknown")):
            assert check(path, *options).status in ((0, 1) if "causal" in options else (status,)), options


def test_one_keyspace_of_several_is_judged_by_itself(tmp_path: Path) -> None:
    def at(keyspace: str, result: bytes) -> list[Operation]:
        key = keyspace.encode()
        write_new = Operation(1, 0, 10, "write", key, b"new", None, keyspace=keyspace)
        return [write_new, Operation(2, 20, 30, "read", key, None, result, keyspace=keyspace)]

    file = tmp_path / "two.jsonl"
    with file.open("wb") as stream:
        write(stream, [*at("bank", b"new"), *at("shop", b"nobody's")])
    assert check(file).status == 1
    assert check(file, "--keyspace", "bank").status == 0
    assert check(file, "--keyspace", "shop").status == 1
    refused = check(file, "--keyspace", "cart")
    assert refused.status == BAD_INPUT
    assert "bank, shop" in refused.err


def test_a_value_that_was_written_twice_is_judged_by_search(tmp_path: Path) -> None:
    history = [Operation(1, 3 * at, 3 * at + 1, "write", b"k", b"same") for at in range(3)]
    with (tmp_path / "twice.jsonl").open("wb") as file:
        write(file, [*history, Operation(1, 20, 21, "read", b"k", None, b"same")])
    assert check(tmp_path / "twice.jsonl").status == 0


def test_a_history_comes_by_the_standard_input_too() -> None:
    assert check("-", given=STALE).status == 1
    assert check("-", given=FRESH).status == 0


SETTINGS = {
    "--cas-fail": (
        b"0 :invoke :cas [nil 1]\n0 :fail :cas [nil 1]\n",
        {"mismatch": 1, "never": 2},
    ),
    "--nil": (
        b"0 :invoke :write 1\n0 :ok :write 1\n0 :invoke :read nil\n0 :ok :read nil\n",
        {"absent": 1, "unknown": 0},
    ),
    "--initial": (
        b'0 :invoke :read nil\n0 :ok :read "a b"\n',
        {"nil": 1, '"a b"': 0, "7": 1},
    ),
    "--keys": (
        b"0 :invoke :add [1 2]\n0 :ok :add [1 2]\n0 :invoke :read [1 nil]\n0 :ok :read [1 2]\n",
        {"auto": 0, "split": 0},
    ),
    "--format": (
        b"0 :invoke :read nil\n0 :ok :read nil\n",
        {"log": 0, "edn": BAD_INPUT, "jsonl": BAD_INPUT},
    ),
}


@pytest.mark.parametrize("option", SETTINGS)
def test_a_setting_decides_where_tools_differ(option: str, tmp_path: Path) -> None:
    content, statuses = SETTINGS[option]
    (tmp_path / "history.txt").write_bytes(content)
    for word, status in statuses.items():
        assert check(tmp_path / "history.txt", option, word).status == status, word


REFUSED: dict[str, tuple[bytes, tuple[str, ...], str]] = {
    "no history": (b"hello", (), "line 1, column 1: the file begins with 'hello', which is no history"),
    "broken": (b"[{:process 0\n :type :invoke, :f [}]", (), "line 2, column 21: expected ], found }"),
    "brackets in words": (b"{:process [/red] :type :x}", (), ":type is one of"),
    "format": (FRESH, ("--format", "xml"), "--format is one of jsonl, edn, log; not 'xml'"),
    "model": (FRESH, ("--model", "regster"), "there is no model 'regster'"),
    "model that does not fit": (FRESH, ("--model", "counter"), "the model counter has no operation write"),
    "no model": (b"0 :invoke :fly 1", (), "no model has the operations fly"),
    "nil": (FRESH, ("--nil", "none"), "--nil is one of absent, unknown; not 'none'"),
    "cas-fail": (FRESH, ("--cas-fail", "x"), "--cas-fail is one of"),
    "keys": (FRESH, ("--keys", "x"), "--keys is one of"),
    "order": (FRESH, ("--order", "x"), "--order is one of"),
    "initial": (FRESH, ("--initial", "[1"), "--initial '[1'"),
    "own model, no file": (FRESH, ("--model", "nosuch.py:MODEL"), "nosuch.py"),
    "own model, no module": (FRESH, ("--model", "no.such.module:MODEL"), "no.such.module"),
    "own model, none there": (FRESH, ("--model", "trilemma.check.model:Model"), "trilemma.check.model"),
    "misspelt option": (FRESH, ("--mdoel", "register"), "No such option: --mdoel"),
    "time": (FRESH, ("--time-limit", "soon"), "--time-limit"),
    "endless time": (FRESH, ("--time-limit", "inf"), "--time-limit"),
    "time that no timer takes": (FRESH, ("--time-limit", "1e300"), "--time-limit"),
    "no time": (FRESH, ("--time-limit", "nan"), "--time-limit"),
    "a clock that tells nothing": (FRESH, ("--clock-error", "inf"), "--clock-error"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_file_or_option_is_a_sentence_and_no_verdict(name: str, tmp_path: Path) -> None:
    content, options, sentence = REFUSED[name]
    (tmp_path / "history").write_bytes(content)
    said = check(tmp_path / "history", *options)
    assert said.status == BAD_INPUT, said
    assert sentence in said.err, said.err


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    said = check(tmp_path / "nothing")
    assert (said.status, "No such file" in said.err) == (BAD_INPUT, True)
    said = check(tmp_path)
    assert said.status == BAD_INPUT


OWN_MODEL = """
from trilemma.check.model import Model

def step(state, operation):
    if operation.kind == "set":
        return True, operation.argument
    return operation.outcome == "info" or operation.result == state, state

FLAG = Model("flag", False, step)

def flag(initial=False):
    return Model("flag", initial, step)
"""


def test_a_model_of_the_users_own_judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_flag.py").write_text(OWN_MODEL)
    (tmp_path / "history").write_text("0 :invoke :look nil\n0 :ok :look true\n")
    results: dict[tuple[str, ...], Any] = {
        ("--model", f"{tmp_path}/own_flag.py:FLAG"): 1,
        ("--model", "own_flag.py:FLAG"): 1,
        ("--model", "own_flag:FLAG"): 1,
        ("--model", "own_flag:flag"): 1,
        ("--model", "own_flag:flag", "--initial", "true"): 0,
    }
    for options, status in results.items():
        said = check(tmp_path / "history", *options)
        assert said.status == status, (options, said)
        assert "linearizable flag" in said.out
