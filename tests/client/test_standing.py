"""What `up` may do with a directory: make a cluster there, start the one that stands, or write nothing at all."""

import asyncio
import json
import shutil
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from trilemma.client import control
from trilemma.client.control import ask
from trilemma.client.layout import LayoutRefused, NodePlace, free_places, lay_out, node_file, places
from trilemma.client.standing import Standing, Wanted, prepare
from trilemma.client.supervisor import Supervisor
from trilemma.runtime.config import load
from trilemma.runtime.rewrite import rewrite


@pytest.fixture
def members() -> list[NodePlace]:
    return free_places(2)


def free_run(count: int) -> int:
    """The first of some free ports in a row."""
    while True:
        base = free_places(1)[0].port
        with ExitStack() as stack, suppress(OSError):
            for port in range(base, base + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return base


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def made(directory: Path, members: list[NodePlace]) -> Path:
    lay_out(directory, members, "ap", lab=False, segment_bytes=1 << 20)
    return directory


def test_a_directory_that_is_nobodys_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(LayoutRefused, match=r"is not empty and holds no cluster \(it holds thesis.txt\)"):
        prepare(tmp_path, Wanted())
    assert contents(tmp_path) == {str(tmp_path / "thesis.txt"): b"mine"}
    with pytest.raises(LayoutRefused, match=r"thesis.txt: Not a directory"):
        prepare(tmp_path / "thesis.txt", Wanted())


@pytest.mark.parametrize("ran", [True, False], ids=["with data", "cut off"])
def test_a_cluster_that_lost_its_list_of_nodes_is_the_same_to_every_command(
    tmp_path: Path, members: list[NodePlace], ran: bool
) -> None:
    (made(tmp_path, members) / "cluster.json").unlink()
    if ran:
        (tmp_path / "n1" / "data").mkdir()
    sentences = set()
    for command in (
        lambda: prepare(tmp_path, Wanted()),
        lambda: control.nodes(tmp_path),
        lambda: ask(tmp_path, "stop"),
    ):
        with pytest.raises((LayoutRefused, control.NoClusterError)) as refused:
            command()
        sentences.add(str(refused.value))
    (sentence,) = sentences
    assert ("holds the directories of n1, n2, but has lost cluster.json" if ran else "remove it and try") in sentence


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    base = free_places(1)[0].port
    try:
        found = prepare(tmp_path, Wanted(nodes=1, base_port=base, default_mode="ca", lab=True))
    except LayoutRefused as problem:
        pytest.skip(str(problem))  # somebody has the port 10,000 above
    assert (found.is_new, found.default_mode, found.lab) == (True, "ca", True)
    assert load(node_file(tmp_path, "n1")).default_mode == "ca"


@pytest.mark.parametrize("port_of", [lambda place: place.port, lambda place: place.peer_port], ids=["client", "peer"])
@pytest.mark.parametrize("stands", [False, True], ids=["new", "stands"])
def test_a_port_that_is_taken_is_named_and_nothing_is_written(
    tmp_path: Path, port_of: Callable[[NodePlace], int], stands: bool
) -> None:
    base = free_places(1)[0].port
    place = NodePlace("n1", 1, base, base + 10_000)
    directory = tmp_path / "cluster"
    if stands:
        made(directory, [place])
    before = contents(tmp_path)
    with socket.socket() as other:
        try:
            other.bind(("127.0.0.1", port_of(place)))
        except OSError as problem:
            pytest.skip(str(problem))
        other.listen()
        with pytest.raises(LayoutRefused, match=f"n1 cannot listen on 127.0.0.1:{port_of(place)}: Address already"):
            prepare(directory, Wanted() if stands else Wanted(1, base))
    assert contents(tmp_path) == before
    assert directory.exists() == stands


def test_what_stands_is_used_where_nothing_else_is_wanted(tmp_path: Path, members: list[NodePlace]) -> None:
    before = contents(made(tmp_path, members))
    for wanted in (Wanted(), Wanted(nodes=2, base_port=members[0].port, default_mode="ap", lab=False)):
        assert prepare(tmp_path, wanted) == Standing(members, "ap", lab=False)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("wanted", "option"),
    [
        (Wanted(nodes=3), "--nodes 2, which stays; leave out --nodes 3"),
        (Wanted(base_port=7001), "--base-port"),
        (Wanted(default_mode="cp"), "--default-mode ap, which stays; leave out --default-mode cp"),
    ],
)
def test_a_cluster_that_stands_is_not_made_another(
    tmp_path: Path, members: list[NodePlace], wanted: Wanted, option: str
) -> None:
    before = contents(made(tmp_path, members))
    with pytest.raises(LayoutRefused, match=option):
        prepare(tmp_path, wanted)
    assert contents(tmp_path) == before


def test_every_start_may_choose_lab_and_changes_nothing_else(tmp_path: Path, members: list[NodePlace]) -> None:
    made(tmp_path, members)
    rewrite(node_file(tmp_path, "n1"), {"requirepass": "of CONFIG REWRITE"})
    before = contents(tmp_path)
    allowed = prepare(tmp_path, Wanted(lab=True))
    assert (allowed.lab, allowed.is_lab_changed) == (True, True)
    assert [load(node_file(tmp_path, name)).lab for name in ("n1", "n2")] == [True, True]
    assert load(node_file(tmp_path, "n1")).requirepass == "of CONFIG REWRITE"
    assert prepare(tmp_path, Wanted()) == Standing(members, "ap", lab=True)
    assert not prepare(tmp_path, Wanted(lab=False)).lab
    assert contents(tmp_path) == before


def test_every_start_may_choose_ports_for_metrics(tmp_path: Path, members: list[NodePlace]) -> None:
    before = contents(made(tmp_path, members))
    base = free_run(2)
    found = prepare(tmp_path, Wanted(metrics_port=base))
    assert [each.metrics_address for each in found.members] == [f"127.0.0.1:{base}", f"127.0.0.1:{base + 1}"]
    assert [load(node_file(tmp_path, name)).metrics_port for name in ("n1", "n2")] == [base, base + 1]
    assert [each.metrics_port for each in prepare(tmp_path, Wanted()).members] == [base, base + 1]
    assert prepare(tmp_path, Wanted(metrics_port=0)) == Standing(members, "ap", lab=False)
    assert all(b"metrics_port = 0" in text for path, text in contents(tmp_path).items() if path.endswith("node.toml"))
    assert contents(tmp_path).keys() == before.keys()


def test_a_new_cluster_counts_its_ports_for_metrics_up(tmp_path: Path) -> None:
    members = places(2, 7001, 9101)
    assert [each.metrics_port for each in members] == [9101, 9102]
    lay_out(tmp_path, members, "cp", lab=False, segment_bytes=1 << 20)
    assert [load(node_file(tmp_path, name)).metrics_port for name in ("n1", "n2")] == [9101, 9102]


def test_a_port_for_metrics_that_is_taken_is_named(tmp_path: Path, members: list[NodePlace]) -> None:
    before = contents(made(tmp_path, members))
    with pytest.raises(LayoutRefused, match=f"n1 cannot have {members[1].port} for /metrics: it is n2's port for cli"):
        prepare(tmp_path, Wanted(metrics_port=members[1].port))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LayoutRefused, match=rf"n1 cannot listen on 127.0.0.1:{port}: .*--metrics-port, or 0 for"):
            prepare(tmp_path, Wanted(metrics_port=port))
    assert contents(tmp_path) == before


def test_a_copy_of_a_directory_has_data_of_its_own(tmp_path: Path, members: list[NodePlace]) -> None:
    made(tmp_path / "first", members)
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    prepare(tmp_path / "second", Wanted())
    for directory in (tmp_path / "first", tmp_path / "second"):
        config = load(node_file(directory, "n2"))
        assert (config.dir, config.secret_file) == (str(directory / "n2" / "data"), str(directory / "secret"))


def test_a_cluster_that_lacks_a_nodes_file_is_refused(tmp_path: Path, members: list[NodePlace]) -> None:
    node_file(made(tmp_path, members), "n2").unlink()
    with pytest.raises(LayoutRefused, match=r"cannot be started: .*n2/node.toml: No such file"):
        prepare(tmp_path, Wanted())
    (tmp_path / "cluster.json").write_text("{")
    with pytest.raises(LayoutRefused, match=r"cluster.json is damaged"):
        prepare(tmp_path, Wanted())


def test_two_commands_do_not_make_one_cluster(tmp_path: Path, members: list[NodePlace]) -> None:
    made(tmp_path, members)
    known = json.loads((tmp_path / "cluster.json").read_text())
    with pytest.raises(LayoutRefused, match="by another command"):
        made(tmp_path, members)
    assert json.loads((tmp_path / "cluster.json").read_text()) == known


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayoutRefused, match="name a shorter --dir"):
        prepare(tmp_path / ("long" * 30), Wanted())
    assert list(tmp_path.iterdir()) == []


def test_a_directory_has_one_supervisor(tmp_path: Path) -> None:
    async def two() -> None:
        first, started = Supervisor(tmp_path, []), asyncio.Event()
        running = asyncio.create_task(first.run(started.set))
        await started.wait()
        with pytest.raises(LayoutRefused, match="another supervisor"):
            await Supervisor(tmp_path, []).run(lambda: None)
        first.stop()
        await running
        third = Supervisor(tmp_path, [])
        await third.run(third.stop)

    asyncio.run(two())
