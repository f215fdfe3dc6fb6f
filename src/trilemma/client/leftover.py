"""Nodes of a cluster's directory that run although their supervisor is gone: found, and ended politely.

A number in a file proves nothing, because numbers of processes are used again. A process is a node of a directory where
two things hold: its command line names the node's file, and it holds the lock on that node's data directory. Signals go
through a descriptor of the process that was opened before both were looked at, so none can reach a later process of the
same number. Sources: pidfd_open(2); proc(5), fdinfo.
"""

import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from trilemma.client.layout import node_file
from trilemma.runtime.config import ConfigError, load

STOP_S = 8.0
"""How long a node may take to hand over before it is killed."""

PROC = Path("/proc")
DELETED = " (deleted)"
"""What the kernel adds to the path of an open file whose name is gone: the node outlived its directory."""


@dataclass(frozen=True, slots=True)
class LeftNode:
    """A node that runs. `supervisor`: its parent, where that has the directory and yet did not answer."""

    name: str
    pid: int
    supervisor: int | None = None

    def __str__(self) -> str:
        """Name it to people."""
        return f"{self.name} (process {self.pid})"


def left_nodes(directory: Path) -> list[LeftNode]:
    """Return the nodes of a directory that run, by name; those of other users are not seen.

    Args:
        directory: absolute. Whether a supervisor answers there is for the caller to have asked.
    """
    files = {file.resolve(): file.parent.name for file in sorted(directory.glob("*/node.toml"))}
    if not files:
        return []
    found = [
        LeftNode(files[file], pid, _supervisor(pid, directory))
        for pid in _processes()
        if (file := _config_file(pid)) in files and _is_node(pid, directory, files[file])
    ]
    return sorted(found, key=lambda node: node.name)


def end(directory: Path, nodes: Sequence[LeftNode], patience_s: float = STOP_S) -> list[LeftNode]:
    """Have nodes hand over and leave; return those that were killed, because they took longer than that.

    Raises:
        OSError: a process cannot be signalled, as one of another user.
    """
    with ExitStack() as stack:
        running: dict[int, LeftNode] = {}
        for node in nodes:
            with suppress(ProcessLookupError):  # it has ended by itself
                descriptor = os.pidfd_open(node.pid)
                stack.callback(os.close, descriptor)
                if _is_node(node.pid, directory, node.name):
                    running[descriptor] = node
        _signal(running, signal.SIGTERM)
        _signal(running, signal.SIGCONT)  # one that was paused could not hand over
        late = _still_running(running, patience_s)
        _signal(late, signal.SIGKILL)
        _still_running(late, patience_s)
        return list(late.values())


def _signal(nodes: dict[int, LeftNode], number: int) -> None:
    for descriptor in nodes:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, number)


def _still_running(nodes: dict[int, LeftNode], patience_s: float) -> dict[int, LeftNode]:
    """Wait until processes have ended; return those that have not."""
    left, end_s = dict(nodes), time.monotonic() + patience_s
    poll = select.poll()
    for descriptor in left:
        poll.register(descriptor, select.POLLIN)
    while left and (wait_s := end_s - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(wait_s * 1000):
            poll.unregister(descriptor)
            del left[descriptor]
    return left


# What the kernel tells of a process. One that ends meanwhile, or is another user's, tells nothing.


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _config_file(pid: int) -> Path | None:
    """Return the file that a process was told to serve by; None for one that is no node."""
    try:
        words = [os.fsdecode(word) for word in (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")]
        cwd = os.readlink(PROC / str(pid) / "cwd")
    except OSError:
        return None
    if "serve" not in words:
        return None
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--config" or word.startswith("--config="):
            return Path(cwd, following if word == "--config" else word.partition("=")[2]).resolve()
    return None


def _is_node(pid: int, directory: Path, name: str) -> bool:
    """Say whether a process is, at this moment, the node of that name."""
    file = node_file(directory, name)
    return _config_file(pid) == file.resolve() and _holds(pid, _data(file) / "LOCK")


def _data(file: Path) -> Path:
    try:
        return Path(load(file).dir)
    except ConfigError:
        return file.parent / "data"  # where it was laid out; the file was damaged since the node read it


def _holds(pid: int, path: Path) -> bool:
    """Say whether a process has a lock (flock) on a file, or on one that had that path."""
    wanted = os.path.realpath(path)
    try:
        descriptors = list((PROC / str(pid) / "fd").iterdir())
    except OSError:
        return False
    for descriptor in descriptors:
        with suppress(OSError):
            if os.readlink(descriptor).removesuffix(DELETED) == wanted:
                told = (PROC / str(pid) / "fdinfo" / descriptor.name).read_text("ascii")
                if any(line.startswith("lock:") and "FLOCK" in line for line in told.splitlines()):
                    return True
    return False


def _supervisor(pid: int, directory: Path) -> int | None:
    """Return the parent of a process, where it is the supervisor that has the directory."""
    try:
        stat = (PROC / str(pid) / "stat").read_text("ascii", "replace")
    except OSError:
        return None
    parent = int(stat.rpartition(")")[2].split()[1])  # the name in parentheses may hold anything
    return parent if _holds(parent, directory) else None
