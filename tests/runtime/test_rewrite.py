"""CONFIG REWRITE changes what it must of the file, and nothing else."""

import errno
import os
import tomllib
from pathlib import Path

import pytest

from trilemma.runtime import durable_files
from trilemma.runtime.config import ConfigError
from trilemma.runtime.rewrite import answer_rewrite, rewrite, rewritten

TEXT = """# mine
name = "n1"   # stays
requirepass = "old"

[[members]]
requirepass = "not this one"
"""
WORDS = [b"requirepass", b"new", b"protected-mode", b"yes", b"timeout", b"0"]
FILE = """name = "n1"
dir = "/data"
cluster_id = "c"
secret = "sixteen bytes or more"

[[members]]
id = 1
name = "n1"
address = "127.0.0.1:7001"
peer_address = "127.0.0.1:17001"
"""


def test_a_key_that_is_there_is_replaced_in_its_place() -> None:
    assert rewritten(TEXT, {"requirepass": "new"}) == TEXT.replace('"old"', '"new"')


def test_a_key_that_is_not_there_goes_above_the_tables() -> None:
    found = tomllib.loads(rewritten(TEXT, {"protected_mode": False}))
    assert found["protected_mode"] is False
    assert found["members"] == [{"requirepass": "not this one"}]


@pytest.mark.parametrize("password", ['"', "\\", "line\nline", "ü", "pass😀word", "\x7f", "]", "= [x]"])
def test_a_value_is_read_back_as_it_was(tmp_path: Path, password: str) -> None:
    path = tmp_path / "n1.toml"
    path.write_text("protected_mode = false\n" + FILE, "utf-8")
    path.chmod(0o600)
    rewrite(path, {"requirepass": password, "protected_mode": True})
    found = tomllib.loads(path.read_text("utf-8"))
    assert (found["requirepass"], found["protected_mode"], found["name"]) == (password, True, "n1")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "first",
    ['"requirepass" = "old"', 'requirepass = """\nold"""', 'requirepass = """\n[x]\n"""', "metrics_port = 1.5"],
)
def test_a_file_that_the_next_start_could_not_read_stays_as_it_was(tmp_path: Path, first: str) -> None:
    path = tmp_path / "n1.toml"
    path.write_text(f"{first}\n{FILE}", "utf-8")
    with pytest.raises(ConfigError):
        rewrite(path, {"requirepass": "new", "protected_mode": True})
    assert path.read_text("utf-8") == f"{first}\n{FILE}"
    assert list(tmp_path.iterdir()) == [path]


def test_what_separates_lines_elsewhere_does_not_in_a_password(tmp_path: Path) -> None:
    path = tmp_path / "n1.toml"
    path.write_text(FILE, "utf-8")
    for password in ("a\u2028b", "a\x85b", "c"):
        rewrite(path, {"requirepass": password})
        assert tomllib.loads(path.read_text("utf-8"))["requirepass"] == password


def test_a_value_that_would_land_within_another_one_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "n1.toml"
    text = 'bind = """\nrequirepass = 1\n"""\n' + FILE
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match="laid out in a way that is not understood"):
        rewrite(path, {"requirepass": "new"})
    assert path.read_text("utf-8") == text


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_it_keeps_its_mode_and_leaves_its_neighbours_alone(tmp_path: Path, mode: int) -> None:
    """A file that was to be read by its owner alone became as open as one of that name beside it, with the password."""
    path, neighbour = tmp_path / "n1.toml", tmp_path / "n1.toml.new"
    path.write_text(FILE, "utf-8")
    neighbour.write_text("mine")
    neighbour.chmod(0o644)
    path.chmod(mode)
    umask = os.umask(0o077)
    try:
        rewrite(path, {"requirepass": "new"})
    finally:
        os.umask(umask)
    assert 'requirepass = "new"' in path.read_text("utf-8")
    assert path.stat().st_mode & 0o777 == mode
    assert neighbour.read_text() == "mine"
    assert sorted(tmp_path.iterdir()) == [path, neighbour]


def test_where_the_disk_refuses_it_nothing_is_left_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "n1.toml"
    path.write_text(FILE, "utf-8")
    monkeypatch.setattr(durable_files, "write_whole", refuse)
    reply = answer_rewrite(path, WORDS)
    assert reply == b"-ERR Rewriting config file: No space left on device\r\n"
    assert path.read_text("utf-8") == FILE
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ("# Größe".encode("latin-1"), "TOML is UTF-8, and byte 4 is not"),
        (b"x = " + b"[" * 100_000, "a value is nested too deeply to be read"),
    ],
)
def test_a_file_that_is_no_configuration_any_more_is_an_error_reply(tmp_path: Path, first: bytes, reason: str) -> None:
    path = tmp_path / "n1.toml"
    path.write_bytes(first + b"\n" + FILE.encode())
    reply = answer_rewrite(path, WORDS)
    assert reply == f"-ERR Rewriting config file: {reason}\r\n".encode()
    assert path.read_bytes() == first + b"\n" + FILE.encode()
    assert list(tmp_path.iterdir()) == [path]
