"""The files of a data directory that people may read: their exact bytes, and back."""

from pathlib import Path

import msgspec

from trilemma.runtime.directory import FORMAT, Identity
from trilemma.runtime.founding import Founding
from trilemma.runtime.known_disks import KnownDisks, Lineage, found_disks

IDENTITY = (
    b'{"format":4,"cluster_id":"cluster","node_id":1,"disk_id":"d15c","starts":3,"runs":[[1,"r1"],[3,"r3"]],'
    b'"founding":{"default_mode":"cp","members":{"1":"n1","2":"n2"}},"log_segment":7,"may_have_met":true,'
    b'"crc":2838459455}'
)


def test_an_identity_is_these_bytes_and_comes_back() -> None:
    founding = Founding.of("cp", {1: "n1", 2: "n2"})
    identity = Identity(FORMAT, "cluster", 1, "d15c", 3, ((1, "r1"), (3, "r3")), founding, 7, may_have_met=True)
    assert identity.sealed() == IDENTITY
    found = msgspec.json.decode(IDENTITY, type=Identity)
    assert found.is_whole
    assert found == msgspec.structs.replace(identity, crc=found.crc)


def test_the_disks_of_peers_are_these_bytes_and_come_back(tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    found_disks(tmp_path)
    assert file.read_bytes() == b'{"peers":{},"crc":2745614147}'
    lineage = Lineage("d15c", 3, ((1, "r1"), (3, "r3")))
    assert KnownDisks(tmp_path).check(2, lineage) is None
    assert file.read_bytes() == b'{"peers":{"2":{"disk_id":"d15c","start":3,"run":"r3"}},"crc":125487515}'
    assert KnownDisks(tmp_path).knows(2, lineage)
