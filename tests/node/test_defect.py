"""A command whose code breaks is answered so, everywhere alike, and the node goes on and says it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from trilemma.command import table
from trilemma.node.config import Member, NodeConfig
from trilemma.node.defect import described
from trilemma.node.effects import DEFECT
from trilemma.sim.solo import SoloNode, request

MODES = ["cp", "ap", "ca"]
REPLY = b"-ERR a defect of this server ended 'strlen' (IndexError); it may have been carried out in part\r\n"


def broken(*_: Any) -> Any:
    return [][1]


@pytest.fixture
def break_command(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def break_command(name: str, which: str) -> None:
        row = replace(table.TABLE[name], **{which: broken})
        for word in (name, name.upper()):
            monkeypatch.setitem(table._BY_WORD, word.encode(), row)

    return break_command


def made(mode: str) -> SoloNode:
    return SoloNode(NodeConfig("solo", 1, "disk", 1, (Member(1, "n1"),), default_mode=mode))


@pytest.mark.parametrize("mode", MODES)
def test_a_data_command_that_breaks_is_answered_and_its_session_goes_on(break_command: Any, mode: str) -> None:
    break_command("strlen", "handler")
    solo = made(mode)
    conn = solo.connect()
    assert solo.send(conn, request("STRLEN", "k") + request("SET", "k", "v")) == REPLY + b"+OK\r\n"
    assert b"defects:1\r\n" in solo.send(conn, request("INFO", "stats"))


@pytest.mark.parametrize("mode", MODES)
def test_one_that_breaks_in_a_transaction_breaks_alone(break_command: Any, mode: str) -> None:
    break_command("strlen", "handler")
    solo = made(mode)
    sent = [("MULTI",), ("INCR", "n"), ("STRLEN", "n"), ("INCR", "n"), ("EXEC",)]
    replies = solo.send(solo.connect(), b"".join(request(*words) for words in sent))
    assert replies.endswith(b"*3\r\n:1\r\n" + REPLY + b":2\r\n")


def test_one_with_a_token_keeps_its_reply(break_command: Any) -> None:
    break_command("strlen", "handler")
    solo = made("cp")
    for _ in range(2):
        assert solo.send(solo.connect(), request("CAP", "ONCE", "token", "STRLEN", "k")) == REPLY


def test_a_session_command_that_breaks_is_answered_in_its_place_and_the_connection_closes(break_command: Any) -> None:
    break_command("echo", "session_handler")
    solo = made("cp")
    conn, other = solo.connect(), solo.connect()
    sent = [("SET", "k", "v"), ("ECHO", "a"), ("SET", "k", "w")]
    replies = solo.send(conn, b"".join(request(*words) for words in sent))
    assert replies.startswith(b"+OK\r\n-ERR a defect of this server ended 'echo' (IndexError)")
    assert replies.count(b"\r\n") == 2
    assert conn in solo.closed
    assert solo.send(other, request("GET", "k")) == b"$1\r\nv\r\n"


def test_people_are_told_no_password() -> None:
    told = described([b"CAP", b"EXPLAIN", b"AUTH", b"secret"], ValueError("of something else"))
    assert "'CAP' 'EXPLAIN' 'AUTH' '(redacted)': " in told
    assert "secret" not in told


def test_people_are_told_the_command_and_the_place(break_command: Any) -> None:
    break_command("strlen", "handler")
    solo = made("ap")
    conn = solo.connect()
    solo.node.receive_client(conn, request("STRLEN", b"k" * 200))
    told = []
    for _ in range(10):
        solo.node.advance(solo.now)
        told += [trace for trace in solo.node.ready().trace if trace.what == DEFECT]
    assert len(told) == 1
    assert told[0].text.startswith(f"'STRLEN' '{'k' * 64}': Traceback")
    assert "in broken" in told[0].text
