"""Programs of nodes: started, paused, killed and ended by their own process ids, never by name.

Owns child processes and their log files; knows no store and no network. Each child has a session of its own, so that
Ctrl-C reaches only the run, which then ends its children in order.
"""

import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from trilemma.target.port import TargetError

ANSWER_S: Final = 5.0
"""How long a program may take to say its version, or the kernel to end a killed one."""

LOG_LINES: Final = 5


def find_binary(name: str, package: str) -> str:
    """Return the path of a program.

    Raises:
        TargetError: it is not installed; names Debian's package.
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        raise TargetError(f"{name} is not installed; on Debian: apt-get install {package}")
    return found


def version_of(binary: str) -> str:
    """Return the first line of what a program says of its version."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=ANSWER_S, check=False)
    return (said.stdout or said.stderr).strip().split("\n")[0]


class _Program(NamedTuple):
    node: str
    name: str
    command: tuple[str, ...]


class Programs:
    """The programs of all nodes; see `port.Processes`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._programs: list[_Program] = []
        self._children: dict[tuple[str, str], subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def run(self, node: str, name: str, command: Sequence[str]) -> None:
        """Start a program of a node, and remember how."""
        program = _Program(node, name, tuple(command))
        self._programs.append(program)
        self._spawn(program)

    def pause(self, node: str) -> None:
        """See `port.Processes`."""
        self._signal(node, signal.SIGSTOP)

    def resume(self, node: str) -> None:
        """See `port.Processes`."""
        self._signal(node, signal.SIGCONT)

    def kill(self, node: str) -> None:
        """See `port.Processes`."""
        self._signal(node, signal.SIGKILL)
        for child in self._of(node):
            child.wait(ANSWER_S)

    def start(self, node: str) -> None:
        """See `port.Processes`."""
        for program in self._programs:
            if program.node == node:
                self._spawn(program)

    def stop(self) -> None:
        """End everything at once: what the programs hold is thrown away, so nothing need be handed over or flushed."""
        with self._lock:
            children = list(self._children.values())
            self._children.clear()
            self._programs.clear()
        for child in children:
            child.kill()
        for child in children:
            child.wait()

    def explain(self) -> str:
        """Return what the programs that have ended said last."""
        lines = []
        for (node, name), child in self._children.items():
            if child.poll() is not None:
                log = self._log(node, name).read_text("utf-8", "replace").splitlines()
                lines.append(f"{name} of {node} ended with {child.returncode}: {' | '.join(log[-LOG_LINES:])}")
        return "; ".join(lines)

    def _log(self, node: str, name: str) -> Path:
        return self._directory / f"{node}-{name}.log"

    def _spawn(self, program: _Program) -> None:
        with self._lock:
            known = self._children.get((program.node, program.name))
            if known is not None and known.poll() is None:
                return
            with self._log(program.node, program.name).open("ab") as log:
                self._children[program.node, program.name] = subprocess.Popen(
                    program.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )

    def _of(self, node: str) -> list[subprocess.Popen[bytes]]:
        with self._lock:
            return [child for (owner, _), child in self._children.items() if owner == node]

    def _signal(self, node: str, number: signal.Signals) -> None:
        for child in self._of(node):
            child.send_signal(number)
