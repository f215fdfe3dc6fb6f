"""Which connections a node closes because nothing comes from them, to the microsecond; by default none that is idle."""

import pytest

from trilemma.base.time import US_PER_S
from trilemma.node.config import Member, NodeConfig
from trilemma.node.silence import REQUEST_US, SPARE_US
from trilemma.sim.solo import SoloNode, request

PING = request("PING")


def made(timeout_s: int = 0, clients_max: int = 100) -> SoloNode:
    members = (Member(1, "n1"),)
    return SoloNode(NodeConfig("solo", 1, "disk", 1, members, timeout_s=timeout_s, clients_max=clients_max))


def after(solo: SoloNode, us: int) -> set[int]:
    """Who is closed once so much time has passed."""
    solo.run_until(solo.now.mono_us + us)
    return solo.closed


def test_a_request_that_was_begun_has_a_bound_from_its_newest_byte_on() -> None:
    solo = made()
    first, second, idle = solo.connect(), solo.connect(), solo.connect()
    solo.send(first, b"*2\r\n")
    assert after(solo, REQUEST_US // 2) == set()
    solo.send(second, b"*2\r\n")
    solo.send(first, b"$3\r\n")
    assert after(solo, REQUEST_US - 1) == set()
    assert after(solo, 1) == {first, second}
    assert after(solo, 100 * REQUEST_US) == {first, second}
    assert solo.send(idle, PING) == b"+PONG\r\n"


def test_a_request_that_is_completed_has_no_bound_any_more() -> None:
    solo = made()
    conn = solo.connect()
    solo.send(conn, PING[:5])
    after(solo, REQUEST_US - 1)
    assert solo.send(conn, PING[5:]) == b"+PONG\r\n"
    assert after(solo, 10 * REQUEST_US) == set()


def test_a_client_that_is_blocked_may_have_begun_the_next_request_and_be_silent() -> None:
    solo = made()
    conn = solo.connect()
    solo.send(conn, request("SET", "k", "v") + request("WAIT", "9", "0") + PING[:5])
    assert after(solo, 3 * REQUEST_US) == set()


def test_idle_clients_are_closed_within_a_second_of_the_option() -> None:
    solo = made(timeout_s=5)
    conn = solo.connect()
    assert after(solo, 4 * US_PER_S) == set()
    solo.send(conn, PING)
    assert after(solo, 5 * US_PER_S - 1) == set()
    assert after(solo, US_PER_S + 1) == {conn}


@pytest.mark.parametrize("value", ["0", "7", "2147483647"])
def test_the_option_is_shown_and_changed_while_the_node_runs(value: str) -> None:
    solo = made(timeout_s=5)
    conn = solo.connect()
    assert solo.send(conn, request("CONFIG", "GET", "timeout")) == b"*2\r\n$7\r\ntimeout\r\n$1\r\n5\r\n"
    assert solo.send(conn, request("CONFIG", "SET", "timeout", value)) == b"+OK\r\n"
    shown = b"*2\r\n$7\r\ntimeout\r\n$%d\r\n%b\r\n" % (len(value), value.encode())
    assert solo.send(conn, request("CONFIG", "GET", "timeout")) == shown
    assert after(solo, 6 * US_PER_S) == set()
    assert after(solo, 3 * US_PER_S) == ({conn} if value == "7" else set())


def test_who_monitors_and_who_waits_for_a_reply_is_not_idle() -> None:
    solo = made(timeout_s=5)
    waiting, monitor = solo.connect(), solo.connect()
    solo.send(monitor, request("MONITOR"))
    solo.send(waiting, request("SET", "k", "v") + request("WAIT", "9", "60000"))
    assert after(solo, 59 * US_PER_S) == set()
    # The reply has come late, and from then on the client has all its time again.
    assert after(solo, 4 * US_PER_S) == set()
    assert after(solo, 4 * US_PER_S) == {waiting}


def test_by_default_silence_costs_no_turn() -> None:
    solo = made()
    solo.connect()
    before = solo.node._clients.next_deadline_us
    assert before > solo.now.mono_us + 1_000 * US_PER_S


def test_the_place_for_administrators_cannot_be_held_in_silence() -> None:
    solo = made(clients_max=2)
    held = [solo.connect(), solo.connect()]
    spare = solo.connect()
    assert solo.send(spare, request("CLIENT", "ID")) == b":3\r\n"
    assert after(solo, SPARE_US - 1) == set()
    assert after(solo, US_PER_S + 1) == {spare}
    solo.node.client_gone(spare)
    another = solo.connect()
    solo.node.client_gone(held[0])
    assert after(solo, 10 * SPARE_US) == {spare}
    assert solo.send(another, request("SET", "k", "v")) == b"+OK\r\n"
