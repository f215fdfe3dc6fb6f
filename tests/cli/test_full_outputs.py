"""A disk that is full takes no sentence either: the exit status is what it is where there is room."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trilemma.cli.judging import BAD_INPUT

pytestmark = pytest.mark.process

CANNOT = 2
INTERNAL = 70
TIMEOUT_S = 60
FULL = "/dev/full"
BROKEN = """
from trilemma.cli import main, serve

def broken(_):
    raise RuntimeError("a fault of ours")

serve.load = broken
main()
"""
STOPPED = """
from trilemma.cli import main
from trilemma.runtime.server import Server

start = Server.start
async def started(server):
    await start(server)
    server.begin_shutdown()

Server.start = started
main()
"""
TOML = """
name = "n1"
dir = "{directory}/n1"
cluster_id = "c"
secret = "sixteen bytes or more"
[[members]]
id = 1
name = "n1"
address = "127.0.0.1:0"
peer_address = "127.0.0.1:0"
"""


@pytest.fixture
def node(tmp_path: Path) -> str:
    file = tmp_path / "n1.toml"
    file.write_text(TOML.format(directory=tmp_path))
    return str(file)


def status(*words: str, program: str = "from trilemma.cli import main; main()", buffered: str = "", **full: int) -> int:
    """Return the exit status of a command of whose outputs some take nothing."""
    outputs = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **full}
    environment = os.environ | {"PYTHONUNBUFFERED": buffered}
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, **outputs, env=environment, timeout=TIMEOUT_S, check=False).returncode


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("serve", "--config", "missing.toml"), CANNOT),
        (("check", "history", "missing.jsonl"), BAD_INPUT),
        (("status", "--dir", "missing", "--json"), CANNOT),
        (("status", "--nothing", "--json"), CANNOT),
    ],
)
def test_a_refusal_that_nobody_can_be_told_keeps_its_status(
    words: tuple[str, ...], expected: int, buffered: str
) -> None:
    with open(FULL, "w") as full:
        assert status(*words, buffered=buffered, stdout=full.fileno(), stderr=full.fileno()) == expected


@pytest.mark.parametrize("buffered", ["", "1"])
def test_nor_is_a_fault_taken_for_something_else(node: str, buffered: str) -> None:
    with open(FULL, "w") as full:
        found = status("serve", "--config", node, program=BROKEN, buffered=buffered, stderr=full.fileno())
    assert found == INTERNAL


def test_a_node_that_could_say_nothing_of_itself_ends_as_one_that_could(node: str) -> None:
    with open(FULL, "w") as full:
        assert status("serve", "--config", node, program=STOPPED, stderr=full.fileno()) == 0


def test_nor_does_it_matter_that_there_is_nowhere_to_say_it() -> None:
    closed = ["sh", "-c", f'exec "{sys.executable}" -m trilemma serve --config missing.toml 2>&-']
    assert subprocess.run(closed, timeout=TIMEOUT_S, check=False).returncode == CANNOT
