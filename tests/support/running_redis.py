"""A redis-server that runs already, as a user's own does."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trilemma.target.machines import Machines, Place
from trilemma.target.redis_server import ask, require

HAS_REDIS = shutil.which("redis-server") is not None
needs_redis = pytest.mark.skipif(not HAS_REDIS, reason="redis-server is not installed (apt-get install redis-server)")


@contextmanager
def redis_that_runs(directory: Path, *words: str) -> Iterator[Place]:
    """Run a server. `words`: more of its options."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = Place("127.0.0.1", taken.getsockname()[1])
    fixed = ["--port", str(place.port), "--bind", place.host, "--save", "", "--dir", str(directory)]
    server = subprocess.Popen(["redis-server", *fixed, *words], stdout=subprocess.DEVNULL)
    try:
        machines = Machines((), has_links=False)
        require(machines, lambda: bool(ask(machines, place, "PING")), "no answer")
        yield place
    finally:
        server.kill()
        server.wait()


def ask_at(place: Place, *words: str) -> object:
    """Send one command, and return its reply."""
    return ask(Machines((), has_links=False), place, *words)
