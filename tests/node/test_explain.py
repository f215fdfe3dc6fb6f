"""CAP EXPLAIN warns of what a command does not give on its keyspace's mode."""

from typing import Any

import pytest

from stage import Stage
from trilemma.node.config import Member, NodeConfig
from trilemma.resp.decode import decode_reply
from trilemma.sim.solo import SoloNode, request


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


def warned(stage: Stage, *words: str) -> list[str]:
    receipt: Any = stage.ask(2, "CAP", "EXPLAIN", *words).reply[1]
    told = dict(zip(receipt[::2], receipt[1::2], strict=True))
    return [text.decode().partition(":")[0] for text in told[b"warnings"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("SETNX", "shop:lock", "1"), ["lock-on-ap", "blind-retry-on-ap"]),
        (("SET", "shop:lock", "1", "NX", "PX", "100"), ["lock-on-ap"]),
        (("INCR", "shop:n"), ["unique-id-on-ap", "blind-retry-on-ap"]),
        (("APPEND", "shop:text", "x"), ["whole-value-on-ap", "blind-retry-on-ap"]),
        (("SETRANGE", "shop:text", "3", "x"), ["lost-update-on-ap", "whole-value-on-ap"]),
        (("INCRBYFLOAT", "shop:n", "1"), ["blind-retry-on-ap"]),
        (("SET", "shop:n", "1"), ["lost-update-on-ap"]),
        (("MSET", "shop:n", "1"), ["lost-update-on-ap"]),
        (("GETSET", "shop:n", "1"), ["lost-update-on-ap", "taken-twice-on-ap", "blind-retry-on-ap"]),
        (("SETEX", "shop:n", "9", "1"), ["lost-update-with-deadline-on-ap"]),
        (("PSETEX", "shop:n", "999", "1"), ["lost-update-with-deadline-on-ap"]),
        (("SET", "shop:n", "1", "EX", "9"), ["lost-update-with-deadline-on-ap"]),
        (("GET", "shop:n"), []),
        (("SETNX", "bank:lock", "1"), ["endless-lock", "blind-retry"]),
        (("SET", "bank:lock", "1", "NX", "PX", "100"), ["lock-without-fencing"]),
        (("SET", "bank:lock", "1"), []),
        (("INCR", "site:n"), ["blind-retry"]),
        (("GET", "bank:n"), []),
    ],
)
def test_a_receipt_holds_the_warnings_of_the_keyspaces_mode(
    stage: Stage, words: tuple[str, ...], expected: list[str]
) -> None:
    assert warned(stage, *words) == expected


def test_a_warning_gives_the_reason_and_the_safe_way(stage: Stage) -> None:
    receipt: Any = stage.ask(1, "CAP", "EXPLAIN", "INCR", "bank:n").reply[1]
    (text,) = dict(zip(receipt[::2], receipt[1::2], strict=True))[b"warnings"]
    assert b"sent again it happens twice" in text
    assert b"CAP ONCE token" in text


class Asker:
    """One connection to a node whose keyspace `default` has a mode."""

    def __init__(self, mode: str, protocol: int = 2) -> None:
        self._solo = SoloNode(NodeConfig("solo", 1, "disk", 1, (Member(1, "n1"),), default_mode=mode))
        self._conn = self._solo.connect()
        self._protocol = protocol
        self.ask("HELLO", str(protocol))

    def ask(self, *words: str) -> Any:
        return decode_reply(self._solo.send(self._conn, request(*words)))

    def receipt(self, *words: str) -> dict[bytes, Any]:
        told = self.ask("CAP", "EXPLAIN", *words)[1]
        return dict(told.pairs if self._protocol == 3 else zip(told[::2], told[1::2], strict=True))

    def warned(self, *words: str) -> list[str]:
        return [text.decode() for text in self.receipt(*words)[b"warnings"]]


@pytest.mark.parametrize("protocol", [2, 3])
def test_on_ap_a_set_is_warned_of_under_a_condition_and_after_an_explained_get_without_one(protocol: int) -> None:
    asker = Asker("ap", protocol)
    (text,) = asker.warned("SET", "n", "1")
    assert text.startswith("lost-update-on-ap: if the value was computed from a GET before: of two clients")
    assert text.endswith("keep the key in a cp keyspace and WATCH it")
    asker.warned("GET", "n")
    assert asker.warned("SET", "other", "1") == [text]
    (text,) = asker.warned("SET", "n", "2")
    assert text.startswith("lost-update-on-ap: after GET of the same key on this connection: of two clients")


@pytest.mark.parametrize("mode", ["cp", "ca"])
def test_where_order_is_kept_only_an_explained_get_before_the_set_is_warned_of(mode: str) -> None:
    asker = Asker(mode)
    assert asker.warned("SET", "n", "1") == []
    asker.warned("GET", "n")
    (text,) = asker.warned("SET", "n", "2")
    assert text.startswith("lost-update: after GET of the same key on this connection: what was read may have changed")
    assert asker.warned("SET", "n", "3") == []
    (text,) = asker.warned("EXPIRE", "n", "9")
    assert text.startswith("deadline-apart: after SET of the same key")


def test_a_receipt_with_what_came_before_is_else_the_same() -> None:
    asker = Asker("ap")
    first = asker.receipt("GET", "n")
    second = asker.receipt("GET", "n")
    assert list(first) == list(second)
    assert {**first, b"warnings": []} == {**second, b"warnings": []}


def test_one_of_several_keys_is_enough_and_another_db_or_reset_is_not() -> None:
    asker = Asker("cp")
    asker.warned("GET", "b")
    asker.warned("MSET", "a", "1")
    assert [text.partition(":")[0] for text in asker.warned("MSET", "a", "1", "b", "2")] == ["lost-update"]
    asker.warned("GET", "b")
    asker.ask("SELECT", "1")
    assert asker.warned("SET", "b", "2") == []
    asker.ask("SELECT", "0")
    asker.ask("RESET")
    assert asker.warned("SET", "b", "2") == []


def test_a_connection_remembers_a_bounded_number_of_short_keys() -> None:
    asker = Asker("cp")
    asker.warned("GET", "long" * 1_000)
    assert asker.warned("SET", "long" * 1_000, "1") == []
    for number in range(40):
        asker.warned("GET", f"k{number}")
    assert asker.warned("SET", "k7", "1") == []
    assert asker.warned("SET", "k8", "1") == []
    assert len(asker.warned("SET", "k30", "1")) == 1
    (session,) = asker._solo.node._server.sessions.values()
    assert len(session.explained) == 32
    for _ in range(20):
        asker.warned("GET", "k30")
    assert len(session.explained[0, b"k30"]) == 8


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("mode", ["cp", "ca"])
def test_a_command_that_goes_by_once_has_the_receipt_of_a_write_and_tells_when_its_reply_is_given_again(
    mode: str, protocol: int
) -> None:
    asker = Asker(mode, protocol)
    write = "majority" if mode == "cp" else "all"
    assert asker.ask("CAP", "EXPLAIN", "CAP", "ONCE", "t", "INCR", "n")[0] == 1
    assert asker.ask("INCR", "n") == 2
    first = asker.receipt("CAP", "ONCE", "other", "INCR", "n")
    assert (first[b"promise"], first[b"stale_ms_max"]) == (f"durable on {write}".encode(), 0)
    assert asker.ask("CAP", "EXPLAIN", "CAP", "ONCE", "t", "INCR", "n")[0] == 1
    again = asker.receipt("CAP", "ONCE", "other", "INCR", "n")
    promise = f"the first reply of its token, again, durable on {write}".encode()
    assert (again[b"promise"], again[b"stale_ms_max"]) == (promise, -1)
    assert list(first) == list(again)
    assert asker.ask("CAP", "ONCE", "t", "INCR", "n") == 1
    assert asker.ask("GET", "n") == b"3"


def test_a_command_that_goes_by_once_is_not_warned_of_being_sent_again_and_of_all_else() -> None:
    asker = Asker("cp")
    assert [text.partition(":")[0] for text in asker.warned("SETNX", "lock", "1")] == ["endless-lock", "blind-retry"]
    once = ("CAP", "ONCE", "t")
    assert [text.partition(":")[0] for text in asker.warned(*once, "SETNX", "lock", "1")] == ["endless-lock"]
    asker.warned("GET", "n")
    assert [text.partition(":")[0] for text in asker.warned(*once, "GETSET", "n", "1")] == ["lost-update"]
    asker.warned(*once, "GET", "m")
    assert [text.partition(":")[0] for text in asker.warned("SET", "m", "1")] == ["lost-update"]


def test_what_once_refuses_is_refused_with_explain_before_it() -> None:
    asker = Asker("cp")
    for words in (
        ("CAP", "ONCE", "t", "PING"),
        ("CAP", "ONCE", "", "GET", "n"),
        ("CAP", "ONCE", "t", "GET"),
        ("CAP", "ONCE", "t", "GET", "k" * 70_000),
    ):
        assert asker.ask("CAP", "EXPLAIN", *words) == asker.ask(*words)
    reply = asker.ask("CAP", "EXPLAIN", "CAP", "ONCE", "t", "INCR", "n")
    assert reply[0] == 1
    other, receipt = asker.ask("CAP", "EXPLAIN", "CAP", "ONCE", "t", "INCR", "m")
    assert "the token was given with another command before" in other.text
    assert b"nothing: the reply is an error" in receipt
    assert "CAP ONCE takes a command that reads" in asker.ask("CAP", "ONCE", "t", "CAP", "EXPLAIN", "GET", "n").text
    assert "keyspace 'default' is ap" in Asker("ap").ask("CAP", "EXPLAIN", "CAP", "ONCE", "t", "INCR", "n").text


def test_what_follows_an_explained_once_in_a_pipeline_keeps_its_place(stage: Stage) -> None:
    solo = SoloNode()
    sent = (("SET", "n", "5"), ("CAP", "EXPLAIN", "CAP", "ONCE", "t", "INCR", "n"), ("INCR", "n"), ("GET", "n"))
    replies = solo.send(solo.connect(), b"".join(request(*words) for words in sent))
    assert replies.startswith(b"+OK\r\n*2\r\n:6\r\n")
    assert replies.endswith(b":7\r\n$1\r\n7\r\n")
    reply: Any = stage.ask(2, "CAP", "EXPLAIN", "CAP", "ONCE", "t", "SET", "bank:k", "v").reply
    assert reply[0] == b"OK"
    assert b"durable on majority" in reply[1]


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("CAP ONCE t SET k v", [b"k"]),
        ("cap explain mset a 1 b 2", [b"a", b"b"]),
        ("CAP EXPLAIN CAP ONCE t COPY a b", [b"a", b"b"]),
        ("CAP ONCE t PING", "ERR The command has no key arguments"),
        ("CAP ONCE t SET k", "ERR Invalid number of arguments specified for command"),
        ("CAP ONCE SET", "ERR Invalid number of arguments specified for command"),
        ("CAP ONCE t NOPE k", "ERR Invalid command specified"),
        ("CAP ONCE t CAP EXPLAIN GET k", "ERR The command has no key arguments"),
        ("COMMAND GETKEYS GET k", "ERR The command has no key arguments"),
    ],
)
def test_the_keys_of_a_command_that_goes_by_another_one_are_found(words: str, keys: Any) -> None:
    reply = Asker("cp").ask("COMMAND", "GETKEYS", *words.split())
    assert (reply if isinstance(reply, list) else reply.text) == keys
