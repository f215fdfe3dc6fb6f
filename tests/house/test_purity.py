"""The pure packages do no I/O, read no clock, draw no randomness, start no thread (ARCHITECTURE: one pure machine)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import trilemma

ROOT = Path(trilemma.__file__).parent
PURE = [
    "base",
    "resp",
    "storage",
    "crdt",
    "datatype",
    "command",
    "replication",
    "keyspace",
    "cluster",
    "node",
    "check",
    "workload",
    "advise",
]
FORBIDDEN = {
    "asyncio",
    "io",
    "multiprocessing",
    "os",
    "pathlib",
    "pickle",
    "random",
    "secrets",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "uuid",
    "uvloop",
    "rocksdict",
}
ALLOWED = {
    ("workload", "random"): "generators are handed a random.Random; they do not make one from entropy",
    ("check", "random"): "forged histories likewise",
}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", PURE)
def test_pure_package_imports_nothing_that_does_io_or_reads_clocks(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    found = {
        (str(path.relative_to(ROOT)), module)
        for path in files
        for module in imported(path)
        if module in FORBIDDEN and (package, module) not in ALLOWED
    }
    assert not found


@pytest.mark.parametrize("package", PURE)
def test_pure_package_has_no_async_no_assert_and_evaluates_nothing(package: str) -> None:
    offences = []
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if isinstance(node, ast.AsyncFunctionDef | ast.Assert) or called in {"eval", "exec", "open", "print"}:
                offences.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not offences
