"""The data directory: whose it is, who uses it, how often it was started, which disks the peers had.

    LOCK           held (flock) as long as a node runs on it; holds its process id, for people
    identity.json  format, cluster id, node id, disk id (random, drawn once), start count, founding facts, the newest
                   segment that the log held something in
    peers.json     the disk id that each peer proved itself with first; empty before the first identity, never missing
                   (both with a checksum: a start that took a flipped bit for true would break a promise)
    log/ rows/     see runtime/log.py, runtime/rows.py

The start count is durable before anything else happens in a start, so no two starts on a disk share a number. A wiped
node draws a new disk id, and its peers know by that: it must never vote under its old name (PROTOCOLS §1.2).
"""

import fcntl
import os
import secrets
from pathlib import Path
from typing import TypeVar
from zlib import crc32

import msgspec

from trilemma.base.ids import NodeId
from trilemma.runtime.founding import Founding
from trilemma.runtime.segment_files import SUFFIX
from trilemma.runtime.whole_write import write_whole

T = TypeVar("T")

FORMAT = 2
IDENTITY = "identity.json"
PEERS = "peers.json"
SUM = "crc"
"""Among the disks in peers.json: the checksum of the others."""
LOG = "log"
"""Made before the first identity: where there is an identity without it, the log was lost."""
DISK_ID_BYTES = 16
WHOLE = "put the whole directory back as it was: a node that has lost a part of it must not return under its old id"
"""What to do about a data directory of which something is gone."""


class DirectoryRefused(Exception):  # noqa: N818 - the sentence says what was refused
    """The directory cannot be used; the text says why, and what to do."""


class _Format(msgspec.Struct, frozen=True):
    """What identity.json holds in every format: which one it is."""

    format: int


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What identity.json holds."""

    format: int
    cluster_id: str
    node_id: NodeId
    disk_id: str
    starts: int
    founding: Founding
    log_segment: int = 0
    """The newest segment of the log that held something durable, 0 before the first: it is there ever after, until a
    newer one is named here, unless it was lost. Set before the first thing in a segment is called durable, and by a
    start before what it found in one is used."""
    crc: int = 0
    """CRC-32 of the rest as it is encoded with 0 here."""

    def sealed(self) -> bytes:
        """Return the file's bytes."""
        return msgspec.json.encode(msgspec.structs.replace(self, crc=self._sum()))

    @property
    def is_whole(self) -> bool:
        """Say whether nothing has changed since it was written."""
        return self.crc == self._sum()

    def _sum(self) -> int:
        return crc32(msgspec.json.encode(msgspec.structs.replace(self, crc=0))) or 1


class DataDirectory:
    """A data directory that this process holds. `close` gives it back.

    Raises:
        DirectoryRefused: it is another's, or of another format, or in use.
    """

    def __init__(self, path: Path, cluster_id: str, node_id: NodeId, founding: Founding) -> None:
        self.path = path
        try:
            make_durably(path)
            self._lock = _lock(path)
        except OSError as problem:
            raise DirectoryRefused(f"{path}: {problem.strerror}") from problem
        try:
            self.identity = self._start(cluster_id, node_id, founding)
            self._disks = self._read_disks()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the directory."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def log_reaches(self, segment: int) -> None:
        """Remember durably that a segment of the log holds something. Cost: nothing where it is known, or a newer one.

        Called on the log's thread.

        Raises:
            OSError: the disk refuses.
        """
        if segment > self.identity.log_segment:
            reached = msgspec.structs.replace(self.identity, log_segment=segment)
            write_durably(self.path / IDENTITY, reached.sealed())
            self.identity = reached

    def _start(self, cluster_id: str, node_id: NodeId, founding: Founding) -> Identity:
        file = self.path / IDENTITY
        if file.exists():
            _check_format(self.path, _decode(file, _Format).format)
            found = _decode(file, Identity)
            if not found.is_whole:
                raise _changed(file)
            _check(self.path, found, cluster_id, node_id, founding)
        else:
            self._check_empty()
            (self.path / LOG).mkdir(exist_ok=True)
            self._write_disks({})
            found = Identity(FORMAT, cluster_id, node_id, secrets.token_hex(DISK_ID_BYTES), 0, founding)
        started = msgspec.structs.replace(found, starts=found.starts + 1)
        write_durably(file, started.sealed())
        return started

    def _check_empty(self) -> None:
        # A start that was cut off while it wrote its first identity has left only these behind.
        left = {"LOCK", f"{IDENTITY}.new", f"{PEERS}.new"}
        others = sorted(
            entry.name for entry in self.path.iterdir() if entry.name not in left and not self._is_new(entry)
        )
        if others:
            raise DirectoryRefused(
                f"{self.path} is not empty and no data directory of Trilemma's (it holds {others[0]}); name another one"
            )

    def _is_new(self, entry: Path) -> bool:
        if entry.name == PEERS:
            return not self._read_disks()
        return entry.name == LOG and entry.is_dir() and not any(entry.iterdir())

    def _read_disks(self) -> dict[str, str]:
        file = self.path / PEERS
        if not file.exists():
            raise DirectoryRefused(f"{file} is missing, and with it which disks the peers of this node had; {WHOLE}")
        disks = _decode(file, dict[str, str])
        if disks.pop(SUM, None) != _sum_of(disks) or not all(map(str.isdigit, disks)):
            raise _changed(file)
        return disks

    def check_disk(self, node: NodeId, disk_id: str) -> str | None:
        """Return why a peer's disk is refused, or None. The first disk a peer proves itself with is remembered.

        It is known once it is remembered durably, no sooner: a start must not know another one than the run before.
        """
        if disk_id == self.identity.disk_id:
            return "it carries this node's own disk id: its data directory is a copy of this one's"
        known = self._disks.get(str(node))
        if known is None:
            return self._remember({**self._disks, str(node): disk_id})
        if known != disk_id:
            return (
                f"it comes with another disk ({disk_id[:8]}…, known is {known[:8]}…): a node whose data directory was "
                "lost must not return under its old id"
            )
        return None

    def _remember(self, disks: dict[str, str]) -> str | None:
        try:
            self._write_disks(disks)
        except OSError as problem:
            return f"which disk it has could not be remembered here: {problem.strerror or problem}"
        self._disks = disks
        return None

    def _write_disks(self, disks: dict[str, str]) -> None:
        write_durably(self.path / PEERS, msgspec.json.encode({**disks, SUM: _sum_of(disks)}, order="sorted"))


def _lock(path: Path) -> int:
    descriptor = os.open(path / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise DirectoryRefused(f"{path} is in use by process {holder or '?'}") from problem
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


def _check_format(path: Path, found: int) -> None:
    if found != FORMAT:
        raise DirectoryRefused(
            f"{path} has format {found}; this version reads format {FORMAT}: start it with the version that wrote it"
        )


def _check(path: Path, found: Identity, cluster_id: str, node_id: NodeId, founding: Founding) -> None:
    if found.cluster_id != cluster_id:
        raise DirectoryRefused(f"{path} belongs to cluster {found.cluster_id!r}, not to {cluster_id!r}")
    if found.node_id != node_id:
        raise DirectoryRefused(f"{path} belongs to node {found.node_id}, not to node {node_id}")
    lost = _why_lost(path / LOG, found)
    if lost is not None:
        raise DirectoryRefused(f"{path} has lost its log: {lost}, and with it what this node has promised; {WHOLE}")
    reason = found.founding.why_not(founding)
    if reason is not None:
        raise DirectoryRefused(f"{path} {reason}")


def _why_lost(log: Path, found: Identity) -> str | None:
    if not log.is_dir():
        return f"{log} is missing"
    if found.log_segment and next(log.glob(f"*{SUFFIX}"), None) is None:
        return f"all that {log} held is gone"
    return None


def _changed(file: Path) -> DirectoryRefused:
    return DirectoryRefused(f"{file} is damaged: its checksum is not that of what it says; {WHOLE}")


def _sum_of(disks: dict[str, str]) -> str:
    return f"{crc32(msgspec.json.encode(disks, order='sorted')):08x}"


def _decode(file: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except msgspec.MsgspecError as problem:
        raise DirectoryRefused(f"{file} is damaged: {problem}; {WHOLE}") from problem


def write_durably(file: Path, data: bytes) -> None:
    """Put a whole file in place so that a crash leaves either the old one or the new one.

    Raises:
        OSError: the disk refuses; the old one stands, or, where only the last sync failed, perhaps the new one.
    """
    new = file.with_name(f"{file.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        write_whole(descriptor, data, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(new, file)
    sync_directory(file.parent)


def make_durably(path: Path) -> None:
    """Make a directory, and the parents that it lacks, so that no crash takes any of them.

    That a file in a directory is durable does not say that the directory's own name is (fsync(2)). Each one's is before
    the next is made in it: a start that is cut off leaves one at most for which that is not so.

    Raises:
        OSError: one cannot be made, or the disk refuses.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        sync_directory(each.parent)
    path.mkdir(exist_ok=True)  # refuses what is there and is no directory


def sync_directory(path: Path) -> None:
    """Make durable which entries a directory has.

    Raises:
        OSError: the disk refuses.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
