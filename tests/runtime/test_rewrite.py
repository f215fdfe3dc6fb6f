"""CONFIG REWRITE changes what it must of the file, and nothing else."""

import tomllib
from pathlib import Path

import pytest

from trilemma.runtime.rewrite import rewrite, rewritten

TEXT = """# mine
name = "n1"   # stays
requirepass = "old"

[[members]]
requirepass = "not this one"
"""


def test_a_key_that_is_there_is_replaced_in_its_place() -> None:
    assert rewritten(TEXT, {"requirepass": "new"}) == TEXT.replace('"old"', '"new"')


def test_a_key_that_is_not_there_goes_above_the_tables() -> None:
    found = tomllib.loads(rewritten(TEXT, {"protected_mode": False}))
    assert found["protected_mode"] is False
    assert found["members"] == [{"requirepass": "not this one"}]


@pytest.mark.parametrize("password", ['"', "\\", "line\nline", "ü", "]", "= [x]"])
def test_a_value_is_read_back_as_it_was(tmp_path: Path, password: str) -> None:
    path = tmp_path / "n1.toml"
    path.write_text(TEXT, "utf-8")
    path.chmod(0o600)
    rewrite(path, {"requirepass": password, "protected_mode": True})
    found = tomllib.loads(path.read_text("utf-8"))
    assert (found["requirepass"], found["protected_mode"], found["name"]) == (password, True, "n1")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
