"""Jepsen's histories of each kind, from EDN to a verdict: what the reader makes of them is what the checkers expect."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trilemma.cli.app import build

app = build()


def edn(*lines: str) -> bytes:
    """Return a history of operations that follow each other: `process :f asked told`, the values in EDN."""
    made = []
    for line in lines:
        process, function, asked, told = line.split("|")
        end = ":info" if told == "?" else ":fail" if told == "!" else ":ok"
        value = asked if told in "?!" else told
        made.append(f"{{:process {process}, :type :invoke, :f :{function}, :value {asked}}}")
        made.append(f"{{:process {process}, :type {end}, :f :{function}, :value {value}}}")
    return "\n".join(made).encode()


ADDS = ("0|add|1|1", "0|add|2|2")
PUTS = ("0|enqueue|1|1", "0|enqueue|2|2")
FORKS = ("0|write|[[:w 1 1]]|[[:w 1 1]]", "0|write|[[:w 2 1]]|[[:w 2 1]]")
SEEN_1 = "1|read|[[:r 1 nil] [:r 2 nil]]|[[:r 1 1] [:r 2 nil]]"
SEEN_2 = "2|read|[[:r 2 nil] [:r 1 nil]]|[[:r 2 1] [:r 1 nil]]"
BOTH = "2|read|[[:r 2 nil] [:r 1 nil]]|[[:r 2 1] [:r 1 1]]"
APPENDS = ("0|txn|[[:append 3 1]]|[[:append 3 1]]", "0|txn|[[:append 3 2] [:append 4 1]]|[[:append 3 2] [:append 4 1]]")
GREW = "1|txn|[[:r 3 nil] [:append 3 3]]|[[:r 3 [1 2]] [:append 3 3]]"
STALE = "1|txn|[[:r 3 nil]]|[[:r 3 [1]]]"
AND_MORE = "2|txn|[[:r 3 nil] [:r 4 nil]]|[[:r 3 [1 2]] [:r 4 [1]]]"
WRITES = ("0|write|1|1", "0|write|2|2")

HISTORIES: dict[str, tuple[str, str, bytes, bytes]] = {
    "set": ("set", "", edn(*ADDS, "1|read|nil|#{1 2}"), edn(*ADDS, "1|read|nil|#{2}")),
    "set as a list, an add in doubt": (
        "set", "", edn(*ADDS, "2|add|3|?", "1|read|nil|[1 2 3]"), edn(*ADDS, "2|add|3|!", "1|read|nil|[1 2 3]"),
    ),
    "set-full": (
        "set-full", "set-full", edn(*ADDS, "1|read|nil|#{}", "1|read|nil|#{1 2}"), edn(*ADDS, "1|read|nil|#{1}"),
    ),
    "set-full, an element twice": (
        "set-full", "set-full", edn(*ADDS, "1|read|nil|[2 1]"), edn(*ADDS, "1|read|nil|[1 2 1]"),
    ),
    "counter": ("counter", "", edn(*ADDS, "1|read|nil|3"), edn(*ADDS, "1|read|nil|4")),
    "queue": (
        "queue",
        "",
        edn(*PUTS, "1|dequeue|nil|1", "1|dequeue|nil|2", "1|dequeue|nil|nil"),
        edn(*PUTS, "1|dequeue|nil|2"),
    ),
    "queue that is drained": (
        "total-queue",
        "",
        edn(*PUTS, "1|dequeue|nil|2", "1|drain|nil|[1]"),
        edn(*PUTS, "1|dequeue|nil|2", "1|drain|nil|[]"),
    ),
    "mutex": (
        "mutex",
        "",
        edn("0|acquire|nil|nil", "1|acquire|nil|!", "0|release|nil|nil", "1|acquire|nil|nil"),
        edn("0|acquire|nil|nil", "1|acquire|nil|nil"),
    ),
    "mutex, by who asks": (
        "mutex",
        "",
        edn('0|acquire|"n1"|"n1"', '0|release|"n1"|"n1"', '1|acquire|"n2"|"n2"'),
        edn('0|acquire|"n1"|"n1"', '1|acquire|"n2"|"n2"'),
    ),
    "mutex, a release that released nothing": (
        "mutex",
        "",
        edn("0|acquire|nil|nil", "0|release|0|0", "1|acquire|nil|nil"),
        edn("0|acquire|nil|nil", "0|release|nil|false", "1|acquire|nil|nil"),
    ),
    "mutex with fencing tokens": (
        "mutex",
        "",
        edn("0|acquire|nil|{:client 0, :fence 3}", "0|release|nil|nil", "1|acquire|nil|{:client 1, :fence 4}"),
        edn("0|acquire|nil|{:client 0, :fence 3}", "0|release|nil|nil", "1|acquire|nil|{:client 1, :fence 2}"),
    ),
    "string, as Porcupine's": (
        "string",
        "",
        edn('0|put|"a"|"a"', '0|append|"b"|"b"', '1|get|nil|"ab"'),
        edn('0|put|"a"|"a"', '0|append|"b"|"b"', '1|get|nil|"a"'),
    ),
    "list-append": ("list-append", "", edn(*APPENDS, GREW), edn(*APPENDS, STALE)),
    "long-fork": ("long-fork", "long-fork", edn(*FORKS, SEEN_1, BOTH), edn(*FORKS, SEEN_1, SEEN_2)),
    "long fork, guessed": (
        "multi-register", "", edn(FORKS[0], SEEN_1, FORKS[1], BOTH), edn(*FORKS, SEEN_1, SEEN_2),
    ),
    "causal-reverse": (
        "causal-reverse",
        "causal-reverse",
        edn(*WRITES, "1|read|nil|#{1}", "1|read|nil|#{1 2}"),
        edn(*WRITES, "1|read|nil|#{2}"),
    ),
    "expiry": (
        "expiry",
        "",
        edn("0|write|[1 90000]|[1 90000]", "0|expire|90000|1", "1|read|nil|1"),
        edn("0|write|[1 90000]|[1 90000]", "0|expire|90000|1", "1|read|nil|nil"),
    ),
    "sequential": (
        "sequential",
        "sequential",
        edn(*WRITES, "1|read|nil|1", "1|read|nil|2"),
        edn(*WRITES, "1|read|nil|2", "1|read|nil|1"),
    ),
    "sessions": (
        "sessions",
        "sessions",
        edn(*WRITES, "1|read|nil|1", "1|read|nil|2", "1|write|3|3", "1|read|nil|3", "0|read|nil|3"),
        edn(*WRITES, "1|read|nil|2", "1|read|nil|1"),
    ),
    "consistency": (
        "consistency", "consistency", edn(*WRITES, "1|read|nil|2"), edn(*WRITES, "1|read|nil|2", "1|read|nil|1"),
    ),
}  # fmt: skip


def said(tmp_path: Path, content: bytes, *options: str) -> tuple[int, str]:
    (tmp_path / "history.edn").write_bytes(content)
    done = CliRunner().invoke(app, ["check", "history", str(tmp_path / "history.edn"), *options])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_of_jepsens_is_taken_for_what_it_is_and_judged(name: str, tmp_path: Path) -> None:
    model, option, good, bad = HISTORIES[name]
    options = ("--model", option) if option else ()
    for content, status in ((good, 0), (bad, 1)):
        found, text = said(tmp_path, content, *options)
        assert found == status, text
        assert f"model {model}" in text


def test_which_models_hold_is_told_and_a_promise_counts(tmp_path: Path) -> None:
    late = edn(*APPENDS, STALE)
    assert "satisfies strong session serializable; breaks strong snapshot isolation" in said(tmp_path, late)[1]
    assert said(tmp_path, late, "--promise", "serializable")[0] == 0
    status, text = said(tmp_path, late, "--promise", "perfection")
    assert (status, "there is no verdict on 'perfection'" in text) == (64, True)
    stale = edn(*WRITES, "1|read|nil|1", "1|read|nil|2")
    status, text = said(tmp_path, stale, "--model", "consistency", "--json")
    found = json.loads(text)
    assert (status, found["satisfied"], found["broken"]) == (1, ["sequential"], ["linearizable"])
    assert found["models"]["monotonic reads"]["validity"] == "valid"
    assert said(tmp_path, edn(*APPENDS, AND_MORE), "--json")[0] == 0


def test_each_model_that_is_broken_has_its_witness(tmp_path: Path) -> None:
    back = edn(*WRITES, "1|read|nil|2", "1|read|nil|1")
    for model, names in (
        ("consistency", ("linearizable", "causal convergence", "causal", "PRAM")),
        ("sessions", ("PRAM", "causal")),
    ):
        status, text = said(tmp_path, back, "--model", model)
        lines = text.splitlines()
        assert status == 1
        for name in names:
            at = next(number for number, line in enumerate(lines) if line.startswith((f"{name}", f"{name} register")))
            assert ": invalid: " in lines[at]
            assert lines[at + 1].startswith("  process "), (name, text)


def test_of_a_textbook_history_that_goes_back_the_guarantees_that_are_in_question_are_named(tmp_path: Path) -> None:
    back = edn(*WRITES, "1|read|nil|2", "1|read|nil|1")
    for promise, status in (("monotonic reads", 2), ("monotonic writes", 2), ("PRAM", 1), ("causal", 1)):
        assert said(tmp_path, back, "--model", "sessions", "--promise", promise)[0] == status
    text = said(tmp_path, back, "--model", "sessions")[1]
    assert "monotonic reads or monotonic writes is broken, and nobody can tell which" in text
    assert "breaks PRAM" in text


def test_clocks_may_differ_over_deadlines_by_what_the_option_says(tmp_path: Path) -> None:
    gone = HISTORIES["expiry"][3]
    for clock_error, status in (("0", 1), ("0.05", 1), ("0.1", 0)):
        assert said(tmp_path, gone, "--clock-error", clock_error)[0] == status, clock_error


def test_an_option_that_says_nothing_to_the_model_is_refused(tmp_path: Path) -> None:
    queue = edn(*PUTS, "1|dequeue|nil|1")
    assert said(tmp_path, queue, "--initial", "7")[0] == 64
    assert said(tmp_path, edn(*WRITES), "--promise", "causal")[0] == 64
    assert said(tmp_path, queue, "--clock-error", "1")[0] == 64


OWN = """
from trilemma.check.model import Model
def step(state, operation):
    return operation.result in (None, state), state if operation.argument is None else operation.argument
MODEL = Model("own", 0, step)
def make(initial=0):
    return Model("own", initial, step)
"""


def test_options_reach_a_model_of_ones_own_or_are_refused(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    seen = edn("0|look|nil|5")
    for name in ("MODEL", "make"):
        own = ("--model", f"{tmp_path}/own.py:{name}")
        assert said(tmp_path, seen, *own)[0] == 1
        assert said(tmp_path, seen, *own, "--initial", "5")[0] == 0
        for option, value in (("--promise", "serializable"), ("--clock-error", "1")):
            status, text = said(tmp_path, seen, *own, option, value)
            assert (status, name in text) == (64, True), option


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("import sys\nsys.exit(0)\n", "own.py: SystemExit: 0"),
        ("def make():\n    raise SystemExit\n", "own.py:make: SystemExit: "),
        (
            "from trilemma.check.model import Model\n"
            "def step(state, operation):\n    exit(0)\n"
            "make = Model('own', 0, step)\n",
            "failed at process 0",
        ),
        (
            "from trilemma.check.model import Model\n"
            "def is_read(operation):\n    exit(0)\n"
            "make = Model('own', 0, lambda state, operation: (True, state), is_read)\n",
            "cannot judge: SystemExit: 0",
        ),
    ],
    ids=["when it is loaded", "when it makes the model", "in a step", "in another function"],
)
def test_a_model_of_ones_own_that_ends_the_program_has_failed(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "own.py").write_text(content)
    status, text = said(tmp_path, edn("0|look|nil|5"), "--model", f"{tmp_path}/own.py:make")
    assert (status, told in text.replace("\n", "")) == (64, True), text
