"""`trilemma check convert`: a history in another format, judged the same; what cannot be told is a sentence."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from trilemma.check.fault import Fault
from trilemma.check.formats.file import read_history
from trilemma.check.formats.writer import write
from trilemma.check.history import Operation
from trilemma.cli.app import build
from trilemma.cli.judging import BAD_INPUT

app = build()

STALE = [
    Operation(1, 10, 20, "write", b"x", b"a", b"OK", "ok", "n1", "bank"),
    Operation(1, 30, 40, "write", b"x", b"b", b"OK", "ok", "n1", "bank"),
    Operation(2, 50, 60, "read", b"x", None, b"a", "ok", "n2", "bank"),
    Operation(2, 50, 60, "read", b"x", None, b"a", "ok", "n2", "other"),
]


def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    with path.open("wb") as file:
        write(file, STALE, [Fault("cut", "n2 from n1", 25, 70, ("n2",))])
    return path


def trilemma(*words: object) -> Any:
    return CliRunner().invoke(app, ["check", *map(str, words)], env={"COLUMNS": "160"})


def test_a_history_goes_round_all_formats_and_is_judged_the_same(tmp_path: Path) -> None:
    path = recorded(tmp_path)
    for name in ("one.edn", "two.log", "three.txt", "four.jsonl"):
        after = tmp_path / name
        done = trilemma("convert", path, after, "--keyspace", "bank" if name == "one.edn" else "")
        assert done.exit_code == 0, done.output
        assert "3 operations, 1 faults" in done.stdout
        assert trilemma("history", after).exit_code == 1
        path = after
    with path.open("rb") as file:
        assert read_history(file).operations[0].argument == b"a"


def test_what_is_left_out_is_named_for_people_and_for_programs(tmp_path: Path) -> None:
    path, after = recorded(tmp_path), tmp_path / "run.out"
    assert trilemma("convert", path, after, "--to", "edn", "--keyspace", "bank").stdout.replace("\n", "") == (
        f"{after}: format edn, 3 operations, 1 faults; left out: node, keyspace"
    )
    told = json.loads(trilemma("convert", path, after, "--to", "log", "--keyspace", "bank", "--json").stdout)
    assert told == {
        "file": str(after),
        "format": "log",
        "operations": 3,
        "faults": 1,
        "left_out": ["node", "keyspace", "times"],
    }


def test_edn_whose_lines_have_no_right_order_is_written_only_for_those_who_read_its_times(tmp_path: Path) -> None:
    path, after = tmp_path / "run.jsonl", tmp_path / "run.edn"
    spans = [(0, 0, 10), (0, 10, 20), (1, 0, 10), (1, 10, 20)]
    with path.open("wb") as file:
        write(file, [Operation(process, begin, end, "read", b"x", None, None) for process, begin, end in spans])
    refused = trilemma("convert", path, after)
    assert refused.exit_code == BAD_INPUT
    assert "--times-tell" in refused.stderr
    assert not after.exists()
    done = trilemma("convert", path, after, "--times-tell")
    assert done.exit_code == 0
    assert "left out: what was concurrent at 1 stamps" in done.stdout.replace("\n", " ")
    assert "which only EDN has" in trilemma("convert", path, tmp_path / "run.log", "--times-tell").stderr


def test_what_cannot_be_written_is_a_sentence_and_leaves_the_file_alone(tmp_path: Path) -> None:
    path, after = recorded(tmp_path), tmp_path / "run.edn"
    after.write_text("before")
    refusals = {
        ("convert", path, after): "process 2 does two things at once",
        ("convert", path, after, "--keyspace", "none"): "without operations",
        ("convert", path, tmp_path / "run.xml"): "--to is one of jsonl, edn, log; not '.xml'",
        ("convert", after, tmp_path / "run.log"): "no history in a format known here",
        ("convert", tmp_path / "none", after): "No such file",
        ("convert", path, tmp_path, "--to", "edn", "--keyspace", "bank"): "could not be written",
        ("convert", path, after, "--keys", "some"): "--keys is one of",
    }
    for words, reason in refusals.items():
        done = trilemma(*words)
        assert done.exit_code == BAD_INPUT, done.output
        assert reason in done.stderr
    assert after.read_text() == "before"
