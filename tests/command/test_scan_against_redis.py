"""SCAN over whole iterations, page by page, finds what redis-server's finds; KEYS, DBSIZE and RANDOMKEY see the same.

Each server has cursors and an order of its own, so iterations are compared as sets. Keys that come and go between the
pages may be found or not; what is there all the time is found.
"""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from command_sequences import MODES
from command_strategies import KEYS, TYPES, pattern
from raw_replies import decode
from redis_pair import Pair, drawn
from trilemma.sim.solo import request

pytestmark = pytest.mark.process

ITERATIONS = 40
PAGES_MAX = 1_000
DRAWS = 5

Ask = Callable[..., Any]

many_keys = st.sets(st.sampled_from(KEYS) | st.integers(0, 300).map(lambda n: b"key:%d" % n) | st.binary(max_size=4))
options = st.tuples(
    st.none() | pattern.map(lambda text: [b"MATCH", text]),
    st.none() | st.sampled_from([1, 2, 3, 10, 25, 1_000]).map(lambda n: [b"COUNT", b"%d" % n]),
    st.none() | st.sampled_from(TYPES).map(lambda kind: [b"TYPE", kind]),
).map(lambda chosen: [word for option in chosen if option is not None for word in option])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("protocol", [2, 3])
def test_a_whole_iteration_finds_the_same_keys(redis_server: Any, mode: str, protocol: int, chosen_seed: int) -> None:
    with closing(Pair(redis_server.connect(), mode)) as pair:

        @seed(chosen_seed)
        @drawn(ITERATIONS)
        @given(many_keys, st.sets(st.binary(max_size=3), max_size=20), options, pattern)
        def run(steady: set[bytes], fleeting: set[bytes], words: list[bytes], shape: bytes) -> None:
            pair.begin_anew(redis_server.connect(), protocol)
            fleeting -= steady
            asks = (ask_of(pair.ask_ours), ask_of(lambda data: pair.ask_theirs(data, 1)))
            ours, theirs = (found_by(ask, steady, sorted(fleeting), words) for ask in asks)
            assert ours - fleeting == theirs - fleeting, (steady, words)
            mine, other = (seen_by(ask, shape) for ask in asks)
            assert mine == other, (steady, shape)

        run()


def ask_of(send: Callable[[bytes], list[bytes]]) -> Ask:
    return lambda *words: decode(send(request(*words))[0])


def found_by(ask: Ask, steady: set[bytes], fleeting: list[bytes], words: list[bytes]) -> set[bytes]:
    """What an iteration finds while keys come and go between its pages."""
    for key in sorted(steady):
        ask(b"SET", key, b"1")
    found: set[bytes] = set()
    cursor = b"0"
    for page in range(PAGES_MAX):
        ask(*([b"MSET", *(word for key in fleeting for word in (key, b"1"))] if page % 2 else [b"DEL", *fleeting]))
        cursor, keys = ask(b"SCAN", cursor, *words)
        found |= set(keys)
        if cursor == b"0":
            ask(b"DEL", *fleeting)
            return found
    raise AssertionError("the iteration does not end")


def seen_by(ask: Ask, shape: bytes) -> tuple[int, list[bytes], set[bool]]:
    """How many keys there are, which match, and whether what is drawn is one of them."""
    keys = ask(b"KEYS", b"*")
    drawn = [ask(b"RANDOMKEY") for _ in range(DRAWS)]
    return ask(b"DBSIZE"), sorted(ask(b"KEYS", shape)), {key in keys if keys else key is None for key in drawn}
