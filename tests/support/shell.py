"""The command line in a process of its own, ports for a cluster that it starts, and the end of all that was started."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import randbelow
from typing import Any, NamedTuple

from trilemma.client.layout import PEER_PORT_OFFSET
from trilemma.client.leftover import left_nodes
from trilemma.runtime.listening import FREE_PORTS_FROM, OUTGOING_PORTS_FROM

COMMAND = (sys.executable, "-m", "trilemma")
ENVIRONMENT = os.environ | {"COLUMNS": "160"}
PATIENCE_S = 120.0
"""More than `up` gives its nodes before it gives up by itself."""
CANNOT = 2


class Said(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


def run(*words: str, cwd: Path, columns: int = 160) -> Said:
    """Run a command to its end."""
    done = subprocess.run(
        [*COMMAND, *words], cwd=cwd, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        env=os.environ | {"COLUMNS": str(columns)},
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


@contextmanager
def detached(*words: str, cwd: Path, directory: str = "trilemma-cluster") -> Iterator[Said]:
    """Start a cluster that outlives its command; at the end none of its nodes runs, whatever came between.

    Gives what `up` said, which may be that it failed; what is checked of it belongs inside.
    """
    place = cwd / directory
    try:
        yield run("up", "--detach", "--dir", str(place), *words, cwd=cwd)
    finally:
        run("down", "--dir", str(place), cwd=cwd)
        left = left_nodes(place)
        assert not left, f"{place} has still {left}"


@contextmanager
def ended(child: "subprocess.Popen[Any]") -> Iterator[None]:
    """End a process at the end if it has not ended by itself, whatever came between."""
    with child:
        try:
            yield
        finally:
            child.kill()


def free_base() -> int:
    """Return a port from which on three nodes can count: it and those above it are free, their peer ports too.

    None of them is one that the system gives to outgoing connections: one of those could be taken meanwhile.
    """
    while True:
        base = FREE_PORTS_FROM + randbelow(OUTGOING_PORTS_FROM - PEER_PORT_OFFSET - FREE_PORTS_FROM - 3)
        with ExitStack() as others:
            try:
                for port in (*range(base, base + 3), *range(base + PEER_PORT_OFFSET, base + PEER_PORT_OFFSET + 3)):
                    others.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return base


def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
