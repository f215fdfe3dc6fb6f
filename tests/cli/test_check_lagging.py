"""Histories of replicas that may lag, from a file to a verdict: what "mode":"ap" of every operation is taken for."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from trilemma.check.formats.writer import write
from trilemma.check.history import Operation
from trilemma.cli.app import build

app = build()


def said(tmp_path: Path, history: list[Operation], *options: str) -> tuple[int, str]:
    with (tmp_path / "history.jsonl").open("wb") as file:
        write(file, history)
    done = CliRunner().invoke(app, ["check", "history", str(tmp_path / "history.jsonl"), *options])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def at(node: str, begin: int, kind: str, argument: Any = None, result: Any = None, **more: Any) -> Operation:
    process = int(node[1:] or 9)
    return Operation(process, begin, begin + 5, kind, b"k", argument, result, "ok", node, mode="ap")._replace(**more)


FIRST = at("n1", 0, "add", b"x", receipt=(b"n1", 1))
SECOND = at("n2", 10, "add", b"x", receipt=(b"n2", 1))
SAW_FIRST, SAW_BOTH = ({b"n1": 1}, {b"n1": 1, b"n2": 1})
REMOVE = at("n1", 20, "remove", b"x", 1, context=SAW_FIRST)
SHOWN, GONE = ([at(node, 90, "read", None, shown) for node in ("n1", "n2")] for shown in ((b"x",), ()))

GOOD_AND_BAD: dict[str, tuple[str, list[Operation], list[Operation]]] = {
    "an add that a remove had not seen stays": (
        "or-set", [FIRST, SECOND, REMOVE, *SHOWN], [FIRST, SECOND, REMOVE, *GONE],
    ),
    "a remove that had seen all adds": (
        "or-set",
        [FIRST, SECOND, REMOVE._replace(context=SAW_BOTH), *GONE],
        [FIRST, SECOND, REMOVE._replace(context=SAW_BOTH), *SHOWN],
    ),
    "without dots a remove takes what its node acknowledged": (
        "or-set",
        [SECOND, REMOVE._replace(context=None), *SHOWN],
        [FIRST, REMOVE._replace(context=None), *SHOWN],
    ),
    "an element that another node added may come late": ("or-set", [FIRST, GONE[1]], [FIRST, GONE[0]]),
    "an add to a counter that another node counted may come late": (
        "counter-bounds",
        [at("n1", 0, "add", 5, 5), at("n2", 10, "add", 2, 2), at("n2", 20, "read", None, 7)],
        [at("n1", 0, "add", 5, 5), at("n1", 10, "add", 2, 2)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD_AND_BAD)
def test_what_replicas_may_show_late_is_valid_and_what_a_node_knew_must_be_shown(name: str, tmp_path: Path) -> None:
    model, good, bad = GOOD_AND_BAD[name]
    for history, status in ((good, 0), (bad, 1)):
        for options, told in (((), f"model {model} (guessed"), (("--model", model), f"model {model}\n")):
            found, text = said(tmp_path, history, *options)
            assert (found, told in text) == (status, True), text


@pytest.mark.parametrize(
    ("model", "history"),
    [("set", GOOD_AND_BAD["an element that another node added may come late"][1]),
     ("counter", GOOD_AND_BAD["an add to a counter that another node counted may come late"][1])],
)  # fmt: skip
def test_one_order_is_asked_for_where_an_operation_has_another_mode_or_the_model_is_named(
    model: str, history: list[Operation], tmp_path: Path
) -> None:
    for mixed in ([history[0]._replace(mode=""), *history[1:]], [each._replace(mode="cp") for each in history]):
        status, text = said(tmp_path, mixed)
        assert (status, f"model {model} (guessed" in text) == (1, True), text
    assert said(tmp_path, history, "--model", model)[0] == 1


def test_a_value_that_is_written_again_is_there_again_whether_replicas_lag_or_not(tmp_path: Path) -> None:
    lagging = [
        at("n1", 0, "write", (b"on", 100)),
        at("n1", 200, "read"),
        at("n1", 300, "write", (b"on", 100)),
        at("n1", 350, "read", None, b"on"),
    ]
    for history in (lagging, [each._replace(mode="cp") for each in lagging]):
        assert said(tmp_path, history, "--model", "expiry")[0] == 0
        late = [*history[:3], history[3]._replace(invoke_us=410, complete_us=411)]
        assert said(tmp_path, late, "--model", "expiry")[0] == 1


@pytest.mark.parametrize("name", GOOD_AND_BAD)
def test_nothing_is_asked_of_nodes_that_are_not_named(name: str, tmp_path: Path) -> None:
    _, good, bad = GOOD_AND_BAD[name]
    for history in (good, bad):
        placeless = [each._replace(node="", receipt=None, context=None) for each in history]
        apart = [each._replace(process=place, result=None if each.kind == "add" else each.result)
                 for place, each in enumerate(placeless)]  # fmt: skip
        assert said(tmp_path, apart)[0] == 0
