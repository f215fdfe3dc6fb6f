"""Defects of what makes a reply, outside of the command's own code: each is answered, counted, and its node goes on.

The texts tell what may have happened: nothing before a command begins, everything once only its reply is made.
"""

from dataclasses import replace
from typing import Any

import pytest

from trilemma.base.ids import ConnId
from trilemma.command import table
from trilemma.datatype.causal import CausalView
from trilemma.datatype.plain import PlainView
from trilemma.node import causal_execution as of_ap
from trilemma.node import explained, internal, monitor, receipt, transactions, wholedb
from trilemma.node import raft_shard as of_cp
from trilemma.node.change import ChangeSlot
from trilemma.node.digesting import Digesting
from trilemma.sim.solo import SoloNode, request

MODES = ["cp", "ap"]


def broken(*_: Any, **__: Any) -> Any:
    return [][1]


def ended(command: str) -> bytes:
    text = f"-ERR a defect of this server ended '{command}' (IndexError); it may have been carried out in part\r\n"
    return text.encode()


def lost(command: str) -> bytes:
    return f"-ERR a defect of this server lost the reply of '{command}' (IndexError), which was executed\r\n".encode()


def before(command: str) -> bytes:
    ended = f"-ERR a defect of this server ended '{command}' (IndexError) before any of it was executed"
    return ended.encode() + b"; nothing was written\r\n"


class Scene:
    """A node with one client, and a key whose keyspace is of the mode."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.solo = SoloNode()
        self.conn = self.solo.connect()
        self.key = "k" if mode == "cp" else "shop:k"
        if mode == "ap":
            assert self.ask("KEYSPACE CREATE shop MODE ap") == b"+OK\r\n"

    def ask(self, *sent: str, conn: ConnId | None = None) -> bytes:
        """Send commands; `@` stands for the key."""
        data = b"".join(request(*words.replace("@", self.key).split()) for words in sent)
        return self.solo.send(self.conn if conn is None else conn, data)

    def goes_on(self, defects: int = 1) -> bool:
        assert self.conn not in self.solo.closed
        assert f"defects:{defects}\r\n".encode() in self.ask("INFO stats")
        return self.ask("SET @ z", "GET @") == b"+OK\r\n$1\r\nz\r\n"


@pytest.fixture(params=MODES)
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(request.param)


def break_session_command(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    row = replace(table.TABLE[name], session_handler=broken)
    for word in (name, name.upper()):
        monkeypatch.setitem(table._BY_WORD, word.encode(), row)


def test_a_session_command_within_a_transaction(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    break_session_command(monkeypatch, "echo")
    replies = scene.ask("MULTI", "SET @ 1", "ECHO a", "INCR @", "EXEC")
    assert replies.endswith(b"*3\r\n+OK\r\n" + ended("echo") + b":2\r\n")
    assert scene.goes_on()


def test_a_transaction_of_session_commands_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    break_session_command(monkeypatch, "echo")
    assert scene.ask("MULTI", "PING", "ECHO a", "EXEC").endswith(b"*2\r\n+PONG\r\n" + ended("echo"))
    assert scene.goes_on()


def test_putting_the_replies_of_a_transaction_together(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    module = of_cp if scene.mode == "cp" else of_ap
    run_unit = module.run_unit
    with monkeypatch.context() as patch:
        patch.setattr(module, "run_unit", lambda view, unit: run_unit(view, unit)[:1])  # type: ignore[index]
        assert scene.ask("MULTI", "SET @ 1", "INCR @", "EXEC").endswith(lost("exec"))
    assert scene.ask("GET @") == b"$1\r\n2\r\n"
    assert scene.goes_on()


def test_showing_a_transaction_to_monitors(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = scene.solo.connect()
    scene.ask("MONITOR", conn=watcher)
    monkeypatch.setattr(monitor, "selected_db", broken)
    assert scene.ask("MULTI", "SET @ 1", "SELECT 0", "EXEC").endswith(b"*2\r\n+OK\r\n+OK\r\n")
    assert scene.goes_on()


def test_the_versions_that_exec_compares(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.ask("SET @ 1", "WATCH @")
    with monkeypatch.context() as patch:
        patch.setattr(PlainView if scene.mode == "cp" else CausalView, "version", broken)
        assert scene.ask("MULTI", "INCR @", "EXEC").endswith(before("exec"))
    assert scene.ask("GET @") == b"$1\r\n1\r\n"
    assert scene.goes_on()


def test_noting_what_is_watched(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(transactions, "decode_reply", broken)
        assert scene.ask("WATCH @") == before("watch")
    assert scene.ask("SET @ 1", "MULTI", "GET @", "EXEC").endswith(b"*1\r\n$1\r\n1\r\n")
    assert scene.goes_on()


@pytest.mark.parametrize("command", ["DBSIZE", "KEYS *", "SCAN 0", "RANDOMKEY", "FLUSHDB", "FLUSHALL"])
def test_joining_the_replies_of_shards(scene: Scene, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    scene.ask("SET @ 1")
    with monkeypatch.context() as patch:
        patch.setattr(wholedb, "decode_reply", broken)
        assert scene.ask(command) == lost(command.split()[0].lower())
    assert scene.ask("EXISTS @") == (b":0\r\n" if command.startswith("FLUSH") else b":1\r\n")
    assert scene.goes_on()


def test_saying_what_a_flush_has_done_where_it_failed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(internal.HANDLERS, internal.FLUSH, broken)
        patch.setattr(wholedb.WholeDb, "_failure", broken)
        assert scene.ask("FLUSHALL") == ended("flushall")
    assert scene.goes_on(defects=len(list(scene.solo.node._executors.user_shards())) + 1)


def test_warnings_of_what_was_explained_before(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scene.ask("CAP EXPLAIN GET @").startswith(b"*2\r\n$-1\r\n")
    with monkeypatch.context() as patch:
        patch.setattr(explained.ExplainSlot, "_with_warnings", broken)
        assert scene.ask("CAP EXPLAIN SET @ 1") == lost("cap|explain")
    assert scene.ask("GET @") == b"$1\r\n1\r\n"
    assert scene.goes_on()


@pytest.mark.parametrize("command", ["GET @", "SET @ 1", "INCR @"])
def test_a_receipt(scene: Scene, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(receipt, "warnings_of", broken)
        assert scene.ask(f"CAP EXPLAIN {command}") == lost(command.split()[0].lower())
    assert scene.ask("EXISTS @") == (b":0\r\n" if command == "GET @" else b":1\r\n")
    assert scene.goes_on()


def test_a_receipt_of_what_is_executed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene("cp")
    with monkeypatch.context() as patch:
        patch.setattr(receipt, "warnings_of", broken)
        assert scene.ask("CAP EXPLAIN CAP ONCE t INCR @") == lost("incr")
    assert scene.ask("CAP ONCE t INCR @") == b":1\r\n"
    assert scene.goes_on()


def test_a_reply_that_is_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Digesting, "advance", broken)
        assert scene.ask("CAP DIGEST") == lost("cap|digest")
    assert scene.goes_on()


def test_a_step_of_a_change_of_the_catalogue(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ChangeSlot, "_search", broken)
        assert scene.ask("KEYSPACE CREATE f3 MODE cp") == ended("keyspace|create")
    assert scene.goes_on()
    scene.solo.run_until(scene.solo.now.mono_us + 60_000_000)
    assert scene.ask("KEYSPACE CREATE f3 MODE cp") == b"+OK\r\n"
