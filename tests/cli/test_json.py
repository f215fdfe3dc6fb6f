"""What fails with --json is one object with `error` on the standard output; the exit status is that of the text."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trilemma.cli import check_history, trials
from trilemma.cli.app import build
from trilemma.cli.guard import INTERNAL
from trilemma.cli.judging import BAD_INPUT

app = build()

CANNOT = 2

FAILURES = {
    "up": (("up", "--default-mode", "xp"), CANNOT, "--default-mode is cp, ap or ca"),
    "status": (("status",), CANNOT, "no cluster"),
    "keyspace list": (("keyspace", "list"), CANNOT, "no cluster"),
    "keyspace info": (("keyspace", "info", "x", "--node", "127.0.0.1:1"), CANNOT, "nothing answers at 127.0.0.1:1"),
    "lint": (("lint", "missing.txt"), CANNOT, "missing.txt cannot be read"),
    "check history": (("check", "history", "missing.jsonl"), BAD_INPUT, "missing.jsonl: No such file"),
    "check run": (("check", "run", "--workload", "x"), BAD_INPUT, "not x"),
    "check run, unknown": (("check", "run", "--target", "127.0.0.1:1", "--time", "1"), 2, "127.0.0.1:1"),
    "check compare": (("check", "compare", "nothing"), BAD_INPUT, "nothing"),
    "trial": (("trial", "fuzzing", "x"), CANNOT, "there is no model 'x'"),
    "an option that is none": (("keyspace", "list", "--nothing"), 2, "No such option: --nothing"),
    "an option that is none, to judge": (("check", "history", "--nothing"), BAD_INPUT, "No such option: --nothing"),
    "a value that is none": (("trial", "starts", "--count", "x"), 2, "valid integer"),
    "a command that is none": (("keyspace", "nothing"), 2, "No such command 'nothing'"),
    "an argument that lacks": (("keyspace", "info"), 2, "Missing"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_one_object_with_the_same_exit_status(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, status, sentence = FAILURES[name]
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, list(words)).exit_code == status
    done = CliRunner().invoke(app, [*words, "--json"])
    assert (done.exit_code, done.stderr) == (status, "")
    told = json.loads(done.stdout)
    assert list(told) == ["error"]
    assert sentence in told["error"]


def test_what_nobody_foresaw_is_an_object_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object) -> None:
        raise ZeroDivisionError("of nothing")

    monkeypatch.setattr(check_history, "_as_json", fail)
    monkeypatch.setattr(trials, "run_starts", fail)
    history = tmp_path / "history.jsonl"
    history.write_text('{"format":"trilemma-history","version":1}\n')
    for words in (("check", "history", str(history), "--model", "register"), ("trial", "starts")):
        done = CliRunner().invoke(app, [*words, "--json"], env={"TRILEMMA_TRACEBACK": ""})
        assert (done.exit_code, done.stderr) == (INTERNAL, "")
        assert json.loads(done.stdout)["error"].startswith("ZeroDivisionError: of nothing. This is a fault of trilemma")


def test_what_stands_behind_two_dashes_is_no_option() -> None:
    done = CliRunner().invoke(app, ["lint", "--", "--json"])
    assert (done.exit_code, done.stdout) == (CANNOT, "")
    assert "--json cannot be read" in done.stderr
