"""Which disks the peers of this node had: peers.json, written before the first identity is, never missing after that.

A start that took a flipped bit for true, or a lost file for an empty one, would take a wiped peer for a new one
(PROTOCOLS §1.2): so it has a checksum, and where it is gone the node does not start.
"""

from pathlib import Path
from zlib import crc32

import msgspec

from trilemma.base.ids import NodeId
from trilemma.runtime.durable_files import WHOLE, DirectoryRefused, changed, decode_file, write_durably

PEERS = "peers.json"
SUM = "crc"
"""Among the disks in peers.json: the checksum of the others."""


class KnownDisks:
    """The disk that each peer proved itself with first, as a file in a data directory keeps it.

    Raises:
        DirectoryRefused: the file is missing or damaged.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / PEERS
        if not self._file.exists():
            raise DirectoryRefused(
                f"{self._file} is missing, and with it which disks the peers of this node had; {WHOLE}"
            )
        disks = decode_file(self._file, dict[str, str])
        if disks.pop(SUM, None) != _sum_of(disks) or not all(map(str.isdigit, disks)):
            raise changed(self._file)
        self._disks = disks

    @property
    def is_empty(self) -> bool:
        """Whether no peer has ever proved itself."""
        return not self._disks

    def check(self, node: NodeId, disk_id: str) -> str | None:
        """Return why a peer's disk is refused, or None. The first disk a peer proves itself with is remembered.

        It is known once it is remembered durably, no sooner: a start must not know another one than the run before.
        """
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
            _write(self._file, disks)
        except OSError as problem:
            return f"which disk it has could not be remembered here: {problem.strerror or problem}"
        self._disks = disks
        return None


def found_disks(directory: Path) -> None:
    """Remember that no disk is known yet.

    Raises:
        OSError: the disk refuses.
    """
    _write(directory / PEERS, {})


def _write(file: Path, disks: dict[str, str]) -> None:
    write_durably(file, msgspec.json.encode({**disks, SUM: _sum_of(disks)}, order="sorted"))


def _sum_of(disks: dict[str, str]) -> str:
    return f"{crc32(msgspec.json.encode(disks, order='sorted')):08x}"
