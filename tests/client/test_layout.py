"""The files of a cluster that this package lays out."""

import os
from pathlib import Path

import pytest

from trilemma.client.layout import Settings, lay_out, places, toml
from trilemma.runtime.config import parse


@pytest.mark.parametrize("name", ["plain", 'a "b"', "ü", "😀", "\x7f"])
def test_a_directory_of_any_name_is_read_back_as_it_was(name: str) -> None:
    nodes = places(1, 7001)
    config = parse(toml(nodes[0], nodes, Settings("c"), Path("/data") / name))
    assert (config.dir, config.secret_file) == (f"/data/{name}/n1/data", f"/data/{name}/secret")


def test_the_names_of_the_directories_above_the_data_are_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[Path, list[str]]] = []

    def spy(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((path, sorted(entry.name for entry in path.iterdir())))

    monkeypatch.setattr(os, "fsync", spy)
    lay_out(tmp_path / "a" / "c", places(2, 7001), "cp", lab=False, segment_bytes=1 << 20)
    made = ["cluster.json", "n1", "n2", "secret"]
    assert synced == [(tmp_path, ["a"]), (tmp_path / "a", ["c"]), (tmp_path / "a" / "c", made)]
