"""Commands on shared keys of `ap`: what must be found, and what no order of things may be blamed for."""

from random import Random
from typing import Any

import pytest

from trilemma.check.history import Operation, Outcome
from trilemma.check.redis_model import reply
from trilemma.check.shared import check_moved, check_taken
from trilemma.workload.shared import MOVED, hundredths, pair

NODES = frozenset({"n1", "n2"})
KEY = b"k"


def did(
    at_us: int, kind: str, argument: Any = None, result: Any = None, node: str = "n1", outcome: Outcome = "ok"
) -> Operation:
    end_us = at_us + 5 if outcome == "ok" else None
    return Operation(1 if node == "n1" else 2, at_us, end_us, kind, KEY, argument, result, outcome, node)


A, B = did(0, "take", b"a", True), did(10, "take", b"b", True, "n2")

RIGHT = {
    "both sides give it away": ([A, B], [did(90, "look", None, b"b")]),
    "one that was not answered may have taken it": (
        [did(0, "take", b"a", outcome="info"), did(9, "take", b"b", False)], [did(90, "look", None, b"a")],
    ),
    "the other side does not know yet": ([A, did(10, "look", None, None, "n2")], [did(90, "look", None, b"a")]),
    "nobody came": ([did(0, "take", b"a", "CLUSTERDOWN", outcome="fail")], [did(90, "look")]),
}  # fmt: skip

WRONG = {
    "one side gives it away twice": ([A, did(10, "take", b"b", True)], []),
    "it is gone where it was taken": ([A, did(10, "look")], []),
    "it is gone in the end": ([A], [did(90, "look", node="n2")]),
    "it was there from nowhere": ([did(0, "take", b"a", False)], []),
    "it was there before it was taken": ([did(0, "take", b"a", False, "n2"), did(10, "take", b"b", True)], []),
    "it shows what was refused": ([A, did(10, "take", b"b", False)], [did(90, "look", None, b"b")]),
    "it shows what is still to come": ([did(0, "look", None, b"a", "n2"), did(10, "take", b"a", True)], []),
    "it says something else": ([did(0, "take", b"a", b"QUEUED")], []),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_may_be_is_valid(name: str) -> None:
    assert check_taken(*RIGHT[name], NODES).is_valid


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_found(name: str) -> None:
    assert check_taken(*WRONG[name], NODES).is_invalid


def test_a_node_that_passes_on_what_it_is_asked_need_not_see_it_at_once() -> None:
    assert check_taken([A, did(10, "take", b"b", True)], [], frozenset({"n2"})).is_valid


SET = did(0, "move", b"a")


def test_values_come_from_somebody_and_something_is_left() -> None:
    whole, bare = did(90, "shown", None, (None, b"a")), did(90, "shown", None, (None, None))
    assert check_moved([SET, did(10, "move")], [whole]).is_valid
    assert check_moved([did(0, "move", b"a", outcome="info")], [whole]).is_valid
    assert check_moved([did(0, "move", b"a", outcome="info")], [bare]).is_valid
    assert check_moved([SET, did(10, "move")], [bare]).is_invalid
    assert check_moved([did(0, "move", b"a", outcome="fail")], [whole]).is_invalid
    assert check_moved([did(0, "shown", None, (b"a", None)), did(10, "move", b"a")], []).is_invalid
    assert check_moved([SET, did(10, "move", b"b", b"c")], []).is_invalid
    assert check_moved([SET, did(10, "shown", None, b"a")], []).is_invalid


@pytest.mark.parametrize("seed", range(20))
def test_one_redis_is_never_blamed(seed: int) -> None:
    rng, data = Random(seed), dict[bytes, Any]()
    one, other = pair(KEY)
    run = []
    for place in range(60):
        value = b"v%d" % place
        command, kind, argument = rng.choice(
            (
                ((b"SETNX", KEY, value), "take", value),
                ((b"GET", KEY), "look", None),
                ((b"GETSET", one, value), "move", value),
                ((b"RENAME", one, other), "move", None),
                ((b"RENAMENX", other, one), "move", None),
                ((b"COPY", other, one, b"REPLACE"), "move", None),
                ((b"MGET", one, other), "shown", None),
            )
        )
        said = reply(data, command)
        if kind == "take":
            said = bool(said)
        elif kind == "move" and command[0] != b"GETSET":
            assert said in MOVED[command[0]]
            said = None
        key = KEY if kind in ("take", "look") else b"pair"
        run.append(did(10 * place, kind, argument, said)._replace(key=key))
    ends = [
        did(900, "look", None, reply(data, (b"GET", KEY))),
        did(900, "shown", None, reply(data, (b"MGET", one, other)))._replace(key=b"pair"),
    ]
    assert check_taken(run, ends, NODES).is_valid
    assert check_moved(run, ends).is_valid


def test_hundredths_are_counted_and_nothing_else() -> None:
    shown = (None, b"318.12", b"318.12000000000000002", b"-0.1", b"7", b"0.125", b"x", 5)
    assert list(map(hundredths, shown)) == [0, 31812, 31812, -10, 700, b"0.125", b"x", 5]


def test_the_two_keys_of_a_pair_share_a_tag_behind_the_keyspace() -> None:
    assert pair(b"shop:p0") == (b"shop:{p0}1", b"shop:{p0}2")
    assert pair(b"p0") == (b"{p0}1", b"{p0}2")
