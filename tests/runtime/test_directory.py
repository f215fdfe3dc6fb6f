"""The data directory: whose it is, who holds it, what a start leaves behind."""

import errno
import os
from pathlib import Path

import msgspec
import pytest

from trilemma.runtime.directory import DataDirectory
from trilemma.runtime.durable_files import WHOLE, DirectoryRefused, write_durably
from trilemma.runtime.founding import Founding
from trilemma.runtime.known_disks import RUNS_MAX, Lineage, Run

FOUNDING = Founding.of("cp", {1: "n1", 2: "n2", 3: "n3"})


def opened(path: Path, cluster: str = "c", node: int = 1, founding: Founding = FOUNDING) -> DataDirectory:
    return DataDirectory(path, cluster, node, founding)


def at(disk_id: str, *runs: str, starts: int = 0) -> Lineage:
    """Return what a peer comes with: its disk, and the ids of its newest runs (one, where it does not matter)."""
    runs = runs or ("run",)
    starts = starts or len(runs)
    return Lineage(disk_id, starts, tuple(enumerate(runs, starts + 1 - len(runs))))


def test_starts_are_counted_and_the_disk_keeps_its_id(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    ids = set()
    for start in (1, 2, 3):
        held = opened(path)
        assert held.identity.starts == start
        ids.add(held.identity.disk_id)
        held.close()
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (Founding.of("ap", {1: "n1", 2: "n2", 3: "n3"}), "was founded with default_mode cp, not ap"),
        (
            Founding.of("cp", {1: "n1", 2: "n2"}),
            r"was founded with the members n1 \(1\), n2 \(2\), n3 \(3\), not n1 \(1\)",
        ),
        (Founding.of("cp", {1: "n1", 2: "n2", 3: "n3", 4: "n4"}), "adding, removing and renaming members is not built"),
        (Founding.of("cp", {1: "n1", 2: "n3", 3: "n2"}), "renaming members is not built"),
    ],
)
def test_what_was_fixed_at_the_founding_stays(tmp_path: Path, other: Founding, sentence: str) -> None:
    opened(tmp_path / "d").close()
    with pytest.raises(DirectoryRefused, match=sentence):
        opened(tmp_path / "d", founding=other)
    opened(tmp_path / "d").close()


def test_two_directories_have_two_ids(tmp_path: Path) -> None:
    one, two = opened(tmp_path / "1"), opened(tmp_path / "2")
    assert one.identity.disk_id != two.identity.disk_id
    one.close()
    two.close()


def test_a_directory_in_use_is_refused_with_the_holder_and_stays_as_it_was(tmp_path: Path) -> None:
    held = opened(tmp_path / "d")
    with pytest.raises(DirectoryRefused, match=r"is in use by process \d+"):
        opened(tmp_path / "d")
    held.close()
    again = opened(tmp_path / "d")
    assert again.identity.starts == 2
    again.close()


def test_a_directory_of_another_cluster_or_node_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with pytest.raises(DirectoryRefused, match="belongs to cluster 'c', not to 'other'"):
        opened(tmp_path, "other")
    with pytest.raises(DirectoryRefused, match="belongs to node 1, not to node 2"):
        opened(tmp_path, node=2)
    held = opened(tmp_path)
    assert held.identity.starts == 2
    held.close()


def test_a_foreign_directory_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(DirectoryRefused, match=r"is not empty and no data directory of Trilemma's \(it holds letters"):
        opened(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["LOCK", "letters.txt"]


@pytest.mark.parametrize("other", [{"format": 1, "log_has_begun": True}, {"format": 3}, {"format": 5, "unheard_of": 0}])
def test_another_format_is_refused_by_its_number_whatever_else_it_holds(
    tmp_path: Path, other: dict[str, object]
) -> None:
    opened(tmp_path).close()
    file = tmp_path / "identity.json"
    written = msgspec.json.encode(msgspec.json.decode(file.read_bytes()) | other)
    file.write_bytes(written)
    with pytest.raises(DirectoryRefused, match=f"has format {other['format']}; this version reads format 4: start it"):
        opened(tmp_path)
    assert file.read_bytes() == written


@pytest.mark.parametrize("crc", [{}, {"crc": 0}])
def test_an_identity_without_its_checksum_is_refused(tmp_path: Path, crc: dict[str, int]) -> None:
    opened(tmp_path).close()
    file = tmp_path / "identity.json"
    facts = msgspec.json.decode(file.read_bytes())
    del facts["crc"]
    file.write_bytes(msgspec.json.encode(facts | crc))
    with pytest.raises(DirectoryRefused, match=r"identity\.json is damaged: its checksum is not"):
        opened(tmp_path)


def test_the_newest_segment_of_the_log_is_remembered_over_restarts(tmp_path: Path) -> None:
    held = opened(tmp_path)
    for segment in (3, 2):
        held.log_reaches(segment)
    held.close()
    (tmp_path / "log" / "3.segment").touch()
    held = opened(tmp_path)
    assert held.identity.log_segment == 3
    held.close()


@pytest.mark.parametrize("data", [b"", b"{", b"{}", b'{"format": 4}', b'{"format": "x"}'])
def test_a_damaged_identity_is_refused(tmp_path: Path, data: bytes) -> None:
    opened(tmp_path).close()
    (tmp_path / "identity.json").write_bytes(data)
    with pytest.raises(DirectoryRefused, match="is damaged"):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["identity.json", "peers.json"])
def test_a_flipped_bit_is_refused_wherever_it_is(tmp_path: Path, name: str) -> None:
    """With one in the count of starts two starts would have had one number."""
    held = opened(tmp_path)
    assert held.check_disk(2, at("disk-a")) is None
    held.close()
    sound = (tmp_path / name).read_bytes()
    for place in range(len(sound)):
        (tmp_path / name).write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        with pytest.raises(DirectoryRefused):
            opened(tmp_path)
    (tmp_path / name).write_bytes(sound)
    opened(tmp_path).close()


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryRefused, match="File exists"):
        opened(tmp_path / "file")


def test_a_start_cut_off_before_its_first_identity_does_not_spoil_the_directory(tmp_path: Path) -> None:
    (tmp_path / "LOCK").write_text("1\n")
    for name in ("peers.json.new", "identity.json.new"):
        (tmp_path / name).write_text("{")
        held = opened(tmp_path)
        assert held.identity.starts == 1
        held.close()
        (tmp_path / "identity.json").unlink()
    opened(tmp_path).close()


@pytest.mark.parametrize("left", [None, b"", b"{}"])
def test_a_directory_that_has_lost_the_disks_of_its_peers_is_refused(tmp_path: Path, left: bytes | None) -> None:
    """It knew nobody then, as before its first start: a peer with an emptied disk would have counted, and voted."""
    opened(tmp_path).close()
    held = opened(tmp_path)
    assert held.check_disk(2, at("disk-a")) is None
    held.close()
    file = tmp_path / "peers.json"
    known = file.read_bytes()
    file.unlink()
    if left is not None:
        file.write_bytes(left)
    with pytest.raises(DirectoryRefused, match=r"peers\.json is (missing|damaged)") as refused:
        opened(tmp_path)
    assert str(refused.value).endswith("must not return under its old id")
    file.write_bytes(known)
    held = opened(tmp_path)
    assert "another disk" in str(held.check_disk(2, at("disk-b")))
    held.close()


def test_the_disks_of_peers_without_an_identity_are_no_new_directory(tmp_path: Path) -> None:
    held = opened(tmp_path)
    assert held.check_disk(2, at("disk-a")) is None
    held.close()
    (tmp_path / "identity.json").unlink()
    with pytest.raises(
        DirectoryRefused, match=r"holds peers\.json, as a data directory does, but its identity\.json is"
    ):
        opened(tmp_path)


@pytest.mark.parametrize("left", ["log/1.segment", "rows/CURRENT"])
def test_a_directory_that_has_lost_its_identity_only_is_named_as_one_and_not_left_for_another(
    tmp_path: Path, left: str
) -> None:
    """Whoever named another one, as the sentence said, had a node that was wiped."""
    opened(tmp_path).close()
    (tmp_path / left).parent.mkdir(exist_ok=True)
    (tmp_path / left).touch()
    (tmp_path / "a note").touch()
    (tmp_path / "identity.json").unlink()
    for _ in range(2):
        with pytest.raises(DirectoryRefused) as refused:
            opened(tmp_path)
        part = left.partition("/")[0]
        assert str(refused.value) == (
            f"{tmp_path} holds {part}, as a data directory does, but its identity.json is missing, and with it whose "
            f"it is; {WHOLE}"
        )


def test_a_peers_first_disk_is_remembered_over_restarts_and_another_one_refused(tmp_path: Path) -> None:
    held = opened(tmp_path)
    assert held.check_disk(2, at("disk-a")) is None
    assert held.check_disk(2, at("disk-a")) is None
    held.close()
    held = opened(tmp_path)
    assert held.check_disk(3, at("disk-b")) is None
    reason = held.check_disk(2, at("disk-c"))
    assert reason is not None
    assert "another disk" in reason
    assert held.check_disk(2, at("disk-a")) is None
    held.close()


def test_a_disk_that_could_not_be_remembered_is_refused_and_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = opened(tmp_path)
    assert held.check_disk(3, at("disk-b")) is None

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for step in ("pwrite", "fsync", "replace"):
        with monkeypatch.context() as patched:
            patched.setattr(os, step, full)
            assert held.check_disk(2, at("disk-a")) == (
                "its disk and start could not be remembered here: No space left on device"
            )
            assert held.check_disk(3, at("disk-b")) is None
    assert held.check_disk(2, at("disk-other")) is None
    held.close()
    again = opened(tmp_path)
    assert again.check_disk(2, at("disk-other")) is None
    assert "another disk" in str(again.check_disk(2, at("disk-a")))
    again.close()


def test_each_start_has_a_run_of_its_own_and_so_many_of_them_are_told_of(tmp_path: Path) -> None:
    runs: tuple[Run, ...] = ()
    for start in range(1, RUNS_MAX + 3):
        held = opened(tmp_path)
        held.meets_peers()
        runs = (*runs, held.identity.runs[-1])
        assert held.identity.lineage == Lineage(held.identity.disk_id, start, runs[-RUNS_MAX:])
        held.close()
    assert [start for start, _ in runs] == list(range(1, RUNS_MAX + 3))
    assert len({run for _, run in runs}) == len(runs)


def test_a_start_that_met_nobody_leaves_its_place_among_the_runs_to_the_next_one(tmp_path: Path) -> None:
    """A loop of starts that failed had pushed out the run that peers knew: they took an older copy back then."""
    disk, kept = "", list[Run]()
    for start, meets in enumerate((False, True, False, False, True, *[False] * RUNS_MAX), 1):
        held = opened(tmp_path)
        lineage, disk = held.identity.lineage, held.identity.disk_id
        assert lineage == Lineage(disk, start, (*kept, (start, lineage.runs[-1][1])))
        if meets:
            held.meets_peers()
            kept.append(lineage.runs[-1])
        held.close()
    assert [start for start, _ in kept] == [2, 5]


def test_what_else_is_written_into_the_identity_leaves_it_that_a_run_may_have_met_peers(tmp_path: Path) -> None:
    for segment in (1, 2):
        held = opened(tmp_path)
        held.log_reaches(segment)
        held.meets_peers()
        held.log_reaches(segment + 1)
        held.close()
        (tmp_path / "log" / "1.segment").touch()
    held = opened(tmp_path)
    assert [start for start, _ in held.identity.runs] == [1, 2, 3]
    held.close()


def test_of_a_peer_its_newest_start_is_remembered_and_an_earlier_one_refused(tmp_path: Path) -> None:
    held = opened(tmp_path)
    for known in (at("d", "a"), at("d", "a"), at("d", "a", "b", "c"), at("d", "a", "b", "c")):
        assert held.check_disk(2, known) is None
    for _ in range(2):
        reason = str(held.check_disk(2, at("d", "a", "b")))
        assert reason.startswith("it comes with start 2 of its disk, and start 3 is known here: its data directory is")
        assert held.check_disk(3, at("other", "a")) is None
        assert held.check_disk(2, at("d", "a", "b", "c")) is None
        held.close()
        held = opened(tmp_path)
    held.close()


def test_a_start_with_another_run_than_is_known_of_it_is_one_on_an_older_copy_however_often_that_is_started(
    tmp_path: Path,
) -> None:
    held = opened(tmp_path)
    assert held.check_disk(2, at("d", "a", "b")) is None
    longest = ("x", *["y"] * (RUNS_MAX - 1))
    for copy in (at("d", "a", "x"), at("d", "a", "x", "y"), at("d", *longest, starts=1 + len(longest))):
        reason = str(held.check_disk(2, copy))
        assert reason.startswith("its data directory is an older copy: start 2 of it was known here with another run (")
        assert "must not return under its old id" in reason
    assert held.check_disk(2, at("d", "a", "b", "c")) is None
    held.close()


@pytest.mark.parametrize("runs", [((3, "x"),), ((1, "z"), (3, "x")), ((1, "z"), (3, "x"), (4, "y"))])
def test_a_start_that_is_known_and_met_nobody_in_the_past_of_who_comes_is_one_of_an_older_copy(
    tmp_path: Path, runs: tuple[Run, ...]
) -> None:
    held = opened(tmp_path)
    assert held.check_disk(2, at("d", "z", "a")) is None
    reason = str(held.check_disk(2, Lineage("d", runs[-1][0], runs)))
    assert reason.startswith(
        "its data directory is an older copy: start 2 of it was known here with another run (a…, its"
    )
    held.close()


def test_a_peer_that_tells_no_more_of_the_start_that_is_known_of_it_is_taken_as_it_comes(tmp_path: Path) -> None:
    held = opened(tmp_path)
    assert held.check_disk(2, at("d", "a")) is None
    later = ["y"] * RUNS_MAX
    assert held.check_disk(2, at("d", *later, starts=RUNS_MAX + 1)) is None
    assert f"start 2 of its disk, and start {RUNS_MAX + 1}" in str(held.check_disk(2, at("d", "a", "b")))
    held.close()


def test_nothing_is_written_of_a_peer_of_which_nothing_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = opened(tmp_path)
    assert held.check_disk(2, at("d", "a")) is None
    paths = synced(monkeypatch)
    assert held.check_disk(2, at("d", "a")) is None
    assert held.check_disk(2, at("d", "x")) is not None
    assert paths == []
    assert held.check_disk(2, at("d", "a", "b")) is None
    assert paths == [tmp_path / "peers.json.new", tmp_path]
    held.close()


def test_a_copy_of_this_directory_is_no_peer(tmp_path: Path) -> None:
    held = opened(tmp_path)
    reason = held.check_disk(2, at(held.identity.disk_id))
    assert reason is not None
    assert "copy" in reason
    held.close()


def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the list to which the path of whatever is synced from now on is added."""
    paths, sync = list[Path](), os.fsync

    def spy(descriptor: int) -> None:
        paths.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    return paths


def test_the_name_of_each_directory_that_a_start_makes_is_durable_before_anything_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, path = synced(monkeypatch), tmp_path / "a" / "b" / "c"
    opened(path).close()
    made = [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    assert paths == [*made, path / "peers.json.new", path, path / "identity.json.new", path]
    paths.clear()
    opened(path).close()
    assert paths == [path / "identity.json.new", path]


def test_a_directory_whose_name_cannot_be_made_durable_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(DirectoryRefused, match="d: Input/output error"):
        opened(tmp_path / "d")
    assert list((tmp_path / "d").iterdir()) == []


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_durably(tmp_path / "f", b"one")
    write_durably(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


def test_a_file_is_whole_although_each_write_takes_a_part_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_some, pwrite_some = os.write, os.pwrite
    monkeypatch.setattr(os, "write", lambda file, data: write_some(file, data[:3]))
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: pwrite_some(file, data[:3], offset))
    write_durably(tmp_path / "f", b"ten bytes.")
    assert (tmp_path / "f").read_bytes() == b"ten bytes."
