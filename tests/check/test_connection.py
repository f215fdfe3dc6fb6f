"""Connections: what a node must say of a connection, and what was given up, from the connection's own history alone."""

from typing import Any

import pytest

from trilemma.check.connection import walk
from trilemma.check.history import Operation
from trilemma.check.register import check_register

OK = b"OK"
QUEUED = b"QUEUED"


def session(*exchanges: tuple[str, Any], at_us: int = 0, mode: str = "cp", node: str = "n1") -> Operation:
    """Return a step: commands, each with its reply. A reply of ... is one that never came."""
    commands = tuple(tuple(word.encode() for word in text.split()) for text, _ in exchanges)
    told = tuple(("ok", reply) for _, reply in exchanges if reply is not ...)
    outcome = "ok" if len(told) == len(exchanges) else "info"
    return Operation(1, at_us, at_us + 5, "session", b"k", commands, told, outcome, node, "default", mode)  # type: ignore[arg-type]


GREETING: dict[bytes, Any] = {
    b"server": b"redis", b"version": b"7.0.0", b"proto": 2, b"id": 7, b"mode": b"standalone", b"role": b"master",
    b"modules": (),
}  # fmt: skip


def flat(pairs: dict[bytes, Any]) -> tuple[Any, ...]:
    """Return a map as RESP2 tells it."""
    return tuple(word for pair in pairs.items() for word in pair)


GIVEN_UP = [("MULTI", OK), ("SET k dropped", QUEUED)]

RIGHT = {
    "greetings": [
        ("HELLO 2", flat(GREETING)),
        ("HELLO 3", tuple((GREETING | {b"proto": 3}).items())),
        ("CLIENT ID", 7),
    ],
    "what is queued is executed": [*GIVEN_UP, ("PING a", QUEUED), ("EXEC", (OK, b"a"))],
    "UNWATCH": [("WATCH k", OK), ("SET k a", OK), ("UNWATCH", OK), *GIVEN_UP, ("EXEC", (OK,))],
    "another client's change": [("WATCH k", OK), *GIVEN_UP, ("EXEC", None)],
    "one's own change": [("WATCH k", OK), ("SET k a", OK), *GIVEN_UP, ("EXEC", None)],
    "RESET": [("CLIENT SETNAME a", OK), ("SELECT 3", OK), *GIVEN_UP, ("RESET", b"RESET"), ("CLIENT GETNAME", None)],
    "no answer": [("WATCH k", OK), ("MULTI", ...), ("SET k dropped", ...), ("EXEC", ...)],
}

WRONG = {
    "words of another": [("ECHO a", b"b")],
    "aborted, though UNWATCH was answered": [("WATCH k", OK), ("UNWATCH", OK), *GIVEN_UP, ("EXEC", None)],
    "aborted, though RESET was answered": [("WATCH k", OK), ("RESET", b"RESET"), *GIVEN_UP, ("EXEC", None)],
    "aborted, though DISCARD was answered": [("WATCH k", OK), *GIVEN_UP, ("DISCARD", OK), *GIVEN_UP, ("EXEC", None)],
    "carried out in spite of a change": [("WATCH k", OK), ("SET k a", OK), *GIVEN_UP, ("EXEC", (OK,))],
    "half carried out": [*GIVEN_UP, ("SET k b", QUEUED), ("EXEC", (OK,))],
    "queued behind RESET": [*GIVEN_UP, ("RESET", b"RESET"), ("PING", QUEUED)],
    "a name behind RESET": [("CLIENT SETNAME a", OK), ("RESET", b"RESET"), ("CLIENT GETNAME", b"a")],
    "another protocol than was asked for": [("HELLO 2", flat(GREETING | {b"proto": 3}))],
    "the other protocol's form": [("HELLO 3", flat(GREETING))],
    "the newer protocol's form": [("HELLO 2", tuple(GREETING.items()))],
    "half a pair": [("HELLO 2", flat(GREETING)[:-1])],
    "no greeting": [("HELLO 3", None)],
    "no number": [("HELLO 2", flat(GREETING | {b"id": b"7"}))],
    "no number from 1 on": [("CLIENT ID", 0)],
    "a number below 0": [("CLIENT ID", -1)],
    "a greeting with a number below 0": [("HELLO 2", flat(GREETING | {b"id": -7}))],
    "a greeting with a list for a name": [("HELLO 2", (["server"], b"redis"))],
    "a greeting of RESP3 with lists for names": [("HELLO 3", ((["server"], b"redis"), ((b"proto", [3]), 3)))],
    "no version": [("HELLO 2", flat(GREETING | {b"version": None}))],
    "another number than before": [("HELLO 2", flat(GREETING)), ("CLIENT ID", 8)],
    "a number that is none": [("CLIENT ID", None)],
    "WATCH that is unknown": [("WATCH k", "ERR unknown command 'WATCH'")],
    "WATCH that says nothing": [("WATCH k", None)],
    "an error in the place of a write": [*GIVEN_UP, ("EXEC", ("ERR x",))],
    "an error in the place of a value": [("MULTI", OK), ("GET k", QUEUED), ("EXEC", ("ERR x",))],
    "an answer behind QUIT": [("QUIT", OK), ("SET k a", OK)],
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_a_connection_must_be_told_is_valid(name: str) -> None:
    assert walk([session(*RIGHT[name])]).verdict.is_valid


@pytest.mark.parametrize("name", WRONG)
def test_what_a_connection_cannot_be_told_is_found(name: str) -> None:
    assert walk([session(*WRONG[name])]).verdict.is_invalid


@pytest.mark.parametrize("command", ["WATCH k", "GET k", "SET k a", "EXEC"])
def test_what_blames_the_command_is_no_refusal(command: str) -> None:
    begun = [("MULTI", OK)] if command == "EXEC" else []
    for outcome, told, is_right in (
        ("fail", "CLUSTERDOWN no majority", True), ("info", "UNCERTAIN it may still take effect", True),
        ("fail", "ERR unknown command", False), ("info", "ERR x", False),
    ):  # fmt: skip
        step = session(*begun, (command, None))
        refused = step._replace(result=(*step.result[:-1], (outcome, told)))
        assert walk([refused]).verdict.is_valid is is_right


def test_more_answers_than_commands_are_found() -> None:
    step = session(("PING", b"PONG"))
    assert walk([step._replace(result=step.result * 2)]).verdict.is_invalid


@pytest.mark.parametrize("end", [("DISCARD", OK), ("RESET", b"RESET"), ("DISCARD", ...), ("EXEC", None)])
def test_a_value_that_was_only_ever_given_up_must_not_be_read(end: tuple[str, Any]) -> None:
    watch = [("WATCH k", OK)] if end[0] == "EXEC" else []
    done = walk([session(*watch, *GIVEN_UP, end), session(("GET k", b"dropped"), at_us=20)]).operations
    assert [each.outcome for each in done] == ["fail", "ok"]
    assert check_register(done).is_invalid


def test_a_write_behind_quit_is_never_carried_out() -> None:
    done = walk([session(("QUIT", OK), ("SET k a", ...))]).operations
    assert [(each.kind, each.outcome) for each in done] == [("write", "fail")]


def test_a_transaction_whose_reply_never_came_is_in_doubt() -> None:
    done = walk([session(*RIGHT["no answer"])]).operations
    assert [(each.kind, each.outcome) for each in done] == [("write", "info")]


def test_keys_of_two_databases_are_two_registers_and_readonly_is_stale_on_cp_alone() -> None:
    step = [("SELECT 3", OK), ("SET k a", OK), ("SELECT 0", OK), ("READONLY", OK), ("GET k", None), ("READWRITE", OK)]
    for mode, kind in (("cp", "stale_read"), ("ca", "read"), ("ap", "read")):
        done = walk([session(*step, ("GET k", None), mode=mode)]).operations
        assert [(each.kind, each.key) for each in done] == [("write", b"3/k"), (kind, b"k"), ("read", b"k")]


def test_who_may_not_know_of_a_write_of_its_own_need_not_abort() -> None:
    assert walk([session(*WRONG["carried out in spite of a change"])], elsewhere=["n1"]).verdict.is_valid
