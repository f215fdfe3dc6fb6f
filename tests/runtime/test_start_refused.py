"""A start that cannot be: a part of the data is gone, a port is taken. A sentence, exit status 2, no traceback.

What a start cannot see, damage in a row or a disk that refuses the log, ends the node so once it is met.
"""

import errno
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest
from redis import Redis
from redis.backoff import ConstantBackoff, NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import ResponseError
from redis.retry import Retry

import trilemma
from shell import ended
from trilemma.runtime import durable_files, segment_files
from trilemma.runtime.directory import Identity
from trilemma.runtime.listening import Sockets, StartRefused, bind, listen

MIB = 1 << 20
TIMEOUT_S = 30
FILE_BLOCKS_MAX = 2_048
"""Of 512 bytes: less than a segment, and enough for whatever else a node writes."""


def founded(directory: Path, mode: str, mebibytes: int = 0) -> Path:
    """Have one node write, and return its data directory after a clean stop."""
    with trilemma.local(nodes=1, default_mode=mode, directory=directory) as cluster:
        client = cluster.client("n1")
        client.set("k", "v")
        for number in range(mebibytes):
            client.set(f"k{number % 4}", "x" * MIB)
    return directory / "n1"


def start(directory: Path, mode: str) -> str:
    """Start it once more; return what it says."""
    threads = threading.active_count()
    with pytest.raises(StartRefused) as refused, trilemma.local(nodes=1, default_mode=mode, directory=directory):
        pass
    assert threading.active_count() == threads
    return str(refused.value)


def remembered(data: Path) -> Identity:
    return msgspec.json.decode((data / "identity.json").read_bytes(), type=Identity)


def remember(data: Path, segment: int) -> None:
    """Have the directory know of a segment as the newest that held anything."""
    changed = msgspec.structs.replace(remembered(data), log_segment=segment)
    (data / "identity.json").write_bytes(changed.sealed())


@pytest.mark.parametrize("mode", ["cp", "ap"])
def test_a_node_whose_log_was_removed_does_not_start(tmp_path: Path, mode: str) -> None:
    data = founded(tmp_path, mode)
    shutil.rmtree(data / "log")
    for _ in range(2):
        said = start(tmp_path, mode)
        assert said.startswith(f"{data} has lost its log: {data / 'log'} is missing")
        assert said.endswith("a node that has lost a part of it must not return under its old id")


@pytest.mark.parametrize("mode", ["cp", "ap"])
def test_nor_does_one_that_kept_nothing_but_its_identity(tmp_path: Path, mode: str) -> None:
    data = founded(tmp_path, mode)
    shutil.rmtree(data / "log")
    shutil.rmtree(data / "rows")
    assert "has lost its log" in start(tmp_path, mode)


@pytest.mark.parametrize("mode", ["cp", "ap"])
def test_nor_one_whose_log_was_emptied(tmp_path: Path, mode: str) -> None:
    data = founded(tmp_path, mode)
    for segment in (data / "log").iterdir():
        segment.unlink()
    for _ in range(2):
        said = start(tmp_path, mode)
        assert said.startswith(f"{data} has lost its log: all that {data / 'log'} held is gone, and with it what")
        assert said.endswith("a node that has lost a part of it must not return under its old id")


@pytest.mark.parametrize("mode", ["cp", "ap"])
def test_nor_one_whose_log_has_a_damaged_header(tmp_path: Path, mode: str) -> None:
    data = founded(tmp_path, mode)
    (segment,) = (data / "log").iterdir()
    damaged = bytearray(segment.read_bytes())
    damaged[20] ^= 1
    segment.write_bytes(damaged)
    for _ in range(2):
        said = start(tmp_path, mode)
        assert said.startswith(f"{data}: segment 1 is damaged in its header, which was durable; put the whole")
    assert segment.read_bytes() == damaged


@pytest.mark.parametrize("mode", ["cp", "ap"])
@pytest.mark.parametrize("left", [0, 20, MIB])
def test_nor_one_whose_only_segment_was_blanked(tmp_path: Path, mode: str, left: int) -> None:
    """It looks like one that a crash cut off: it was removed, and the node served with nothing."""
    data = founded(tmp_path, mode)
    (segment,) = (data / "log").iterdir()
    shutil.rmtree(data / "rows")
    segment.write_bytes(bytes(left))
    for _ in range(2):
        said = start(tmp_path, mode)
        assert said.startswith(f"{data}: segment 1 is blank, but it has held what was durable; put the whole")
        assert said.endswith("a node that has lost a part of it must not return under its old id")
    assert segment.read_bytes() == bytes(left)


@pytest.mark.parametrize("mode", ["cp", "ap"])
@pytest.mark.parametrize(
    ("left", "what"),
    [(b"", "is blank"), (bytes(MIB), "is blank"), (None, "is missing")],
    ids=["empty", "zeros", "gone"],
)
def test_nor_one_whose_newest_segment_was_lost(tmp_path: Path, mode: str, left: bytes | None, what: str) -> None:
    """Killed before its rows were flushed, it started without the writes that it had acknowledged in that segment."""
    data = founded(tmp_path, mode)
    shutil.copytree(data / "rows", tmp_path / "rows")
    with trilemma.local(nodes=1, default_mode=mode, directory=tmp_path) as cluster:
        assert cluster.client("n1").set("k", "acknowledged")
    shutil.rmtree(data / "rows")
    (tmp_path / "rows").rename(data / "rows")
    newest = max((data / "log").iterdir())
    assert newest.stem.endswith("2")
    whole = newest.read_bytes()
    newest.unlink()
    if left is not None:
        newest.write_bytes(left)
    for _ in range(2):
        assert start(tmp_path, mode).startswith(f"{data}: segment 2 {what}, but it has held what was durable; put the")
    newest.write_bytes(whole)
    with trilemma.local(nodes=1, default_mode=mode, directory=tmp_path) as cluster:
        assert cluster.client("n1").get("k") == "acknowledged"


@pytest.mark.parametrize("mode", ["cp", "ap"])
def test_nor_one_whose_log_and_rows_were_emptied(tmp_path: Path, mode: str) -> None:
    data = founded(tmp_path, mode)
    for lost in (data / "log", data / "rows"):
        shutil.rmtree(lost)
        lost.mkdir()
    assert "has lost its log: all that" in start(tmp_path, mode)


@pytest.mark.parametrize("mode", ["cp", "ap"])
def test_a_first_start_that_was_cut_off_before_its_first_segment_is_no_loss(tmp_path: Path, mode: str) -> None:
    data = founded(tmp_path, mode)
    for lost in (data / "log", data / "rows"):
        shutil.rmtree(lost)
        lost.mkdir()
    remember(data, 0)
    founded(tmp_path, mode)
    assert remembered(data).log_segment == 1


@pytest.mark.parametrize("mode", ["cp", "ap"])
def test_a_start_that_finds_a_log_remembers_that_there_is_one(tmp_path: Path, mode: str) -> None:
    data = founded(tmp_path, mode)
    remember(data, 0)
    founded(tmp_path, mode)
    for segment in (data / "log").iterdir():
        segment.unlink()
    assert "has lost its log" in start(tmp_path, mode)


@pytest.mark.parametrize("mode", ["cp", "ap"])
def test_nor_one_that_lost_rows_which_its_log_does_not_hold_any_more(tmp_path: Path, mode: str) -> None:
    data = founded(tmp_path, mode, mebibytes=40)
    assert min(int(segment.stem) for segment in (data / "log").iterdir()) > 1
    shutil.rmtree(data / "rows")
    assert start(tmp_path, mode).startswith(f"{data}: log and rows do not belong together (")


def test_nor_one_that_has_lost_which_disks_its_peers_had(tmp_path: Path) -> None:
    data = founded(tmp_path, "cp")
    (data / "peers.json").unlink()
    for _ in range(2):
        said = start(tmp_path, "cp")
        assert said.startswith(f"{data / 'peers.json'} is missing, and with it which disks the peers of this node had;")
        assert said.endswith("a node that has lost a part of it must not return under its old id")


def test_nor_one_beside_whose_segments_a_file_only_looks_like_one(tmp_path: Path) -> None:
    data = founded(tmp_path, "cp")
    stray = data / "log" / "00000000000099.segment"
    stray.touch()
    for _ in range(2):
        said = start(tmp_path, "cp")
        assert said.startswith(
            f"{stray} is no segment of this log, whose names are 16 digits and .segment; nothing was"
        )
    stray.unlink()
    founded(tmp_path, "cp")


def test_nor_one_whose_disk_has_no_room_for_a_copy_of_the_newest_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = founded(tmp_path, "cp")

    def full(file: Path, _data: bytes, _mode: int) -> None:
        durable_files.new_of(file).touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(segment_files, "write_durably", full)
        said = start(tmp_path, "cp")
    (segment,) = (data / "log").iterdir()
    size = segment.stat().st_size
    assert said == (
        f"{data / 'log'} has no room for a copy of the newest segment of the log, {size} bytes, which a start makes "
        "before it uses what it has read; nothing was changed: make room, and start again"
    )
    with trilemma.local(nodes=1, default_mode="cp", directory=tmp_path) as cluster:
        assert cluster.client("n1").get("k") == "v"


def test_a_copy_that_a_start_was_cut_off_from_is_gone_before_the_next_one_needs_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can hold the last of a full disk's room, and kept the node from ever starting."""
    data = founded(tmp_path, "cp")
    left = [data / "log" / f"{number:016d}.segment.new" for number in (1, 7)]
    for new in left:
        new.touch()
    write = durable_files.write_whole
    written: list[int] = []

    def write_where_there_is_room(descriptor: int, content: bytes, offset: int) -> None:
        own = os.fstat(descriptor).st_ino  # a start's own copy is called as one that was left
        if any(new.exists() and new.stat().st_ino != own for new in left):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(len(content))
        write(descriptor, content, offset)

    monkeypatch.setattr(durable_files, "write_whole", write_where_there_is_room)
    with trilemma.local(nodes=1, default_mode="cp", directory=tmp_path) as cluster:
        assert cluster.client("n1").get("k") == "v"
    assert written


def test_a_disk_that_refuses_the_identity_is_told_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = founded(tmp_path, "cp")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(durable_files, "write_whole", refuse)
    assert start(tmp_path, "cp") == f"{data / 'identity.json'}: No space left on device"


def test_a_directory_in_the_place_of_a_segment_is_named_with_what_it_is(tmp_path: Path) -> None:
    data = founded(tmp_path, "cp")
    (segment,) = (data / "log").iterdir()
    segment.rename(tmp_path / "kept")
    segment.mkdir()
    assert start(tmp_path, "cp") == f"{segment}: Is a directory"
    segment.rmdir()
    (tmp_path / "kept").rename(segment)
    founded(tmp_path, "cp")


def test_a_left_over_copy_that_cannot_be_removed_is_named(tmp_path: Path) -> None:
    data = founded(tmp_path, "cp")
    identity = (data / "identity.json").read_bytes()
    left = data / "log" / f"{1:016d}.segment.new"
    left.mkdir()
    said = start(tmp_path, "cp")
    assert said.startswith(
        f"{left} cannot be removed (Is a directory), which is left over from a start that was cut off"
    )
    assert said.endswith("nothing was changed: see to the disk, or remove it, and start again")
    assert (data / "identity.json").read_bytes() == identity
    left.rmdir()
    founded(tmp_path, "cp")


def test_a_first_start_that_was_cut_off_before_its_identity_is_no_loss(tmp_path: Path) -> None:
    (tmp_path / "n1" / "log").mkdir(parents=True)
    (tmp_path / "n1" / "LOCK").touch()
    founded(tmp_path, "cp")


def test_a_port_that_was_taken_between_bind_and_listen_is_named() -> None:
    first = bind("127.0.0.1", 0)
    port = first.getsockname()[1]
    with first, bind("127.0.0.1", port) as second:
        listen(first)
        with pytest.raises(StartRefused, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            listen(second)


def served(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trilemma", "serve", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def config(directory: Path, address: str, peer_address: str, timing: str = "") -> Path:
    """Write a configuration file of one node."""
    file = directory / "n1.toml"
    file.write_text(
        f'name = "n1"\ndir = "{directory}/n1"\ncluster_id = "local"\nsecret = "sixteen bytes or more"\n'
        f'[[members]]\nid = 1\nname = "n1"\naddress = "{address}"\npeer_address = "{peer_address}"\n{timing}'
    )
    return file


@pytest.mark.process
@pytest.mark.parametrize(
    ("addresses", "timing", "sentence"),
    [
        (("127.0.0.1:7001", "127.0.0.1:7001"), "", "n1's address and n1's peer_address are both 127.0.0.1:7001"),
        (("127.0.0.1:7001", "127.0.0.1:17001"), "[timing]\nlease_ms = 5000\n", "margin_ms must be at least"),
    ],
)
def test_serve_ends_with_status_two_and_one_sentence(
    tmp_path: Path, addresses: tuple[str, str], timing: str, sentence: str
) -> None:
    done = served(config(tmp_path, *addresses, timing))
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.process
def test_serve_says_so_where_the_log_is_gone(tmp_path: Path) -> None:
    shutil.rmtree(founded(tmp_path, "cp") / "log")
    done = served(config(tmp_path, "127.0.0.1:0", "127.0.0.1:0"))
    assert done.returncode == 2
    assert "has lost its log" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.process
def test_serve_says_so_where_the_rows_are_damaged(tmp_path: Path) -> None:
    (founded(tmp_path, "cp") / "rows" / "CURRENT").write_text("nonsense")
    done = served(config(tmp_path, "127.0.0.1:0", "127.0.0.1:0"))
    assert done.returncode == 2
    assert "CURRENT" in done.stderr
    assert "put the whole directory back" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.process
def test_serve_ends_with_the_same_sentence_where_a_row_turns_out_damaged_as_it_is_read(tmp_path: Path) -> None:
    keys = [f"k{number}" for number in range(200)]
    with trilemma.local(nodes=1, directory=tmp_path) as cluster:
        for key in keys:
            cluster.client("n1").set(key, os.urandom(5_000))
    rows = max((tmp_path / "n1" / "rows").glob("*.sst"), key=lambda file: file.stat().st_size)
    damaged = bytearray(rows.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    rows.write_bytes(damaged)
    sockets = Sockets.free()
    address, peer_address = sockets.addresses
    sockets.close()
    command = [sys.executable, "-m", "trilemma", "serve", "--config", str(config(tmp_path, address, peer_address))]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with ended(child):
        patient = Retry(ConstantBackoff(0.05), 200, (Unreachable, ResponseError))
        with Redis(port=int(address.rpartition(":")[2]), retry=patient, retry_on_error=[ResponseError]) as client:
            client.get(keys[0])
            client.set_retry(Retry(NoBackoff(), 0))
            with pytest.raises(Unreachable):
                all(client.get(key) for key in keys)
        _, said = child.communicate(timeout=TIMEOUT_S)
    assert child.returncode == 2
    assert f"{tmp_path}/n1: Corruption: block checksum mismatch" in said
    assert said.rstrip().endswith("a node that has lost a part of it must not return under its old id")
    assert "Traceback" not in said


@pytest.mark.process
def test_and_where_the_disk_refuses_the_log(tmp_path: Path) -> None:
    """As a full disk does, and a failed sync: here the system allows no file as long as a segment."""
    file = config(tmp_path, "127.0.0.1:0", "127.0.0.1:0")
    command = f'ulimit -f {FILE_BLOCKS_MAX}; exec "$0" -m trilemma serve --config "$1"'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, str(file)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        f"{tmp_path}/n1: the disk refused a write or a sync of the log (File too large), so the node has stopped: "
        "what was durable is kept, what was not may be there or not; see to the disk, make room where it is full, and "
        "start the node again"
    )
    assert "Traceback" not in done.stderr
    assert "fault of trilemma" not in done.stderr
