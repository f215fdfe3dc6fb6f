"""A disk that refuses the rows ends the node with a sentence and status 2, as one that refuses the log does; what was
acknowledged is kept. Here the system allows no file as long as the rows.
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff, NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import ResponseError
from redis.retry import Retry

import trilemma
from shell import ended
from trilemma.runtime.listening import Sockets

pytestmark = pytest.mark.process

TIMEOUT_S = 30
FILE_BYTES_MAX = 100_000
"""Less than the rows, and more than all that a node without clients writes beside them."""
FIRST_FILES_BYTES_MAX = 3_584
"""Enough for identity.json, and not for what RocksDB writes as it opens the rows."""
VALUES = {f"k{number}": os.urandom(30_000) for number in range(5)}

NEVER_FLUSHED = """
from trilemma.node import flushing
flushing.FLUSH_US = flushing.FIRST_FLUSH_US = 1 << 60
"""
REFUSED_AS_IT_IS_FLUSHED = f"""
import resource
from trilemma.runtime.rows import RocksEngine
flush = RocksEngine.flush
def refused(rows):
    resource.setrlimit(resource.RLIMIT_FSIZE, ({FILE_BYTES_MAX}, {FILE_BYTES_MAX}))
    flush(rows)
RocksEngine.flush = refused
"""
REFUSED_AS_THEY_ARE_OPENED = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({FIRST_FILES_BYTES_MAX}, {FIRST_FILES_BYTES_MAX}))
"""
SERVE = """
from trilemma.cli import main
main()
"""


@pytest.fixture
def unflushed(tmp_path: Path) -> Path:
    """Have one node hold the values in its log and not in its rows; return the directory that holds its own."""
    rows, older = tmp_path / "n1" / "rows", tmp_path / "older"
    with trilemma.local(nodes=1, directory=tmp_path) as cluster:
        assert cluster.client("n1").ping()
    shutil.copytree(rows, older)
    with trilemma.local(nodes=1, directory=tmp_path) as cluster:
        cluster.client("n1").mset(VALUES)
    shutil.rmtree(rows)
    older.rename(rows)
    return tmp_path


def assert_kept(directory: Path) -> None:
    with (
        trilemma.local(nodes=1, directory=directory) as cluster,
        cluster.client("n1", decode_responses=False) as client,
    ):
        assert client.mget(VALUES) == list(VALUES.values())


@contextmanager
def served(directory: Path, first: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """Run `serve` behind some code of its own; give the process and its port."""
    sockets = Sockets.free()
    address, peer_address = sockets.addresses
    sockets.close()
    file = directory / "n1.toml"
    file.write_text(
        f'name = "n1"\ndir = "{directory}/n1"\ncluster_id = "local"\nsecret = "sixteen bytes or more"\n'
        f'[[members]]\nid = 1\nname = "n1"\naddress = "{address}"\npeer_address = "{peer_address}"\n'
    )
    command = [sys.executable, "-c", first + SERVE, "serve", "--config", str(file)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with ended(child):
        yield child, int(address.rpartition(":")[2])


@contextmanager
def serving(port: int) -> Iterator[Redis]:
    """Give a client of a node that serves, and that is asked once from here on."""
    patient = Retry(ConstantBackoff(0.05), 200, (Unreachable, ResponseError))
    with Redis(port=port, retry=patient, retry_on_error=[ResponseError]) as client:
        assert client.get("k1") == VALUES["k1"]
        client.set_retry(Retry(NoBackoff(), 0))
        yield client


def limit(child: "subprocess.Popen[str]", size: int) -> None:
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (size, size))


def said(child: "subprocess.Popen[str]") -> str:
    """Return the sentence that a process ends with."""
    _, told = child.communicate(timeout=TIMEOUT_S)
    assert child.returncode == 2, told
    assert "Traceback" not in told
    assert "fault of trilemma" not in told
    sentence = told.splitlines()[-1].removeprefix("trilemma: ")
    assert told.count("the disk refused") == told.count(sentence) <= 2
    assert "put the whole directory back" not in sentence
    return sentence


def refused(directory: Path, why: str) -> str:
    """Return how the sentence about the rows of a node begins."""
    return f"{directory}/n1: the disk refused a read or a write of the rows (IO error: {why}"


def test_a_node_whose_rows_are_refused_as_they_are_flushed_says_so_once(unflushed: Path) -> None:
    with served(unflushed, REFUSED_AS_IT_IS_FLUSHED) as (child, _):
        sentence = said(child)
    assert sentence.startswith(refused(unflushed, f"While appending to file: {unflushed}/n1/rows/"))
    assert sentence.endswith(
        ".sst: File too large), so the node has stopped: what was durable is kept, as far as the disk gives it back; "
        "see to the disk, make room where it is full, and start the node again"
    )
    assert_kept(unflushed)


def test_so_does_one_that_is_told_to_leave(unflushed: Path) -> None:
    with served(unflushed, NEVER_FLUSHED) as (child, port), serving(port):
        limit(child, FILE_BYTES_MAX)
        child.send_signal(signal.SIGTERM)
        sentence = said(child)
    assert sentence.startswith(refused(unflushed, f"While appending to file: {unflushed}/n1/rows/"))
    assert_kept(unflushed)


def test_where_the_log_is_refused_as_well_that_is_what_is_told(unflushed: Path) -> None:
    """What the rows lack then may be nowhere: it was hidden by what closing the rows met."""
    with served(unflushed, NEVER_FLUSHED) as (child, port), serving(port) as client:
        limit(child, 0)
        with pytest.raises(Unreachable):
            client.set("x", 1)
        sentence = said(child)
    assert sentence.startswith(f"{unflushed}/n1: the disk refused a write or a sync of the log (File too large), so")
    assert_kept(unflushed)


def test_rows_that_cannot_be_opened_for_lack_of_a_disk_that_writes_are_not_told_as_lost(unflushed: Path) -> None:
    with served(unflushed, REFUSED_AS_THEY_ARE_OPENED) as (child, _):
        sentence = said(child)
    assert sentence.startswith(refused(unflushed, "DB::Open() failed --- Unable to persist Options file: "))
    assert_kept(unflushed)
