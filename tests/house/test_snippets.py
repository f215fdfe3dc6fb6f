"""The Python of docs/checking.md runs, block after block in one namespace, and prints what the page says it prints."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trilemma.client.pytest_plugin import history, trilemma_cluster  # noqa: F401 - fixtures of the page's tests

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "checking.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> Iterator[tuple[int, str, str]]:
    """The line each block begins at, its language, its text."""
    text = PAGE.read_text()
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
    tests = [each for name, each in namespace.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test(**{name: request.getfixturevalue(name) for name in inspect.signature(test).parameters})
