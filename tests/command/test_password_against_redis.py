"""Behind a password everything is refused, let in and forgotten again in redis-server's words.

One command at a time: some builds of 7.0.15 cut a stranger off who has 1,024 bytes of replies before it.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from command_strategies import MISUSED, PLAIN, UNKNOWN, word
from redis_pair import Pair, drawn
from trilemma.sim.solo import request

pytestmark = pytest.mark.process

SEQUENCES = 40
WRONG_PASSWORDS_MAX = 5
ARGUMENTS_MAX = 10
"""Who sends more before the password is cut off, by both."""

PROOFS = ["auth pw", "auth default pw", "auth", "auth a b c", "auth pw pw pw"]
WRONG = ["auth no", "auth default no", "auth nobody pw"]
HELLOS = [
    "hello", "hello 2", "hello 3", "hello 4", "hello x", "hello 3 setname me", "hello 2 auth default pw",
    "hello 3 auth default pw setname me", "hello 3 setname you auth default pw", "hello 3 auth default pw bogus",
]  # fmt: skip
WRONG_HELLOS = ["hello 3 auth default no", "hello 2 setname me auth nobody pw"]

spoken = st.sampled_from([*PROOFS, *HELLOS, *WRONG, *WRONG_HELLOS]).map(lambda line: line.encode().split())
PLAIN_NAMES = [
    "get",
    "set",
    "ping",
    "echo",
    "multi",
    "exec",
    "watch",
    "client|getname",
    "client|setname",
    "dbsize",
    "keys",
]
command = st.one_of(
    spoken, spoken, spoken, st.just([b"RESET"]), word("reset").map(lambda name: [name]), st.sampled_from(MISUSED),
    UNKNOWN, *(PLAIN[name] for name in PLAIN_NAMES),
).filter(lambda words: len(words) <= ARGUMENTS_MAX)  # fmt: skip


@pytest.fixture
def guarded(redis_server: Any) -> Iterator[Any]:
    """The server with a password, which goes again."""
    with redis_server.connect() as proven:
        proven.sendall(request("CONFIG", "SET", "requirepass", "pw"))
        assert proven.recv(100) == b"+OK\r\n"
        yield redis_server
        proven.sendall(request("CONFIG", "SET", "requirepass", ""))
        assert proven.recv(100) == b"+OK\r\n"


def test_random_sequences_behind_a_password_get_the_same_bytes(guarded: Any, chosen_seed: int) -> None:
    with closing(Pair(guarded.connect(), password=b"pw")) as pair:

        @seed(chosen_seed)
        @drawn(SEQUENCES)
        @given(st.lists(command, min_size=20, max_size=60).map(few_wrong_passwords))
        def run(commands: list[list[bytes]]) -> None:
            pair.begin_anew(guarded.connect(), None)
            pair.compare(commands, at_once=1)

        run()


def few_wrong_passwords(commands: list[list[bytes]]) -> list[list[bytes]]:
    """Leave out what would have a connection closed: too many in a row."""
    wrong = [words for words in commands if b" ".join(words).decode("latin-1") in (*WRONG, *WRONG_HELLOS)]
    surplus = wrong[WRONG_PASSWORDS_MAX:]
    return [words for words in commands if not any(words is each for each in surplus)]
