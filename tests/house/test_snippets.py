"""The Python of the pages runs, block after block in one namespace, and prints what docs/checking.md says it prints."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import trilemma
from trilemma.cli.app import build
from trilemma.client.pytest_plugin import history, trilemma_cluster  # noqa: F401 - fixtures of the page's tests

app = build()

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "checking.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path = PAGE) -> Iterator[tuple[int, str, str]]:
    """The line each block begins at, its language, its text."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, found[1], found[2]


def test_every_snippet_runs_and_prints_what_the_page_says(
    capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    namespace: dict[str, Any] = {"__name__": "snippets"}
    printed, count = "", 0
    for line, language, text in blocks():
        if language == "text":
            assert printed.strip() == text.strip(), f"{PAGE.name}:{line}"
            printed = ""
        elif language == "python":
            assert not printed, f"{PAGE.name}:{line}: what the block before it prints is not shown"
            exec(compile("\n" * line + text, str(PAGE), "exec"), namespace)
            printed, count = capsys.readouterr().out, count + 1
    assert count > 8
    run_tests(namespace, request)


def python_of(page: Path) -> dict[str, Any]:
    """Run the Python blocks of a page; return what they define."""
    namespace: dict[str, Any] = {"__name__": "snippets"}
    for line, language, text in blocks(page):
        if language == "python":
            exec(compile("\n" * line + text, str(page), "exec"), namespace)
    return namespace


def run_tests(namespace: dict[str, Any], request: pytest.FixtureRequest) -> None:
    tests = [each for name, each in namespace.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test(**{name: request.getfixturevalue(name) for name in inspect.signature(test).parameters})


def test_the_python_of_the_readme_runs_as_it_stands(request: pytest.FixtureRequest) -> None:
    run_tests(python_of(ROOT / "README.md"), request)


def test_a_lock_is_released_without_a_script_by_its_holder_only() -> None:
    release = python_of(ROOT / "docs" / "safety.md")["release"]
    with trilemma.local(nodes=1) as cluster:
        client = cluster.client("n1", decode_responses=False)
        assert client.set("lock", "mine", nx=True, px=60_000)
        assert not release(client, "lock", b"another's")
        assert release(client, "lock", b"mine")
        assert not release(client, "lock", b"mine")


COMMANDS = [line.split("  #")[0].split() for line in (ROOT / "README.md").read_text().splitlines()
            if line.startswith("    trilemma ")]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_of_the_readme_is_one_with_these_options(words: list[str]) -> None:
    names = words[1:]
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[names.pop(0)]
    command.make_context(words[1], names)
    for name in names:
        assert not name.endswith((".py", ".edn")) or (ROOT / name).exists()
