"""First figures of speed and memory: redis-benchmark against this store, and against redis-server in the same minutes.

The peer is a redis-server with `appendfsync always` and one replica: an acknowledged write is on a disk there too, if
on one. Neighbours move absolute figures, so each pair of runs is told as a ratio.
"""

import csv
import io
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import redis

from trilemma.client.processes import ProcessCluster
from trilemma.trial.report import Report, patiently, send_pairs

CLIENTS = 50
KEYS = 100_000
VALUE_BYTES = 64
LOAD_BATCH = 2_000
START_S = 10.0
SETTLE_S = 3.0
MIB = 1 << 20
HOST = "127.0.0.1"
CSV_RATE, CSV_P50, CSV_P99 = 1, 4, 6
"""Columns of `redis-benchmark --csv`: test, rps, avg, min, p50, p95, p99, max."""


class Speed(NamedTuple):
    """One run of redis-benchmark."""

    rate: float
    p50_ms: float
    p99_ms: float


class Bench:
    """One session of measurements."""

    def __init__(self, requests: int, keys: int, say: Callable[[str], None] = lambda text: None) -> None:
        """Args: requests: per run; keys: loaded to see memory and disk grow."""
        self._requests = requests
        self._keys = keys
        self._say = say
        self._report = Report("bench")

    def run(self) -> Report:
        """Measure speed, then memory.

        Raises:
            FileNotFoundError: redis-server or redis-benchmark is not installed.
        """
        for program in ("redis-server", "redis-benchmark"):
            if shutil.which(program) is None:
                raise FileNotFoundError(f"{program} is not installed (make test-deps)")
        with _redis_pair() as peer_port, ProcessCluster() as cluster:
            for name, mode in (("bank", "cp"), ("shop", "ap")):
                cluster.create(name, mode)
            self._speed(cluster, peer_port)
        self._memory()
        return self._report

    def _speed(self, cluster: ProcessCluster, peer_port: int) -> None:
        leader = cluster.leader("bank") or "n1"
        follower = next(name for name in cluster.names if name != leader)
        ports = {name: int(address.rpartition(":")[2]) for name, address in cluster.addresses.items()}
        for depth in (1, 16):
            for command in ("SET", "GET"):
                peer = self._one("redis, always, 1 replica", peer_port, "", command, depth, None)
                self._one("cp at the leader", ports[leader], "bank:", command, depth, peer)
                self._one("cp at a follower", ports[follower], "bank:", command, depth, peer)
                self._one("ap", ports[follower], "shop:", command, depth, peer)

    def _one(self, where: str, port: int, prefix: str, command: str, depth: int, peer: Speed | None) -> Speed:
        words = [command, f"{prefix}key:__rand_int__"]
        if command == "SET":
            words.append("x" * VALUE_BYTES)
        speed = _benchmark(port, words, depth, self._requests * (4 if depth > 1 else 1))
        ratio = f", {speed.rate / peer.rate:.2f} of redis" if peer is not None else ""
        name = f"{command} P{depth} {where}"
        figure = f"{speed.rate:,.0f}/s, p50 {speed.p50_ms} ms, p99 {speed.p99_ms} ms{ratio}"
        self._report.figures[name] = figure
        self._say(f"{name}: {figure}")
        return speed

    def _memory(self) -> None:
        figures = self._report.figures
        with ProcessCluster() as cluster:
            time.sleep(SETTLE_S)
            figures["MiB resident, idle node"] = _resident_mib(cluster)
            began = time.monotonic()
            _load(cluster, self._keys)
            figures[f"{self._keys:,} keys of {VALUE_BYTES} bytes loaded in s"] = round(time.monotonic() - began, 1)
            figures["MiB resident with them"] = _resident_mib(cluster)
            time.sleep(SETTLE_S)
            figures["MiB resident at rest after it"] = _resident_mib(cluster)
            figures["MiB on disk"] = round(cluster.disk_bytes("n1") / MIB)


def _benchmark(port: int, words: list[str], depth: int, requests: int) -> Speed:
    found = subprocess.run(
        [
            "redis-benchmark", "-h", HOST, "-p", str(port), "-c", str(CLIENTS), "-P", str(depth), "-n", str(requests),
            "-r", str(KEYS), "--csv", *words,
        ],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    row = list(csv.reader(io.StringIO(found.stdout)))[-1]
    return Speed(float(row[CSV_RATE]), float(row[CSV_P50]), float(row[CSV_P99]))


def _load(cluster: ProcessCluster, keys: int) -> None:
    with cluster.client("n1") as client:
        for start in range(0, keys, LOAD_BATCH):
            pairs = {
                f"k{number}": f"{number:0{VALUE_BYTES}d}" for number in range(start, min(start + LOAD_BATCH, keys))
            }
            patiently(lambda pairs=pairs: send_pairs(client, pairs))  # type: ignore[misc]


def _resident_mib(cluster: ProcessCluster) -> str:
    pages = [int(Path(f"/proc/{cluster.pid(name)}/statm").read_text().split()[1]) for name in cluster.names]
    return ", ".join(str(round(count * os.sysconf("SC_PAGE_SIZE") / MIB)) for count in pages)


@contextmanager
def _redis_pair() -> Iterator[int]:
    """Run a redis-server that syncs every write, with a replica; yield its port."""
    with tempfile.TemporaryDirectory(prefix="trilemma-bench-") as directory:
        servers: list[subprocess.Popen[bytes]] = []
        try:
            port = _start_redis(Path(directory) / "one", servers, [])
            _start_redis(Path(directory) / "two", servers, ["--replicaof", HOST, str(port)])
            yield port
        finally:
            for server in servers:
                server.terminate()
                server.wait()


def _start_redis(directory: Path, servers: list[subprocess.Popen[bytes]], more: list[str]) -> int:
    directory.mkdir()
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    options = ["--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "yes", "--appendfsync", "always"]
    servers.append(
        subprocess.Popen(["redis-server", *options, "--dir", str(directory), *more], stdout=subprocess.DEVNULL)
    )
    end = time.monotonic() + START_S
    while True:
        try:
            with redis.Redis(host=HOST, port=port) as client:
                client.ping()
            return port
        except redis.ConnectionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
