"""The commands, put together."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from trilemma.cli.app import PARTS, build
from trilemma.version import __version__

PROGRAM = """
import sys
from trilemma.cli.app import build
build(sys.argv[1:])
print(*sorted(name for name in sys.modules if name.startswith("trilemma.")))
"""
HEAVY = ("trilemma.node.machine", "trilemma.sim.run", "trilemma.runtime.server", "trilemma.check.judges")


def loaded(*words: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("word", ["status", "down", "keyspace", "lab", "--version"])
def test_what_asks_a_cluster_loads_no_part_of_a_node(word: str) -> None:
    assert not set(HEAVY) & set(loaded(word))


def test_what_is_a_node_loads_it() -> None:
    """So that the names in the test above are those of the parts."""
    assert {"trilemma.node.machine", "trilemma.runtime.server"} <= set(loaded("serve"))
    assert set(HEAVY) <= set(loaded("--help"))


def test_the_help_names_every_command_and_each_has_its_own() -> None:
    runner = CliRunner()
    told = runner.invoke(build(["--help"]), ["--help"]).stdout
    for word in PARTS:
        assert f" {word} " in told
        alone = runner.invoke(build([word, "--help"]), [word, "--help"])
        assert alone.exit_code == 0
        assert alone.stdout == runner.invoke(build(), [word, "--help"]).stdout
        assert f"{word} [OPTIONS]" in alone.stdout


def test_a_word_that_is_no_command_is_refused_with_the_nearest_one() -> None:
    done = CliRunner().invoke(build(["statu"]), ["statu"])
    assert done.exit_code == 2
    assert "status" in done.output


def test_the_version_is_told() -> None:
    done = CliRunner().invoke(build(["--version"]), ["--version"])
    assert done.exit_code == 0
    assert done.stdout == f"trilemma {__version__}\n"
