"""Nodes that outlive their supervisor: found beyond doubt, ended politely, and nobody else is ever signalled."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trilemma.client.layout import free_places, lay_out, node_file
from trilemma.client.leftover import LeftNode, end, left_nodes

NODE = """
import fcntl, os, signal, sys
if {is_stubborn}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
print("locked", flush=True)
signal.pause() if not {is_stubborn} else [signal.pause() for _ in iter(int, 1)]
"""

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    lay_out(tmp_path / "c", free_places(2), "cp", lab=False, segment_bytes=1 << 20)
    for name in ("n1", "n2"):
        (tmp_path / "c" / name / "data").mkdir()
    return tmp_path / "c"


@pytest.fixture
def start(directory: Path) -> Iterator[Start]:
    """Start something that locks a file as a node does, and ends at SIGTERM unless it is stubborn."""
    children: list[subprocess.Popen[bytes]] = []

    def begin(*words: str, lock: Path | None = None, is_stubborn: bool = False) -> subprocess.Popen[bytes]:
        file = lock or directory / "n1" / "data" / "LOCK"
        code = NODE.format(is_stubborn=is_stubborn)
        child = subprocess.Popen([sys.executable, "-c", code, str(file), *words], stdout=subprocess.PIPE, cwd=directory)
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == b"locked\n"
        return child

    yield begin
    for child in children:
        child.kill()
        child.communicate()


def served(directory: Path, name: str = "n1") -> tuple[str, ...]:
    return "serve", "--config", str(node_file(directory, name))


@pytest.mark.parametrize("words", [("serve", "--config=n1/node.toml"), ("serve", "--config", "n1/node.toml"), ()])
def test_a_node_that_names_its_file_and_holds_its_lock_is_found(
    directory: Path, start: Start, words: tuple[str, ...]
) -> None:
    child = start(*(words or served(directory)))
    assert left_nodes(directory) == [LeftNode("n1", child.pid)]
    assert str(left_nodes(directory)[0]) == f"n1 (process {child.pid})"


def test_who_only_names_the_file_or_only_holds_the_lock_is_no_node(directory: Path, start: Start) -> None:
    start(*served(directory), lock=directory / "n2" / "data" / "LOCK")
    start("backup", str(node_file(directory, "n1")))
    assert left_nodes(directory) == []


def test_what_a_lock_file_says_is_not_believed(directory: Path, start: Start) -> None:
    other = start(lock=directory / "elsewhere")
    (directory / "n1" / "data" / "LOCK").write_text(f"{other.pid}\n")
    assert left_nodes(directory) == []


def test_a_copy_of_a_directory_has_no_nodes_of_the_first(directory: Path, start: Start) -> None:
    start(*served(directory))
    shutil.copytree(directory, directory.parent / "copy")  # its files still name the first one's data
    assert left_nodes(directory.parent / "copy") == []


def test_a_node_that_outlived_its_data_directory_is_found(directory: Path, start: Start) -> None:
    child = start(*served(directory))
    shutil.rmtree(directory / "n1" / "data")
    assert left_nodes(directory) == [LeftNode("n1", child.pid)]


def test_a_node_whose_file_was_damaged_since_is_found(directory: Path, start: Start) -> None:
    child = start(*served(directory))
    node_file(directory, "n1").write_text("[")
    assert left_nodes(directory) == [LeftNode("n1", child.pid)]


def test_nodes_are_asked_to_end_and_all_of_them(directory: Path, start: Start) -> None:
    first, second = start(*served(directory)), start(*served(directory, "n2"), lock=directory / "n2" / "data" / "LOCK")
    second.send_signal(signal.SIGSTOP)  # as `lab pause` does; it could not end
    nodes = left_nodes(directory)
    assert [node.name for node in nodes] == ["n1", "n2"]
    assert end(directory, nodes) == []
    assert (first.wait(), second.wait()) == (-signal.SIGTERM, -signal.SIGTERM)
    assert left_nodes(directory) == []
    assert end(directory, nodes) == []


def test_a_node_that_does_not_end_is_killed_and_told_of(directory: Path, start: Start) -> None:
    child = start(*served(directory), is_stubborn=True)
    nodes = left_nodes(directory)
    assert end(directory, nodes, patience_s=0.1) == nodes
    assert child.wait() == -signal.SIGKILL


def test_a_process_that_has_the_number_of_an_earlier_node_is_left_alone(directory: Path, start: Start) -> None:
    others = [start(lock=directory / "elsewhere"), start(), start(*served(directory), lock=directory / "another")]
    assert end(directory, [LeftNode("n1", other.pid) for other in others], patience_s=0.1) == []
    assert [other.poll() for other in others] == [None] * 3


def test_a_supervisor_that_has_the_directory_and_does_not_answer_is_named(directory: Path, start: Start) -> None:
    start(*served(directory))
    held = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert [node.supervisor for node in left_nodes(directory)] == [os.getpid()]
    finally:
        os.close(held)
    assert [node.supervisor for node in left_nodes(directory)] == [None]
