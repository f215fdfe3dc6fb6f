"""Which disks the peers of this node had, and how far they were: peers.json, made before the first identity is.

A peer that comes with another disk was wiped; one that comes with an earlier start, or with a past in which the run
that is known of it does not occur, was given an older copy of its data directory. Neither may vote, for it has lost
what it acknowledged (PROTOCOLS §1.2). A start that took a flipped bit for true, or a lost file for an empty one, would
take such a peer for an honest one: so the file has a checksum, and where it is gone the node does not start.
"""

from pathlib import Path
from zlib import crc32

import msgspec

from trilemma.base.ids import NodeId
from trilemma.base.limits import limit
from trilemma.runtime.durable_files import WHOLE, DirectoryRefused, changed, decode_file, write_durably

PEERS = "peers.json"
RUNS_MAX = limit(
    "disk_runs_max",
    100,
    "runs",
    "a peer looks for the run that it met last among those that a disk tells of; all of them are in every handshake",
    "who met none of so many takes a disk as it comes: also an older copy that they refused in so many starts",
)
Run = tuple[int, str]
"""A start of a disk that may have met peers, or is of now, and the id of the run that it began."""
NEWEST = "put the newest one back, whole: a node that has lost what it acknowledged must not return under its old id"
"""What to do about an older copy of a data directory."""


class Lineage(msgspec.Struct, frozen=True):
    """Where a node comes from. `runs`: its disk's newest runs, RUNS_MAX at most, by start; that of now last.

    A start that is not among them, though it is no earlier than they go back, met nobody.
    """

    disk_id: str
    starts: int
    runs: tuple[Run, ...]

    def run(self, start: int) -> str | None:
        """Return the id of the run that a start of the disk began; None where that met nobody, or is not told of."""
        return next((run for each, run in self.runs if each == start), None)

    def tells_of(self, start: int) -> bool:
        """Say whether it goes back as far as a start."""
        return len(self.runs) < RUNS_MAX or start >= self.runs[0][0]


class KnownDisk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest start that is known of a disk, and the id of the run that it began."""

    disk_id: str
    start: int
    run: str

    def why_not(self, lineage: Lineage) -> str | None:
        """Return why this is not in the past of who comes with `lineage`; None where it is, or may be."""
        if lineage.disk_id != self.disk_id:
            return (
                f"it comes with another disk ({lineage.disk_id[:8]}…, known is {self.disk_id[:8]}…): a node whose data "
                "directory was lost must not return under its old id"
            )
        if lineage.starts < self.start:
            return (
                f"it comes with start {lineage.starts} of its disk, and start {self.start} is known here: its data "
                f"directory is an older copy (or this is what a run that has ended left on the way); {NEWEST}"
            )
        run = lineage.run(self.start)
        if run == self.run or not lineage.tells_of(self.start):
            return None
        other = f"not {run[:8]}…" if run is not None else "its own met nobody"
        return (
            f"its data directory is an older copy: start {self.start} of it was known here with another run "
            f"({self.run[:8]}…, {other}); {NEWEST}"
        )


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What peers.json holds."""

    peers: dict[NodeId, KnownDisk]
    crc: int
    """CRC-32 of the peers as they are written."""


class KnownDisks:
    """The disk that each peer proved itself with first and its newest start, as a file in a data directory keeps them.

    Raises:
        DirectoryRefused: the file is missing or damaged.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / PEERS
        if not self._file.exists():
            raise DirectoryRefused(
                f"{self._file} is missing, and with it which disks the peers of this node had; {WHOLE}"
            )
        found = decode_file(self._file, _File)
        if found.crc != _sum_of(found.peers):
            raise changed(self._file)
        self._peers = found.peers

    @property
    def is_empty(self) -> bool:
        """Whether no peer has ever proved itself."""
        return not self._peers

    def knows(self, node: NodeId, lineage: Lineage) -> bool:
        """Say whether a peer comes with the very start that is known of it."""
        return self._peers.get(node) == _newest(lineage)

    def check(self, node: NodeId, lineage: Lineage) -> str | None:
        """Return why a peer is refused with where it comes from, or None: then that is remembered.

        It is known once it is remembered durably, no sooner: a start must not know another one than the run before.
        Cost: nothing where `knows` says so, else two syncs.
        """
        known = self._peers.get(node)
        reason = known.why_not(lineage) if known is not None else None
        if reason is not None:
            return reason
        newest = _newest(lineage)
        return None if newest == known else self._remember({**self._peers, node: newest})

    def _remember(self, peers: dict[NodeId, KnownDisk]) -> str | None:
        try:
            _write(self._file, peers)
        except OSError as problem:
            return f"its disk and start could not be remembered here: {problem.strerror or problem}"
        self._peers = peers
        return None


def found_disks(directory: Path) -> None:
    """Remember that no disk is known yet.

    Raises:
        OSError: the disk refuses.
    """
    _write(directory / PEERS, {})


def _newest(lineage: Lineage) -> KnownDisk:
    return KnownDisk(lineage.disk_id, lineage.starts, lineage.run(lineage.starts) or "")


def _write(file: Path, peers: dict[NodeId, KnownDisk]) -> None:
    write_durably(file, msgspec.json.encode(_File(peers, _sum_of(peers))))


def _sum_of(peers: dict[NodeId, KnownDisk]) -> int:
    return crc32(msgspec.json.encode(peers))
