"""Keyspaces and modes as they are told to the linter."""

import pytest

from trilemma.advise.key import Key
from trilemma.advise.modes import Modes, NotAKeyspaceError, parse_mode, parse_modes


def test_lines_and_json_tell_the_same() -> None:
    expected = {"shop": "ap", "bank": "cp"}
    assert parse_modes("shop=ap\n\n# a comment\nbank = CP  # money\n") == expected
    assert parse_modes('[{"name": "shop", "mode": "ap", "write": "1"}, {"name": "bank", "mode": "cp"}]') == expected


@pytest.mark.parametrize("text", ["shop", "=ap", "shop=", "shop=eventual", "[1]", '[{"name": "shop"}]', "[", "shop ap"])
def test_what_names_no_keyspace_is_refused(text: str) -> None:
    with pytest.raises(NotAKeyspaceError):
        parse_modes(text)
    with pytest.raises(NotAKeyspaceError):
        parse_mode("shop=both")


def test_a_key_has_one_home_or_one_per_mode() -> None:
    modes = Modes("cp", {"shop": "ap", "cart": "ap"})
    assert modes.of(Key.literal("shop:a"))[0][:2] == ("shop", "ap")
    assert modes.of(Key.literal("shop"))[0][:2] == ("default", "cp")
    assert modes.of(Key.literal("other:a"))[0][:2] == ("default", "cp")
    assert [home.mode for home in modes.of(Key("key", None))] == ["cp", "ap"]
    assert [home.is_sure for home in Modes("ap").of(Key("key", None))] == [True]
