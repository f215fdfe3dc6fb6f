"""MONITOR: who is shown what, when, and what it may cost the others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from connection import Connection
from stage import Stage
from trilemma.base.ids import ConnId
from trilemma.node import monitor
from trilemma.node.config import Member, NodeConfig
from trilemma.node.redaction import REDACTED, redacted
from trilemma.resp.inline import split_arguments
from trilemma.sim.solo import FIRST_WALL_US, SoloNode, request


class Scene:
    """A node with one connection that monitors, and others."""

    def __init__(self, config: NodeConfig | None = None) -> None:
        self.solo = SoloNode(config)
        self.watcher = self.solo.connect("127.0.0.1:1")
        self.other = self.solo.connect("127.0.0.1:2")
        assert self.solo.send(self.watcher, request("MONITOR")) == b"+OK\r\n"

    def ask(self, *words: str | bytes, conn: ConnId | None = None) -> bytes:
        return self.solo.send(conn or self.other, request(*words))

    def shown(self, *words: str | bytes, conn: ConnId | None = None) -> list[bytes]:
        """Return the lines that the watcher is sent for a command, without time."""
        self.solo.replies[self.watcher].clear()
        self.ask(*words, conn=conn)
        lines = bytes(self.solo.replies[self.watcher]).split(b"\r\n")
        assert lines.pop() == b""
        return [line.partition(b" ")[2] for line in lines]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_line_holds_the_wall_time_db_address_and_the_words_as_they_were_sent(scene: Scene) -> None:
    scene.ask("SELECT", "3")
    scene.solo.replies[scene.watcher].clear()
    scene.ask("SeT", "a", b"\x00\"\\ \r\n\xff'~")
    wall_us = scene.solo.now.wall_us
    assert wall_us > FIRST_WALL_US
    time = b"%d.%06d" % divmod(wall_us, 1_000_000)
    wanted = b'+%b [3 127.0.0.1:2] "SeT" "a" "\\x00\\"\\\\ \\r\\n\\xff\'~"\r\n' % time
    assert bytes(scene.solo.replies[scene.watcher]) == wanted


def test_every_word_can_be_read_back(scene: Scene) -> None:
    words = [b"SET", bytes(range(128)), bytes(range(128, 256))]
    (line,) = scene.shown(*words)
    assert split_arguments(line.partition(b"] ")[2]) == words


def test_reads_and_what_only_the_node_answers_are_shown_and_administration_is_not(scene: Scene) -> None:
    assert scene.shown("GET", "a") == [b'[0 127.0.0.1:2] "GET" "a"']
    assert scene.shown("CLIENT", "ID") == [b'[0 127.0.0.1:2] "CLIENT" "ID"']
    assert scene.shown("KEYS", "*") == [b'[0 127.0.0.1:2] "KEYS" "*"']
    for words in (("CONFIG", "SET", "requirepass", ""), ("CLIENT", "LIST"), ("KEYSPACE", "CREATE", "k", "MODE", "cp")):
        assert scene.shown(*words) == []


@pytest.mark.parametrize(
    "words",
    [
        ("AUTH", "secret"),
        ("AUTH", "default", "secret"),
        ("AUTH", "default", "secret", "secret"),
        ("HELLO", "3", "AUTH", "default", "secret"),
        ("HELLO", "9", "AUTH", "default", "secret"),
        ("HELLO", "2", "SETNAME", "n", "auth", "default", "secret"),
        ("CAP", "EXPLAIN", "AUTH", "secret"),
        ("cap", "explain", "auth", "default", "secret"),
        ("CAP", "EXPLAIN", "HELLO", "3", "AUTH", "default", "secret"),
        ("CAP", "EXPLAIN", "CONFIG", "SET", "requirepass", "secret"),
        ("CAP", "EXPLAIN", "CAP", "EXPLAIN", "AUTH", "secret"),
        ("CAP", "EXPLAIN", "CAP", "ONCE", "token", "HELLO", "3", "AUTH", "default", "secret"),
        ("CAP", "ONCE", "token", "AUTH", "secret"),
        ("CAP", "ONCE", "token", "COMMAND", "GETKEYS", "AUTH", "default", "secret"),
        ("COMMAND", "GETKEYS", "AUTH", "secret"),
        ("COMMAND", "GETKEYS", "HELLO", "3", "AUTH", "default", "secret"),
        ("COMMAND", "GETKEYS", "CONFIG", "SET", "maxmemory", "secret", "requirepass", "secret"),
    ],
)
def test_no_password_is_shown_accepted_or_not(scene: Scene, words: tuple[str, ...]) -> None:
    (line,) = scene.shown(*words)
    assert b"secret" not in line
    assert b'"(redacted)"' in line
    assert words[0].encode() in line
    scene.ask("MULTI")
    scene.ask("AUTH", "default", "secret")
    assert b"secret" not in b"".join(scene.shown("EXEC"))


def test_within_a_transaction_no_password_is_shown_either(scene: Scene) -> None:
    scene.ask("MULTI")
    scene.ask("COMMAND", "GETKEYS", "AUTH", "default", "secret")
    lines = scene.shown("EXEC")
    assert lines[0] == b'[0 127.0.0.1:2] "COMMAND" "GETKEYS" "AUTH" "(redacted)" "(redacted)"'


def test_only_secrets_are_left_out() -> None:
    plain = [b"SET", b"AUTH", b"secret"]
    assert redacted(plain) == plain
    for words in (
        [b"CAP"],
        [b"CAP", b"EXPLAIN"],
        [b"CAP", b"ONCE", b"AUTH"],
        [b"CAP", b"NOPE", b"AUTH", b"x"],
        [b"AUTH"],
    ):
        assert redacted(words) == words
    assert redacted([b"HELLO", b"3", b"AUTH", b"u", b"p", b"SETNAME", b"n"])[5:] == [b"SETNAME", b"n"]
    assert redacted([b"CONFIG", b"SET", b"requirepass", b"p"]) == [b"CONFIG", b"SET", b"requirepass", REDACTED]


def test_the_longest_chain_of_commands_that_name_others_ends() -> None:
    words = [b"CAP", b"EXPLAIN"] * 500_000 + [b"AUTH", b"secret"]
    assert redacted(words)[-2:] == [b"AUTH", REDACTED]


def test_what_is_refused_before_it_begins_is_not_shown(scene: Scene) -> None:
    assert scene.shown("NOPE") == scene.shown("GET") == []
    assert scene.shown("SELECT", "99") == [b'[0 127.0.0.1:2] "SELECT" "99"']


def test_a_transaction_is_shown_when_it_is_executed_each_command_in_its_db(scene: Scene) -> None:
    assert scene.shown("MULTI") == [b'[0 127.0.0.1:2] "MULTI"']
    for words in (("SET", "x", "1"), ("SELECT", "4"), ("SELECT", "99"), ("CONFIG", "GET", "save"), ("INCR", "x")):
        assert scene.shown(*words) == []
    assert scene.shown("EXEC") == [
        b'[0 127.0.0.1:2] "SET" "x" "1"',
        b'[4 127.0.0.1:2] "SELECT" "4"',
        b'[4 127.0.0.1:2] "SELECT" "99"',
        b'[4 127.0.0.1:2] "INCR" "x"',
        b'[4 127.0.0.1:2] "EXEC"',
    ]


def test_of_a_transaction_whose_watched_key_has_changed_only_exec_is_shown(scene: Scene) -> None:
    scene.ask("WATCH", "k")
    third = scene.solo.connect("127.0.0.1:3")
    scene.ask("SET", "k", "1", conn=third)
    scene.ask("MULTI")
    scene.ask("SET", "k", "2")
    assert scene.shown("EXEC") == [b'[0 127.0.0.1:2] "EXEC"']


def test_of_an_aborted_transaction_only_exec_is_shown(scene: Scene) -> None:
    scene.ask("MULTI")
    scene.ask("SET", "k", "2")
    scene.ask("NOPE")
    assert scene.shown("EXEC") == [b'[0 127.0.0.1:2] "EXEC"']


def test_monitor_is_refused_within_a_transaction(scene: Scene) -> None:
    third = scene.solo.connect("127.0.0.1:3")
    scene.ask("MULTI", conn=third)
    assert scene.ask("MONITOR", conn=third) == b"+QUEUED\r\n"
    assert scene.ask("EXEC", conn=third) == b"*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n"
    assert scene.shown("PING") == [b'[0 127.0.0.1:2] "PING"']


def test_a_monitor_sees_its_own_commands_and_reads_no_keys(scene: Scene) -> None:
    said = scene.ask("PING", conn=scene.watcher).split(b"\r\n")
    assert (said[0], said[1].partition(b" ")[2]) == (b"+PONG", b'[0 127.0.0.1:1] "PING"')
    refusal = b"-ERR Replica can't interact with the keyspace\r\n"
    assert scene.ask("GET", "a", conn=scene.watcher) == scene.ask("SET", "a", "1", conn=scene.watcher) == refusal
    scene.ask("MULTI", conn=scene.watcher)
    assert scene.ask("GET", "a", conn=scene.watcher) == refusal
    assert scene.ask("EXEC", conn=scene.watcher).startswith(b"-EXECABORT")


def test_client_list_marks_who_monitors(scene: Scene) -> None:
    lines = scene.ask("CLIENT", "LIST").split(b"\n")
    assert [b"flags=O " in line for line in lines if line.startswith(b"id=")] == [True, False]


@pytest.mark.parametrize("protocol", ["2", "3"])
def test_it_is_the_same_in_both_protocols_and_a_second_monitor_is_answered_nothing(scene: Scene, protocol: str) -> None:
    scene.ask("HELLO", protocol, conn=scene.watcher)
    assert scene.ask("MONITOR", conn=scene.watcher) == b""
    assert scene.shown("PING") == [b'[0 127.0.0.1:2] "PING"']


def _reset(scene: Scene) -> None:
    assert scene.ask("RESET", conn=scene.watcher) == b"+RESET\r\n"


def _quit(scene: Scene) -> None:
    assert scene.ask("QUIT", conn=scene.watcher).startswith(b"+OK\r\n")
    assert scene.watcher in scene.solo.closed


def _lost(scene: Scene) -> None:
    scene.solo.node.client_gone(scene.watcher)


def _killed(scene: Scene) -> None:
    scene.ask("CLIENT", "KILL", "ID", str(scene.watcher))


@pytest.mark.parametrize("end", [_reset, _quit, _lost, _killed])
def test_it_ends_with_reset_quit_or_the_connection(scene: Scene, end: Callable[[Scene], None]) -> None:
    end(scene)
    assert scene.shown("PING") == []


def test_a_connection_that_is_gone_is_forgotten(scene: Scene) -> None:
    listeners = scene.solo.node._server.monitors.sessions
    assert list(listeners) == [scene.watcher]
    _lost(scene)
    assert not listeners


def test_lines_do_not_wait_for_a_reply_of_their_own_connection() -> None:
    """What a monitor has asked for itself may take for ever; its lines would pile up behind that."""
    scene = Scene(NodeConfig("solo", 1, "disk", 1, (Member(1, "n1"),), debug_commands=True))
    scene.ask("DEBUG", "SLEEP", "1000", conn=scene.watcher)
    assert scene.shown("PING") == [b'[0 127.0.0.1:2] "PING"']


def test_nothing_is_made_while_nobody_monitors(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def line(*words: Any) -> bytes:
        made.append(words)
        return b""

    monkeypatch.setattr(monitor, "_line", line)
    solo = SoloNode()
    conn = solo.connect()
    for words in (("SET", "a", "1"), ("MULTI",), ("GET", "a"), ("EXEC",), ("PING",)):
        assert not solo.send(conn, request(*words)).startswith(b"-")
    assert not made
    watcher = solo.connect()
    solo.send(watcher, request("MONITOR"))
    solo.send(conn, request("PING"))
    assert len(made) == 1


@pytest.mark.parametrize("node", [1, 2])
@pytest.mark.parametrize("keyspace", ["shop", "bank"])
def test_lines_come_only_once_the_replies_before_monitor_have_left(keyspace: str, node: int) -> None:
    """Where its write still waited for the disk, a client took a stranger's line, a status, for the write's reply."""
    stage = Stage()
    stage.lead(1)
    for process in stage.cluster.processes.values():
        process.disk._options = replace(stage.options, sync_us=50_000)
    watcher = Connection(stage, node)
    watcher.send(("SET", f"{keyspace}:a", "1"), ("MONITOR",))
    stage.run(2_000)
    other = Connection(stage, node)
    assert other.ask("ECHO", "early") == b"early"
    assert watcher.replies == []
    stage.run(2_000_000)
    assert watcher.replies == [b"OK", b"OK"]
    assert other.ask("ECHO", "late") == b"late"
    stage.run(2_000)
    assert watcher.replies[2].endswith(b'"ECHO" "late"')
