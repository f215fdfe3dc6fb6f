"""Every error that a client can get stands in the registry, and docs/limits.md names the texts that are sent."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import trilemma
from trilemma.base.errors import REGISTRY
from trilemma.base.limits import LIMITS
from trilemma.cli.documents import errors

ROOT = Path(trilemma.__file__).parent
PACKAGES = (
    "base",
    "resp",
    "crdt",
    "storage",
    "datatype",
    "replication",
    "keyspace",
    "cluster",
    "command",
    "node",
    "runtime",
    "lab",
)
CODES = "ERR|CLUSTERDOWN|UNCERTAIN|TRYAGAIN|EXECABORT|WRONGTYPE|CROSSSLOT|DENIED|NOAUTH|NOPROTO|WRONGPASS|MOVED|ASK"
TEXT = re.compile(rf"-?(?:{CODES}) \S")
DECLARING = ("register", "limit")
HOLE = "{}"


@pytest.fixture(scope="module", autouse=True)
def everything_is_imported() -> None:
    errors()


def templates() -> list[str]:
    """The texts of the registry, every field a hole."""
    return [re.sub(r"\{[^{}]*\}", HOLE, entry.template) for entry in REGISTRY.values()]


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the literals that look like an error, outside of what declares one: line and text, every field a hole."""
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id in DECLARING:
        return
    if isinstance(tree, ast.JoinedStr):
        parts = [str(part.value) if isinstance(part, ast.Constant) else HOLE for part in tree.values]
        yield tree.lineno, "".join(parts)
        return
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str | bytes):
        yield tree.lineno, tree.value.decode("latin-1") if isinstance(tree.value, bytes) else tree.value
    for child in ast.iter_child_nodes(tree):
        yield from texts(child)


def is_registered(text: str) -> bool:
    """Say whether the registry holds a text, or one that it begins."""
    bare = text.removeprefix("-").rstrip("\r\n")
    return bare in templates() or (
        not bare.endswith(HOLE) and any(template.startswith(bare) for template in templates())
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_no_error_is_sent_that_the_registry_does_not_hold(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, text in texts(ast.parse(path.read_text()))
        if TEXT.match(text) and not is_registered(text)
    ]
    assert not found


def test_the_answer_at_a_bound_is_the_text_that_is_sent() -> None:
    patterns = [re.compile(".+".join(map(re.escape, template.split(HOLE)))) for template in templates()]
    wrong = [
        f"{name}: {entry.answer}"
        for name, entry in LIMITS.items()
        if entry.answer.startswith("ERR ")
        and not any(pattern.fullmatch(entry.answer) for pattern in patterns)
        and not any(template.startswith(entry.answer.rstrip(" …")) for template in templates())
    ]
    assert not wrong
