"""CONFIG SET: what it refuses, in which words, and what it leaves behind when it does."""

import pytest

from trilemma.node.config import Member, NodeConfig
from trilemma.sim.solo import SoloNode, request


def made(*, protected_mode: bool = True) -> SoloNode:
    return SoloNode(NodeConfig("solo", 1, "disk", 1, (Member(1, "n1"),), protected_mode=protected_mode))


def ask(solo: SoloNode, *words: str) -> bytes:
    return solo.send(solo.connect(), request(*words))


def test_config_set_changes_nothing_where_it_refuses_a_value() -> None:
    solo = made()
    assert ask(solo, "CONFIG", "SET", "requirepass", "secret", "maxclients", "5").startswith(b"-ERR CONFIG SET failed")
    assert ask(solo, "CONFIG", "GET", "requirepass") == b"*2\r\n$11\r\nrequirepass\r\n$0\r\n\r\n"


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("save", "1", "Invalid save parameters"),
        ("save", "0 1", "Invalid save parameters"),
        ("save", "1 2", "can't set immutable config"),
        ("client-output-buffer-limit", "normal 0 0", "Wrong number of arguments in buffer limit configuration."),
        ("client-output-buffer-limit", "master 0 0 0", "Invalid client class specified in buffer limit configuration."),
        (
            "client-output-buffer-limit",
            "normal x 0 0",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
        ("maxmemory", "1gb", "can't set immutable config"),
        ("appendonly", "no", "can't set immutable config"),
    ],
)
def test_config_set_says_why_it_refuses(option: str, value: str, reason: str) -> None:
    text = f"-ERR CONFIG SET failed (possibly related to argument '{option}') - {reason}\r\n"
    assert ask(made(), "CONFIG", "SET", option, value) == text.encode()


@pytest.mark.parametrize(
    ("option", "value"), [("maxclients", "10000"), ("maxmemory", "0kb"), ("appendfsync", "ALWAYS"), ("save", "")]
)
def test_config_set_takes_what_an_option_has_already_in_other_words_too(option: str, value: str) -> None:
    assert ask(made(), "CONFIG", "SET", option, value) == b"+OK\r\n"


def test_config_set_takes_yes_in_any_case() -> None:
    solo = made(protected_mode=False)
    assert ask(solo, "CONFIG", "SET", "protected-mode", "YES") == b"+OK\r\n"
    assert ask(solo, "CONFIG", "GET", "protected-mode") == b"*2\r\n$14\r\nprotected-mode\r\n$3\r\nyes\r\n"
