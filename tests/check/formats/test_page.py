"""The page of formats: its snippets run, and the EDN and the log that it shows are read."""

import re
from pathlib import Path

import pytest

from trilemma.check.formats.conventions import Conventions
from trilemma.check.formats.file import FORMATS, read_history
from trilemma.check.formats.stream import Held
from trilemma.check.judges import JUDGES

PAGE = (Path(__file__).parents[3] / "docs" / "histories.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_snippet_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block("python"), "histories.md", "exec"), {})
    assert capsys.readouterr().out == "2 jsonl\n"


def test_what_the_page_shows_is_read() -> None:
    edn = read_history(Held(block("clojure").encode()), None, Conventions())
    assert [(each.kind, each.outcome) for each in edn.operations] == [("write", "ok"), ("cas", "info")]
    assert [fault.kind for fault in edn.faults] == ["cut"]
    log = read_history(Held(block("text").encode()))
    assert [(each.process, each.result) for each in log.operations] == [(4, 3), (2, 3)]


def test_the_page_names_every_format_and_setting() -> None:
    for name in FORMATS:
        assert f"`{name}`" in PAGE
    judged = ("model", "promise", "initial", "clock-error", "time-limit")
    for option in ("cas-fail", "nil", "keys", "order", "format", *judged):
        assert f"--{option}" in PAGE


def test_the_page_lists_the_models_that_there_are() -> None:
    rows = [line for line in PAGE.split("| guessed |")[1].splitlines() if line.startswith("| ")]
    expected = []
    for row in JUDGES.values():
        kinds = " ".join(f"`{kind}`" for kind in sorted(row.kinds))
        expected.append(f"| `{row.name}` | {row.description} | {kinds} | {'yes' if row.guess else ''} |")
    assert rows == expected
