"""A change of the catalogue says what happened to it, whichever of its steps fails."""

from typing import Any

import pytest

from trilemma.keyspace.catalogue import Abort, Activate, Prepare, decode_change
from trilemma.keyspace.settings import Keyspace, Mode
from trilemma.node.change import ChangeSlot
from trilemma.node.session import Session
from trilemma.node.system_shard import system_keyspace
from trilemma.node.unit import Result, Unit

SHOP = Keyspace(2, "shop", Mode.CP, (1, 2, 3), 1, "majority", "linearizable", "sync", 2_000)
DEADLINE_US = 2_000_000
DEFAULT_SHARD = 1024
UNCERTAIN = b"-UNCERTAIN keyspace '_system' (cp): no; it may still take effect\r\n"
DOWN = b"-CLUSTERDOWN keyspace '_system' (cp): no; nothing was written\r\n"


class Script:
    """Answers each step of a change with the next of some results."""

    def __init__(self, *results: Result) -> None:
        self.results = list(results)
        self.asked: list[Unit] = []
        session = Session(1, "127.0.0.1:50000", "127.0.0.1:7001", lambda _: None)
        self.slot = ChangeSlot(
            session, Prepare(SHOP, drops=False), system_keyspace((1, 2, 3)), [DEFAULT_SHARD], self.ask, DEADLINE_US
        )
        self.slot.begin()

    def ask(self, slot: Any, shard: int, unit: Unit) -> None:
        self.asked.append(unit)
        if self.results:
            slot.result(None, self.results.pop(0), 0)

    @property
    def changes(self) -> list[type]:
        return [type(decode_change(unit.argv[0])) for unit in self.asked if not unit.is_read]


def test_a_change_is_answered_once_every_member_has_applied_it() -> None:
    script = Script([b":5\r\n"], [b":0\r\n"], [b":6\r\n"])
    assert script.changes == [Prepare, Activate]
    assert not script.slot.advance(5, 0)
    assert script.slot.advance(6, 0)
    assert script.slot.data == b"+OK\r\n"


def test_a_change_that_not_every_member_applies_in_time_is_uncertain() -> None:
    script = Script([b":5\r\n"], [b":0\r\n"], [b":6\r\n"])
    assert script.slot.advance(5, DEADLINE_US)
    assert script.slot.data is not None
    assert script.slot.data.startswith(b"-UNCERTAIN")


@pytest.mark.parametrize(
    ("activation", "abortion", "word"),
    [
        (UNCERTAIN, DOWN, b"-UNCERTAIN"),
        (UNCERTAIN, UNCERTAIN, b"-UNCERTAIN"),
        (UNCERTAIN, [b":0\r\n"], b"-UNCERTAIN"),
        (UNCERTAIN, [b":7\r\n"], b"-ERR keyspace 'shop': it took too long and was given up; nothing was changed"),
        (DOWN, UNCERTAIN, b"-CLUSTERDOWN"),
        (DOWN, [b":7\r\n"], b"-CLUSTERDOWN"),
    ],
)
def test_what_the_activation_met_is_said_whatever_becomes_of_the_abort(
    activation: Result, abortion: Result, word: bytes
) -> None:
    script = Script([b":5\r\n"], [b":0\r\n"], activation, abortion)
    assert script.changes == [Prepare, Activate, Abort]
    assert script.slot.data is not None
    assert script.slot.data.startswith(word)


def test_keys_that_would_vanish_from_sight_end_it_before_the_activation() -> None:
    script = Script([b":5\r\n"], [b":1\r\n"], [b":6\r\n"])
    assert script.changes == [Prepare, Abort]
    assert script.slot.data is not None
    assert b"keys that begin with 'shop:' live in 'default'" in script.slot.data


def test_a_prepare_that_fails_ends_it() -> None:
    assert Script(UNCERTAIN).slot.data == UNCERTAIN
    assert Script(DOWN).slot.data == DOWN
    taken = Script([b":0\r\n"]).slot.data
    assert taken is not None
    assert taken.startswith(b"-ERR keyspace 'shop': another change is in the making")
