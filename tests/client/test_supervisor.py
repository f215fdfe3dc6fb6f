"""The supervisor's socket: whatever comes gets an answer on one line, and the supervisor goes on."""

import asyncio
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from trilemma.client.layout import CONTROL, NodePlace
from trilemma.client.supervisor import LINE_BYTES_MAX, Supervisor

PATIENCE_S = 20.0


class Asked:
    """A supervisor in a thread, of one node whose process ends at once."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / CONTROL
        self.problems: list[dict[str, Any]] = []
        self._started = threading.Event()
        (directory / "n1").mkdir()
        self._supervisor = Supervisor(directory, [NodePlace("n1", 1, 1, 2)], ["true"])
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        assert self._started.wait(PATIENCE_S)

    async def _run(self) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.problems.append(context))
        await self._supervisor.run(self._started.set)

    def ask(self, message: bytes) -> Any:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(str(self._path))
            connection.sendall(message)
            connection.shutdown(socket.SHUT_WR)
            return json.loads(connection.makefile().readline())

    def stop(self) -> None:
        assert self.ask(b'{"do": "stop"}\n') == {"ok": True}
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    made = Asked(tmp_path_factory.mktemp("s"))
    yield made
    made.stop()


FORM = "one JSON object on a line is expected, with 'do' and, of a node, 'node'"


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (b'{"do": "kill", "node": []}\n', "no node []; there are n1"),
        (b'{"do": "kill", "node": {"a": 1}}\n', "no node {'a': 1}; there are n1"),
        (b'{"do": "kill"}\n', "no node None; there are n1"),
        (b'{"do": "kill", "node": "n9"}\n', "no node 'n9'; there are n1"),
        (b'{"do": "dance", "node": "n1"}\n', "unknown action 'dance'"),
        (b'{"do": ["kill"], "node": "n1"}\n', FORM),
        (b'{"node": "n1"}\n', FORM),
        (b'["do"]\n', FORM),
        (b'"do"\n', FORM),
        (b"null\n", FORM),
        (b"\n", FORM),
        (b"", FORM),
        (b"{\n", FORM),
        (b"\xff\xfe\n", FORM),
        (b"[" * 50_000 + b"\n", FORM),
        (b"x" * (LINE_BYTES_MAX + 1) + b"\n", FORM),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_message_that_means_nothing_gets_an_answer(asked: Asked, message: bytes, sentence: str) -> None:
    assert asked.ask(message) == {"error": sentence}
    assert asked.problems == []


class Sleeping:
    """A supervisor of one node whose process stays."""

    def __init__(self, directory: Path, *, has_lab: bool = True) -> None:
        (directory / "n1").mkdir()
        # `serve --config FILE` becomes arguments of the script, which does not look at them.
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        self.supervisor = Supervisor(directory, [NodePlace("n1", 1, 1, 2)], command, has_lab=has_lab)

    async def act(self, action: str) -> dict[str, Any]:
        return await self.supervisor._answer(json.dumps({"do": action, "node": "n1"}).encode())


def pids_of(directory: Path) -> set[int]:
    """Return the processes whose command line names something in a directory."""
    found = set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and str(directory).encode() in (entry / "cmdline").read_bytes():
                found.add(int(entry.name))
    return found


def test_two_starts_of_one_node_at_once_make_one_process(tmp_path: Path) -> None:
    async def scene() -> None:
        made = Sleeping(tmp_path)
        told = await asyncio.gather(made.act("start"), made.act("start"))
        pids = {each["node"]["pid"] for each in told}
        assert len(pids) == 1
        assert pids_of(tmp_path) == pids
        await asyncio.gather(made.act("kill"), made.act("start"), made.act("restart"))
        await made.supervisor._nodes["n1"].stop()
        await made.act("start")
        assert pids_of(tmp_path) == set(), "what was stopped for good is not started again"

    asyncio.run(scene())


def test_a_node_that_is_down_is_not_paused(tmp_path: Path) -> None:
    async def scene() -> None:
        made = Sleeping(tmp_path)
        await made.act("start")
        await made.act("kill")
        for action in ("pause", "resume"):
            told = await made.act(action)
            assert told == {"error": "n1 is down (exit -9): only what runs can be paused or resumed"}

    asyncio.run(scene())


def test_faults_of_processes_are_for_a_cluster_with_a_lab(tmp_path: Path) -> None:
    async def scene() -> None:
        made = Sleeping(tmp_path, has_lab=False)
        await made.act("start")
        for action in ("kill", "pause"):
            told = await made.act(action)
            assert told["error"].startswith(f"{action} is a fault, and this cluster was started without --lab")
        for action in ("resume", "restart"):
            assert (await made.act(action))["node"]["state"] == "running"
        await made.supervisor._nodes["n1"].stop()

    asyncio.run(scene())
