"""`trilemma lint` as a user meets it: files, keyspaces, what a server's clients send, exit statuses."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

import trilemma
from shell import ended
from trilemma.client.local import LocalCluster

COMMAND = (sys.executable, "-m", "trilemma", "lint")
ENVIRONMENT = os.environ | {"COLUMNS": "300"}
PATIENCE_S = 60.0
CLEAN, FOUND, CANNOT = 0, 1, 2


class Said(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


def lint(*words: str, stdin: str = "", **more: str) -> Said:
    done = subprocess.run(
        [*COMMAND, *words], input=stdin, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        env=ENVIRONMENT | more,
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "shop.py"
    path.write_text('import redis\nr = redis.Redis(retry=None)\nif r.setnx("shop:lock", 1):\n    r.incr("shop:sold")\n')
    return path


def test_a_finding_tells_place_reason_and_safe_way_and_the_status_is_one(source: Path) -> None:
    said = lint(str(source), "--keyspace", "shop=ap")
    assert said.status == FOUND
    lines = said.out.splitlines()
    assert lines[0] == f"{source}:3: unsafe lock-on-ap, keyspace 'shop' (ap): r.setnx('shop:lock', 1)"
    assert lines[1].startswith("    why: two sides of a cut")
    assert lines[2] == "    safe: keep locks, leases and unique names in a cp keyspace"
    assert lines[-1] == "2 commands judged: 1 unsafe, 0 hints"


def test_what_is_clean_has_the_status_zero() -> None:
    said = lint("-", stdin="SET a 1\nINCRBY b 5\n")
    assert said == Said(CLEAN, "2 commands judged: 0 unsafe, 1 hints (--hints shows them)\n", "")
    assert lint("-", "--strict", stdin="INCRBY b 5\n").status == FOUND
    assert "hint blind-retry" in lint("-", "--hints", stdin="INCRBY b 5\n").out


def test_json_holds_the_same(source: Path) -> None:
    said = lint(str(source), "--mode", "ap", "--json")
    told: dict[str, Any] = json.loads(said.out)
    assert (said.status, told["status"], told["judged"]) == (FOUND, FOUND, 2)
    assert [each["rule"] for each in told["findings"]] == ["lock-on-ap"]
    fields = {"place", "call", "rule", "gravity", "keyspace", "mode", "reason", "safe", "times"}
    assert set(told["findings"][0]) == fields


def test_keyspaces_come_from_a_file_too(source: Path, tmp_path: Path) -> None:
    listed = tmp_path / "keyspaces.json"
    listed.write_text('[{"name": "shop", "mode": "ap"}, {"name": "default", "mode": "ca"}]')
    assert "keyspace 'shop' (ap)" in lint(str(source), "--keyspaces", str(listed)).out
    assert "'default' (ca)" in lint("-", "--keyspaces", str(listed), stdin="GET a\nSET a 1").out


@pytest.mark.parametrize(
    ("words", "stdin", "why"),
    [
        ((), "", "name files, or --monitor host:port"),
        (("-", "--monitor", "127.0.0.1:1"), "", "name files, or --monitor host:port"),
        (("nowhere.txt",), "", "nowhere.txt cannot be read"),
        (("-",), "", "no command was found"),
        (("-",), "Once upon a time\n", "Once upon a time is no command"),
        (("-", "--keyspace", "shop"), "GET a\n", "is not name=mode"),
        (("-", "--mode", "both"), "GET a\n", "a mode is cp, ca or ap"),
        (("-", "--cluster", "127.0.0.1:1"), "GET a\n", "does not tell its keyspaces"),
        (("--monitor", "127.0.0.1:1"), "", "cannot be listened to"),
        (("--monitor", "nowhere"), "", "--monitor is host:port"),
        (("--monitor", "127.0.0.1:1", "--time", "inf"), "", "--time"),
    ],
)
def test_what_cannot_be_judged_has_the_status_two_and_is_said(words: tuple[str, ...], stdin: str, why: str) -> None:
    said = lint(*words, stdin=stdin)
    assert said.status == CANNOT
    assert why in said.err


def test_a_python_file_with_a_mistake_is_not_judged(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def f(:\n")
    said = lint(str(tmp_path / "bad.py"))
    assert said.status == CANNOT
    assert "is no Python" in said.err


DEEP = {
    "a long sum": "r.set('k', " + " + ".join(f"'{number}'" for number in range(400)) + ")",
    "a long chain of calls": "query = start()" + ".filter(1)" * 400,
    "a sum that Python cannot compile": "x = " + "+".join("a" * 20_000),
    "a tower of signs": "x = " + "-" * 100_000 + "1",
}


@pytest.mark.parametrize("name", DEEP)
def test_a_file_that_is_too_deep_is_named_and_the_others_are_judged(name: str, source: Path, tmp_path: Path) -> None:
    (tmp_path / "deep.py").write_text(f"import redis\nr = redis.Redis()\nr.setnx('lock:a', 1)\n{DEEP[name]}\n")
    said = lint(str(tmp_path / "deep.py"), str(source), "--keyspace", "shop=ap")
    assert (said.status, "1 unsafe" in said.out) == (FOUND, True), said
    assert f"not judged: {tmp_path / 'deep.py'} is nested too deeply" in said.err
    alone = lint(str(tmp_path / "deep.py"), "--json")
    assert (alone.status, json.loads(alone.out)["judged"]) == (CANNOT, 0)
    assert "deep.py" in json.loads(alone.out)["not_judged"][0]


ENCODED = {
    "a byte order mark": b"\xef\xbb\xbfimport redis\n",
    "a coding line": b"# -*- coding: latin-1 -*-\nimport redis\nNAME = 'caf\xe9'\n",
}


@pytest.mark.parametrize("name", ENCODED)
def test_a_python_file_may_say_how_it_is_encoded(name: str, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_bytes(ENCODED[name] + b"r = redis.Redis(retry=None)\nr.setnx('shop:lock', 1)\n")
    said = lint(str(tmp_path / "shop.py"), "--keyspace", "shop=ap")
    assert (said.status, said.err) == (FOUND, "")
    assert "unsafe lock-on-ap" in said.out


@pytest.mark.parametrize("content", [b"NAME = 'caf\xe9'\n", b"# coding: no-such\n", b"x = 1\0\n"])
def test_a_python_file_whose_bytes_are_no_text_is_not_judged(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_bytes(content)
    said = lint(str(tmp_path / "shop.py"))
    assert (said.status, "is no Python" in said.err) == (CANNOT, True)


# Servers


class Monitored:
    """A server that has MONITOR, and one connection that sends what it is told to."""

    def __init__(self, lines: list[str], password: str = "", *, ends: bool = False) -> None:
        self._lines = lines
        self._ends = ends
        self._password = password
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            if self._password:
                self._expect(connection, f"*2\r\n$4\r\nAUTH\r\n${len(self._password)}\r\n{self._password}\r\n")
            self._expect(connection, "*1\r\n$7\r\nMONITOR\r\n")
            connection.sendall("".join(f"+{line}\r\n" for line in self._lines).encode())
            while not self._ends and connection.recv(1_000):
                pass

    @staticmethod
    def _expect(connection: socket.socket, wanted: str) -> None:
        said = b""
        while len(said) < len(wanted):
            said += connection.recv(1)
        assert said.decode() == wanted
        connection.sendall(b"+OK\r\n")

    def close(self) -> None:
        self._listening.close()
        self._thread.join()


LINES = [f'13.{number} [0 127.0.0.1:5000{number % 3}] "SETNX" "shop:lock{number}" "1"' for number in range(9)]


@pytest.mark.parametrize("password", ["", "secret"])
def test_what_clients_send_is_judged_and_what_is_alike_is_told_once(password: str) -> None:
    server = Monitored([*LINES, '14.1 [0 127.0.0.1:50001] "GET" "bank:a"'], password)
    try:
        more = {"REDISCLI_AUTH": password} if password else {}
        said = lint("--monitor", server.address, "--time", "1", "--keyspace", "shop=ap", **more)
    finally:
        server.close()
    assert said.status == FOUND, said
    assert "13.0 127.0.0.1:50000 db 0: unsafe lock-on-ap" in said.out
    assert "SETNX shop:lock0 1 (9 times)" in said.out
    assert said.out.endswith("10 commands judged: 1 unsafe, 1 hints (--hints shows them)\n")


def test_a_quiet_server_is_not_judged_clean() -> None:
    server = Monitored([])
    try:
        said = lint("--monitor", server.address, "--time", "0.2")
    finally:
        server.close()
    assert (said.status, "no command was found" in said.err) == (CANNOT, True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with trilemma.local(nodes=1) as made:
        made.create("shop", "ap")
        yield made


def address(cluster: LocalCluster) -> str:
    host, port = cluster.address("n1")
    return f"{host}:{port}"


def test_a_cluster_tells_its_keyspaces(cluster: LocalCluster, source: Path) -> None:
    said = lint(str(source), "--cluster", address(cluster))
    assert (said.status, "keyspace 'shop' (ap)" in said.out) == (FOUND, True)


@pytest.fixture(scope="module")
def three() -> Iterator[LocalCluster]:
    with trilemma.local(nodes=3) as made:
        made.create("shop", "ap")
        yield made


def addresses(cluster: LocalCluster) -> list[str]:
    return [f"{host}:{port}" for host, port in map(cluster.address, cluster.names)]


def listened(cluster: LocalCluster, places: list[str], send: Callable[[], object]) -> Said:
    """Return what lint says that listens while a program sends."""
    words = [word for place in places for word in ("--monitor", place)]
    listening = subprocess.Popen(
        [*COMMAND, *words, "--time", "2", "--cluster", addresses(cluster)[0]],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    with ended(listening):
        while listening.poll() is None:
            send()
        out, err = listening.communicate()
    return Said(listening.returncode, out, err)


def test_what_clients_of_every_node_send_is_judged_each_by_its_own_connection(three: LocalCluster) -> None:
    clients = [three.client(name) for name in ("n1", "n2")]

    def send() -> None:
        clients[0].get("shop:price")
        clients[0].set("shop:price", 1)
        clients[1].get("shop:stock")
        clients[0].set("shop:stock", 1)
        clients[1].setnx("shop:lock", 1)

    said = listened(three, addresses(three), send)
    assert said.status == FOUND, said
    assert f"at {addresses(three)[0]}: unsafe lost-update-on-ap, keyspace 'shop' (ap): SET shop:price 1 (" in said.out
    assert f"at {addresses(three)[1]}: unsafe lock-on-ap, keyspace 'shop' (ap): SETNX shop:lock 1 (" in said.out
    # Its GET and its SET came on two connections.
    assert "shop:stock" not in said.out


def test_a_node_shows_its_own_clients_only(three: LocalCluster) -> None:
    client = three.client("n2")
    said = listened(three, addresses(three)[:1], lambda: client.setnx("shop:lock", 1))
    assert "SETNX" not in said.out
    said = listened(three, addresses(three)[1:2], lambda: client.setnx("shop:lock", 1))
    assert "127.0.0.1" in said.out
    assert "unsafe lock-on-ap, keyspace 'shop' (ap): SETNX shop:lock 1 (" in said.out


def test_all_nodes_of_a_cluster_are_named_by_its_directory(three: LocalCluster, tmp_path: Path) -> None:
    nodes = [{"name": name, "address": address} for name, address in zip(three.names, addresses(three), strict=True)]
    (tmp_path / "cluster.json").write_text(json.dumps({"nodes": nodes}))
    client = three.client("n3")
    said = listened(three, [str(tmp_path)], lambda: client.setnx("shop:lock", 1))
    assert f"at {addresses(three)[2]}: unsafe lock-on-ap" in said.out
    (tmp_path / "cluster.json").unlink()
    said = lint("--monitor", str(tmp_path))
    assert (said.status, "holds no cluster" in said.err) == (CANNOT, True)


def test_what_was_found_is_told_though_the_server_ends_the_connection() -> None:
    server = Monitored(LINES, ends=True)
    try:
        said = lint("--monitor", server.address, "--time", "30", "--keyspace", "shop=ap")
    finally:
        server.close()
    assert said.status == FOUND
    assert "unsafe lock-on-ap" in said.out
    assert "not judged: " in said.err
    assert "the server closed the connection" in said.err


@pytest.mark.process
def test_clients_of_a_real_redis_server_are_judged(tmp_path: Path) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed (make test-deps)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    words = [*COMMAND, "--monitor", f"127.0.0.1:{port}", "--time", "3", "--mode", "ap"]
    try:
        with redis.Redis(port=port) as client:
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    assert server.poll() is None
            listening = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            while listening.poll() is None:
                client.setnx("lock", "a b")
            out, err = listening.communicate()
    finally:
        server.terminate()
        server.wait()
    assert listening.returncode == FOUND, err
    assert "unsafe lock-on-ap, keyspace 'default' (ap): SETNX lock a b (" in out
