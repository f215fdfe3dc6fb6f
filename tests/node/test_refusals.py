"""What is refused before a command is looked into, and what DEBUG refuses itself."""

import pytest

from trilemma.node.config import Member, NodeConfig
from trilemma.sim.solo import SoloNode, request

NOT_ALLOWED = b"-ERR DEBUG command not allowed."
NO_AUTH = b"-NOAUTH Authentication required.\r\n"
US_PER_S = 1_000_000


def made(**settings: object) -> SoloNode:
    return SoloNode(NodeConfig("solo", 1, "disk", 1, (Member(1, "n1"),), **settings))  # type: ignore[arg-type]


def ask(solo: SoloNode, *words: str) -> bytes:
    return solo.send(solo.connect(), request(*words))


@pytest.mark.parametrize("rest", [("sleep", "0"), ("sleep",), ("help",), ("nosuch",)])
def test_all_of_debug_is_refused_where_it_is_not_allowed(rest: tuple[str, ...]) -> None:
    assert ask(made(), "DEBUG", *rest).startswith(NOT_ALLOWED)
    assert ask(made(requirepass="x"), "DEBUG", *rest).startswith(NOT_ALLOWED)


def test_debug_alone_lacks_an_argument() -> None:
    assert ask(made(), "DEBUG") == b"-ERR wrong number of arguments for 'debug' command\r\n"


@pytest.mark.parametrize("rest", [("nosuch",), ("sleep",), ("sleep", "0", "1"), ("help", "x")])
def test_debug_where_it_is_allowed_refuses_what_it_does_not_know(rest: tuple[str, ...]) -> None:
    text = f"-ERR unknown subcommand or wrong number of arguments for '{rest[0]}'. Try DEBUG HELP.\r\n"
    assert ask(made(debug_commands=True), "DEBUG", *rest) == text.encode()


def test_debug_where_it_is_allowed_asks_for_the_password_first() -> None:
    assert ask(made(debug_commands=True, requirepass="x"), "DEBUG", "nosuch") == NO_AUTH


def test_debug_help_names_what_there_is() -> None:
    reply = ask(made(debug_commands=True), "DEBUG", "HELP")
    assert reply.startswith(b"*5\r\n+DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n")


@pytest.mark.parametrize("seconds", ["1.5", "nan", "x", "-1"])
def test_debug_sleep_answers_after_that_time(seconds: str) -> None:
    solo = made(debug_commands=True)
    conn = solo.connect()
    waits = seconds == "1.5"
    assert solo.send(conn, request("DEBUG", "SLEEP", seconds)) == (b"" if waits else b"+OK\r\n")
    solo.run_until(solo.now.mono_us + 2 * US_PER_S)
    assert bytes(solo.replies[conn]) == b"+OK\r\n"


def test_debug_sleep_without_end_ends_after_a_minute() -> None:
    solo = made(debug_commands=True)
    conn = solo.connect()
    assert solo.send(conn, request("DEBUG", "SLEEP", "inf")) == b""
    solo.run_until(solo.now.mono_us + 61 * US_PER_S)
    assert bytes(solo.replies[conn]) == b"+OK\r\n"


def test_a_refused_exec_ends_its_transaction() -> None:
    solo = made()
    conn = solo.connect()
    solo.send(conn, request("MULTI"))
    refused = b"-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n"
    assert solo.send(conn, request("EXEC", "x")) == refused
    assert solo.send(conn, request("EXEC")) == b"-ERR EXEC without MULTI\r\n"


def test_an_exec_before_auth_says_that_it_lacks_the_password() -> None:
    reason = b"-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n"
    assert ask(made(requirepass="x"), "EXEC") == reason
