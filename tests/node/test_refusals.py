"""What is refused before a command is looked into, and what DEBUG refuses itself."""

import pytest

from stage import Stage
from trilemma.keyspace.settings import TIMEOUT_MS_DEFAULT, Keyspace, Mode
from trilemma.node import admission
from trilemma.node.batch import Batch
from trilemma.node.config import Member, NodeConfig
from trilemma.node.unit import Path, Result, Unit
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


@pytest.fixture(scope="module")
def cut_off() -> Stage:
    """A cluster whose n3 reaches nobody."""
    stage = Stage()
    stage.ask(1, "KEYSPACE", "ALTER", "shop", "READ", "2")
    stage.cut_off(3)
    stage.run(2_000_000)
    return stage


@pytest.mark.parametrize(
    ("words", "keyspace"),
    [("GET bank:k", "bank"), ("MGET bank:k bank:l", "bank"), ("WATCH bank:k", "bank"),
     ("KEYS bank:*", "bank"), ("DBSIZE", "default"), ("CAP EXPLAIN GET bank:k", "bank"), ("GET shop:k", "shop"),
     ("CAP ONCE t GET bank:k", "bank"), ("CAP EXPLAIN CAP ONCE t MGET bank:k bank:l", "bank")],
)  # fmt: skip
def test_of_a_read_that_is_refused_it_is_said_that_nothing_was_read(cut_off: Stage, words: str, keyspace: str) -> None:
    said = cut_off.ask(3, *words.split()).reply
    assert said.startswith(f"CLUSTERDOWN keyspace '{keyspace}' (")
    assert said.endswith("n3 reaches 1 of 3 replicas, needs 2; nothing was read")


@pytest.mark.parametrize(
    "words",
    ["SET bank:k v", "GETEX bank:k PERSIST", "CAP EXPLAIN INCR bank:k", "CAP ONCE t INCR bank:k",
     "CAP ONCE t GETEX bank:k PERSIST", "KEYSPACE LEAD bank n1"],
)  # fmt: skip
def test_of_what_would_write_or_change_it_is_said_that_nothing_was_written(cut_off: Stage, words: str) -> None:
    said = cut_off.ask(3, *words.split()).reply
    assert said.startswith("CLUSTERDOWN keyspace ")
    assert said.endswith("n3 reaches 1 of 3 replicas, needs 2; nothing was written")


def test_a_change_of_the_keyspaces_is_refused_as_one(cut_off: Stage) -> None:
    said = cut_off.ask(3, *["KEYSPACE", "CREATE", "f3", "MODE", "cp"]).reply
    assert said.startswith("CLUSTERDOWN the list of keyspaces cannot be changed now: n3 reaches 1 of 3")
    assert said.endswith("; nothing was written")


@pytest.mark.parametrize(("words", "done"), [("TTL site:k", "read"), ("SET site:k v", "written")])
def test_where_writes_need_all_replicas_a_node_that_is_cut_off_says_how_many_each_needs(
    cut_off: Stage, words: str, done: str
) -> None:
    needs = "n3 reaches 1 of 3 replicas, needs 2 to read and 3 to write"
    said = cut_off.ask(3, *words.split()).reply
    assert said.startswith("CLUSTERDOWN keyspace ")
    assert said.endswith(f"{needs}; nothing was {done}")


@pytest.mark.parametrize("path", [Path.WRITE, Path.LOGGED_READ])
def test_a_leader_without_room_refuses_what_would_go_into_its_log_each_in_its_words(path: Path) -> None:
    keyspace = Keyspace(1, "bank", Mode.CP, (1,), 1, "majority", "linearizable", "sync", TIMEOUT_MS_DEFAULT)
    batch = Kept([Unit(path, 0, 2, [b"GET", b"bank:k"])])
    assert admission.without_writes([(batch, 0)], keyspace, "disk full on n1", has_room=False) == []
    done = b"read" if path is Path.LOGGED_READ else b"written"
    assert batch.results == [b"-CLUSTERDOWN keyspace 'bank' (cp): disk full on n1; nothing was %b\r\n" % done]


class Kept(Batch):
    """A batch that keeps its results."""

    def __init__(self, units: list[Unit]) -> None:
        super().__init__(units)
        self.results: list[Result] = []

    def complete(self, position: int, result: Result, token: int) -> None:
        self.results.append(result)
