"""A change of the catalogue says what happened to it, whichever of its steps fails."""

from typing import Any

import pytest

from trilemma.keyspace.catalogue import Abort, Activate, Alter, Prepare, decode_change
from trilemma.keyspace.settings import Keyspace, Mode
from trilemma.node.change import ChangeSlot
from trilemma.node.session import Session
from trilemma.node.system_shard import system_keyspace
from trilemma.node.unit import Result, Unit

SHOP = Keyspace(2, "shop", Mode.CP, (1, 2, 3), 1, "majority", "linearizable", "sync", 2_000)
CREATE = Prepare(SHOP, drops=False)
DEADLINE_US = 2_000_000
DEFAULT_SHARD = 1024
UNCERTAIN = b"-UNCERTAIN keyspace '_system' (cp): no; it may still take effect\r\n"
DOWN = b"-CLUSTERDOWN keyspace '_system' (cp): no; nothing was written\r\n"
WOULD_VANISH = (
    b"-ERR keyspace 'shop': keys that begin with 'shop:' live in 'default'; they would vanish from sight; "
    b"nothing was changed"
)
GIVEN_UP_BEFORE = b"-ERR keyspace 'shop': it took too long and was given up; nothing was changed"
STILL_FENCED = b", but keys that begin with 'shop:' may be refused for a while yet\r\n"


class Script:
    """Answers each step of a change with the next of some results."""

    def __init__(self, *results: Result, change: Prepare | Alter = CREATE) -> None:
        self.results = list(results)
        self.asked: list[Unit] = []
        session = Session(1, "127.0.0.1:50000", "127.0.0.1:7001", lambda _: None)
        self.slot = ChangeSlot(session, change, system_keyspace((1, 2, 3)), [DEFAULT_SHARD], self.ask, DEADLINE_US)
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
        (UNCERTAIN, [b":-7\r\n"], b"-UNCERTAIN"),
        (UNCERTAIN, [b":7\r\n"], b"-ERR keyspace 'shop': it took too long and was given up; nothing was changed\r\n"),
        (DOWN, UNCERTAIN, b"-CLUSTERDOWN keyspace '_system' (cp): no; nothing was written" + STILL_FENCED),
        (DOWN, [b":7\r\n"], DOWN),
        (DOWN, [b":-7\r\n"], DOWN),
    ],
)
def test_what_the_activation_met_is_said_whatever_becomes_of_the_abort(
    activation: Result, abortion: Result, word: bytes
) -> None:
    script = Script([b":5\r\n"], [b":0\r\n"], activation, abortion)
    assert script.changes == [Prepare, Activate, Abort]
    script.slot.advance(7, 0)
    assert script.slot.data is not None
    assert script.slot.data.startswith(word)


def test_keys_that_would_vanish_from_sight_end_it_before_the_activation() -> None:
    script = Script([b":5\r\n"], [b":1\r\n"], [b":6\r\n"])
    assert script.changes == [Prepare, Abort]
    script.slot.advance(6, 0)
    assert script.slot.data == WOULD_VANISH + b"\r\n"


GIVEN_UP: list[tuple[Result, ...]] = [
    ([b":-6\r\n"],),
    ([b":4\r\n"], [b":1\r\n"], [b":6\r\n"]),
    ([b":4\r\n"], [b":1\r\n"], [b":-6\r\n"]),
    ([b":4\r\n"], DOWN, [b":6\r\n"]),
    ([b":4\r\n"], [b":0\r\n"], [b":-6\r\n"]),
    ([b":4\r\n"], [b":0\r\n"], DOWN, [b":6\r\n"]),
]
"""Refused in the log; keys there; then given up by others first; keys not looked for; too late; a member was away."""


@pytest.mark.parametrize("results", GIVEN_UP)
def test_a_refusal_leaves_once_every_member_has_applied_what_ends_the_fence(results: tuple[Result, ...]) -> None:
    script = Script(*results)
    assert not script.slot.advance(5, DEADLINE_US - 1)
    assert script.slot.session.blocked
    assert script.slot.advance(6, DEADLINE_US - 1)
    assert script.slot.data is not None
    assert script.slot.data.startswith((b"-ERR keyspace 'shop': ", DOWN))
    assert STILL_FENCED not in script.slot.data


@pytest.mark.parametrize("results", GIVEN_UP)
def test_a_refusal_whose_fence_may_stand_when_time_is_up_says_so(results: tuple[Result, ...]) -> None:
    script = Script(*results)
    assert script.slot.advance(5, DEADLINE_US)
    assert script.slot.data is not None
    assert script.slot.data.startswith((b"-ERR keyspace 'shop': ", DOWN[:-2]))
    assert script.slot.data.endswith(STILL_FENCED)


@pytest.mark.parametrize("abortion", [DOWN, UNCERTAIN])
def test_a_refusal_whose_abort_fails_says_at_once_that_the_fence_may_stand(abortion: bytes) -> None:
    assert Script([b":5\r\n"], [b":1\r\n"], abortion).slot.data == WOULD_VANISH + STILL_FENCED


def test_a_prepare_in_doubt_can_do_no_more_than_fence_since_no_activate_follows_it() -> None:
    script = Script(UNCERTAIN)
    assert script.slot.data == GIVEN_UP_BEFORE + STILL_FENCED
    assert script.changes == [Prepare]


def test_an_alter_in_doubt_may_still_take_effect() -> None:
    assert Script(UNCERTAIN, change=Alter(SHOP)).slot.data == UNCERTAIN


def test_a_prepare_that_fails_ends_it() -> None:
    assert Script(DOWN).slot.data == DOWN
    taken = Script([b":-3\r\n"]).slot
    assert taken.advance(3, 0)
    assert taken.data is not None
    assert taken.data.startswith(b"-ERR keyspace 'shop': another change is in the making")


def test_an_alter_that_came_to_nothing_is_answered_at_once() -> None:
    altered = Script([b":-3\r\n"], change=Alter(SHOP)).slot.data
    assert altered is not None
    assert altered.endswith(b"nothing was changed\r\n")
