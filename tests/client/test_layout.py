"""The files of a cluster that this package lays out."""

from pathlib import Path

import pytest

from trilemma.client.layout import Settings, places, toml
from trilemma.runtime.config import parse


@pytest.mark.parametrize("name", ["plain", 'a "b"', "ü", "😀", "\x7f"])
def test_a_directory_of_any_name_is_read_back_as_it_was(name: str) -> None:
    nodes = places(1, 7001)
    config = parse(toml(nodes[0], nodes, Settings("c"), Path("/data") / name))
    assert (config.dir, config.secret_file) == (f"/data/{name}/n1/data", f"/data/{name}/secret")
