"""The data directory: whose it is, who uses it, how often it was started.

    LOCK           held (flock) as long as a node runs on it; holds its process id, for people
    identity.json  format, cluster id, node id, disk id (random, drawn once), start count, the newest runs (each with an
                   id drawn by its start) and whether the last may have met peers, founding facts, the newest segment
                   that the log held something in
                   (with a checksum: a start that took a flipped bit for true would break a promise)
    peers.json     see runtime/known_disks.py
    log/ rows/     see runtime/log.py, runtime/rows.py

Start count and run id are durable before anything else happens in a start, so no two starts on a disk share a number,
and a start that peers know of is in the past of all later ones. A wiped node draws a new disk id, one on an older copy
another run id for a start that was, and its peers know by that: it must never vote under its old name (PROTOCOLS §1.2).
A start that could meet no peer is in nobody's memory, so the next one takes its place among the runs: starts that fail
in a loop do not push out those that peers know.
"""

import fcntl
import os
import secrets
import threading
from pathlib import Path
from zlib import crc32

import msgspec

from trilemma.base.ids import NodeId
from trilemma.runtime.durable_files import (
    NEW,
    WHOLE,
    DirectoryRefused,
    changed,
    decode_file,
    make_durably,
    write_durably,
)
from trilemma.runtime.founding import Founding
from trilemma.runtime.known_disks import PEERS, RUNS_MAX, KnownDisks, Lineage, Run, found_disks
from trilemma.runtime.segment_files import SUFFIX, remove_left_over

FORMAT = 4
IDENTITY = "identity.json"
LOG = "log"
"""Made before the first identity: where there is an identity without it, the log was lost."""
PARTS = (LOG, "rows", PEERS)
"""What is in a data directory beside its identity; any of them that holds something came after that."""
DISK_ID_BYTES = 16
RUN_ID_BYTES = 8


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
    runs: tuple[Run, ...]
    """The runs that may have met peers, and the newest, which is last; RUNS_MAX at most."""
    founding: Founding
    log_segment: int = 0
    """The newest segment of the log that held something durable, 0 before the first: it is there ever after, until a
    newer one is named here, unless it was lost. Set before the first thing in a segment is called durable, and by a
    start before what it found in one is used."""
    may_have_met: bool = False
    """Whether the newest run may have met peers. Set before its first handshake."""
    crc: int = 0
    """CRC-32 of the rest as it is encoded with 0 here."""

    def sealed(self) -> bytes:
        """Return the file's bytes."""
        return msgspec.json.encode(msgspec.structs.replace(self, crc=self._sum()))

    @property
    def lineage(self) -> Lineage:
        """What peers are shown."""
        return Lineage(self.disk_id, self.starts, self.runs)

    def started(self) -> "Identity":
        """Return what the next start, with a run of its own, makes of it."""
        start, met = self.starts + 1, self.runs if self.may_have_met else self.runs[:-1]
        runs = (*met, (start, secrets.token_hex(RUN_ID_BYTES)))[-RUNS_MAX:]
        return msgspec.structs.replace(self, starts=start, runs=runs, may_have_met=False)

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
        SegmentRefusedError: a copy of a segment that an earlier start left cannot be removed.
        OSError: the disk refuses, see durable_files.
    """

    def __init__(self, path: Path, cluster_id: str, node_id: NodeId, founding: Founding) -> None:
        self.path = path
        self._writing = threading.Lock()
        """Held by who replaces the identity: the log's thread, or a start's."""
        try:
            make_durably(path)
            self._lock = _lock(path)
        except OSError as problem:
            raise DirectoryRefused(f"{path}: {problem.strerror}") from problem
        try:
            self.identity = self._start(cluster_id, node_id, founding)
            self._known = KnownDisks(path)
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
        with self._writing:
            if segment > self.identity.log_segment:
                self._replace(msgspec.structs.replace(self.identity, log_segment=segment))

    def meets_peers(self) -> None:
        """Remember durably that this run may meet peers: to be called before the first handshake. Cost: two syncs.

        Raises:
            OSError: the disk refuses.
        """
        with self._writing:
            self._replace(msgspec.structs.replace(self.identity, may_have_met=True))

    def _replace(self, identity: Identity) -> None:
        write_durably(self.path / IDENTITY, identity.sealed())
        self.identity = identity

    def _start(self, cluster_id: str, node_id: NodeId, founding: Founding) -> Identity:
        file = self.path / IDENTITY
        if file.exists():
            _check_format(self.path, decode_file(file, _Format).format)
            found = decode_file(file, Identity)
            if not found.is_whole:
                raise changed(file)
            _check(self.path, found, cluster_id, node_id, founding)
        else:
            self._check_empty()
            (self.path / LOG).mkdir(exist_ok=True)
            found_disks(self.path)
            found = Identity(FORMAT, cluster_id, node_id, secrets.token_hex(DISK_ID_BYTES), 0, (), founding)
        remove_left_over(self.path / LOG)  # a full disk needs its room from here on
        started = found.started()
        write_durably(file, started.sealed())
        return started

    def _check_empty(self) -> None:
        # A start that was cut off while it wrote its first identity has left only these behind.
        left = {"LOCK", f"{IDENTITY}{NEW}", f"{PEERS}{NEW}"}
        others = sorted(
            entry.name for entry in self.path.iterdir() if entry.name not in left and not self._is_new(entry)
        )
        parts = [name for name in others if name in PARTS]
        if parts:
            raise DirectoryRefused(
                f"{self.path} holds {parts[0]}, as a data directory does, but its {IDENTITY} is missing, and with it "
                f"whose it is; {WHOLE}"
            )
        if others:
            raise DirectoryRefused(
                f"{self.path} is not empty and no data directory of Trilemma's (it holds {others[0]}); name another one"
            )

    def _is_new(self, entry: Path) -> bool:
        if entry.name == PEERS:
            return KnownDisks(self.path).is_empty
        return entry.name == LOG and entry.is_dir() and not any(entry.iterdir())

    def knows_disk(self, node: NodeId, lineage: Lineage) -> bool:
        """Say whether `check_disk` would return None and write nothing."""
        return self._known.knows(node, lineage)

    def check_disk(self, node: NodeId, lineage: Lineage) -> str | None:
        """Return why a peer is refused with the disk and start it comes with, or None: they are known then, durably."""
        if lineage.disk_id == self.identity.disk_id:
            return "it carries this node's own disk id: its data directory is a copy of this one's"
        return self._known.check(node, lineage)


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
