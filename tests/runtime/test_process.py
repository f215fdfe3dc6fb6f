"""A node as a process on real disks: SIGTERM, kill -9, the sentence of a refusal."""

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import ConnectionError as Unreachable
from redis.retry import Retry

from trilemma.runtime.config import ServerConfig, load
from trilemma.runtime.listening import Sockets, StartRefused
from trilemma.runtime.process import DESCRIPTORS_RESERVED, fitted

pytestmark = pytest.mark.process

PROGRAM = """
import sys
from pathlib import Path
from trilemma.runtime.config import load
from trilemma.runtime.listening import StartRefused
from trilemma.runtime.process import serve
try:
    serve(load(Path(sys.argv[1])), config_file=Path(sys.argv[1]))
except StartRefused as refused:
    sys.exit(str(refused))
"""
TIMEOUT_S = 20


class Process:
    """One node in a process of its own."""

    def __init__(self, path: Path) -> None:
        sockets = Sockets.free()
        address, peer_address = sockets.addresses
        sockets.close()
        self.port = int(address.rpartition(":")[2])
        self.file = path / "n1.toml"
        self.file.write_text(
            f'name = "n1"\ndir = "{path}/n1"\ncluster_id = "c"\nsecret = "sixteen bytes or more"\nlog_format = "json"\n'
            f'[[members]]\nid = 1\nname = "n1"\naddress = "{address}"\npeer_address = "{peer_address}"\n'
        )
        self.child: subprocess.Popen[str]

    def start(self, first: str = "") -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", first + PROGRAM, str(self.file)], stderr=subprocess.PIPE, text=True
        )

    def client(self) -> Redis:
        # A node that starts does not listen yet, or answers that it has no leader: both pass.
        errors = (Unreachable, ResponseError)
        return Redis(port=self.port, retry=Retry(ConstantBackoff(0.05), 200, errors), retry_on_error=list(errors))

    def end(self, number: int) -> tuple[int, str]:
        self.child.send_signal(number)
        _, said = self.child.communicate(timeout=TIMEOUT_S)
        return self.child.returncode, said


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    process.start()
    yield process
    process.child.kill()
    process.child.communicate(timeout=TIMEOUT_S)


def written(process: Process, count: int) -> None:
    with process.client() as client:
        assert client.set("k0", 0)
        with client.pipeline(transaction=False) as pipeline:
            for number in range(count):
                pipeline.set(f"k{number}", number)
            assert all(pipeline.execute())


def assert_kept(process: Process, count: int) -> None:
    with process.client() as client:
        assert client.mget([f"k{number}" for number in range(count)]) == [b"%d" % number for number in range(count)]


def test_sigterm_ends_a_node_with_status_zero_and_keeps_what_was_written(process: Process) -> None:
    written(process, 500)
    status, said = process.end(signal.SIGTERM)
    assert status == 0
    assert '"event": "stopped"' in said
    process.start()
    assert_kept(process, 500)


def test_kill_minus_nine_loses_nothing_that_was_acknowledged(process: Process) -> None:
    for _ in range(2):
        written(process, 500)
        process.end(signal.SIGKILL)
        process.start()
        assert_kept(process, 500)


def test_a_second_process_on_the_same_directory_says_who_holds_it(process: Process, tmp_path: Path) -> None:
    written(process, 1)
    text = process.file.read_text()
    other = Process(tmp_path)
    ports = other.file.read_text()
    assert text != ports
    other.start()
    _, said = other.child.communicate(timeout=TIMEOUT_S)
    assert other.child.returncode == 1
    assert f"n1 is in use by process {process.child.pid}" in said


def test_config_rewrite_keeps_what_config_set_changed(process: Process) -> None:
    with process.client() as client:
        assert client.set("k", "v")
        assert client.config_set("timeout", 300)
        assert client.config_set("requirepass", 'two "words"')
        lines = process.file.read_text("utf-8").splitlines()
        assert client.config_rewrite()
        added = [line for line in process.file.read_text("utf-8").splitlines() if line not in lines]
        assert added == ['requirepass = "two \\"words\\""', "timeout = 300"]
    process.end(signal.SIGTERM)
    process.start()
    with pytest.raises(AuthenticationError):
        written(process, 1)
    with Redis(port=process.port, password='two "words"') as client:
        assert client.get("k") == b"v"
        assert client.config_get("timeout")["timeout"] == "300"


def limited(monkeypatch: pytest.MonkeyPatch, hard: int) -> list[tuple[int, int]]:
    """Have the system allow so many open files; return what is set."""
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (hard, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: found.append(limits))
    return found


def config(tmp_path: Path) -> ServerConfig:
    return load(Process(tmp_path).file)


def test_no_more_clients_are_taken_than_there_are_descriptors_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = limited(monkeypatch, 600)
    assert fitted(config(tmp_path)).maxclients == 600 - DESCRIPTORS_RESERVED
    assert found == [(600, 600)]
    limited(monkeypatch, 1 << 20)
    assert fitted(config(tmp_path)).maxclients == 10_000


def test_a_node_without_descriptors_for_clients_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, DESCRIPTORS_RESERVED)
    with pytest.raises(StartRefused, match="the system allows 512 open files"):
        fitted(config(tmp_path))


def test_a_process_with_few_descriptors_tells_clients_how_many_it_takes(process: Process) -> None:
    process.end(signal.SIGKILL)
    process.start("import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (600, 600))")
    with process.client() as client:
        assert client.set("k", "v")
        assert client.config_get("maxclients") == {"maxclients": "88"}
        assert client.info("clients")["maxclients"] == 88
