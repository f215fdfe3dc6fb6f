"""What the clients of the stores send and how they read the answers, without the stores."""

from typing import Any

import hiredis
import pytest

from trilemma.keyspace.slot import SLOTS, slot_of
from trilemma.target import catalogue
from trilemma.target.address import Address
from trilemma.target.etcd import reply_of, request_of
from trilemma.target.lab_links import lab_commands
from trilemma.target.machines import Place
from trilemma.target.network import rules_of
from trilemma.target.port import LinkFault, Target, TargetError
from trilemma.target.programs import find_binary
from trilemma.target.redis_cluster import key_of, owner_of, read_map
from trilemma.target.redis_sentinel import judge_wait, with_wait
from trilemma.workload.reply import judge

SET = (b"SET", b"k", b"v")
GET = (b"GET", b"k")
TRANSACTION = ((b"MULTI",), SET, (b"EXEC",))
CUT = LinkFault(is_cut=True)


# Redis Cluster


def test_every_slot_goes_to_the_primary_that_the_map_names() -> None:
    third = SLOTS // 3
    answer: list[Any] = [
        [0, third, [b"10.0.0.1", 1, b"id"], [b"10.0.0.2", 2, b"id"]],
        [third + 1, SLOTS - 1, [b"10.0.0.3", 3, b"id"]],
    ]
    ranges = read_map(answer)
    for number in range(300):
        key = b"key%d" % number
        expected = Place("10.0.0.1", 1) if slot_of(key) <= third else Place("10.0.0.3", 3)
        assert owner_of(key, ranges) == expected
    assert owner_of(b"key", []) is None


@pytest.mark.parametrize(
    ("commands", "key"),
    [((GET,), b"k"), (TRANSACTION, b"k"), (((b"WATCH", b"a", b"b"), GET), b"a"), (((b"PING",),), b"")],
)
def test_a_step_is_routed_by_its_first_key(commands: Any, key: bytes) -> None:
    assert key_of(commands) == key


# Redis with WAIT


def test_writes_are_waited_for_and_reads_are_not() -> None:
    assert with_wait([SET])[1][0] == b"WAIT"
    assert with_wait(TRANSACTION)[-1][0] == b"WAIT"
    assert with_wait([GET]) == [GET]
    assert with_wait([(b"WATCH", b"k"), GET]) == [(b"WATCH", b"k"), GET]


def test_a_write_that_no_replica_has_is_uncertain_and_one_that_has_is_done() -> None:
    assert judge_wait([SET], [b"OK", 1]) == [b"OK"]
    assert judge(judge_wait([SET], [b"OK", 0])[0]).outcome == "info"
    assert judge(judge_wait(TRANSACTION, [b"OK", b"QUEUED", [b"OK"], 0])[-1]).outcome == "info"


def test_a_write_whose_wait_was_not_answered_is_not_known_to_have_happened() -> None:
    assert judge_wait([SET], [b"OK"]) == []
    assert judge_wait(TRANSACTION, [b"OK", b"QUEUED", [b"OK"]]) == [b"OK", b"QUEUED"]
    assert judge_wait([GET], [b"v"]) == [b"v"]


def test_what_did_not_happen_needs_no_replica() -> None:
    refusal = hiredis.ReplyError("READONLY no")
    assert judge_wait([SET], [refusal, 0]) == [refusal]
    assert judge_wait(TRANSACTION, [b"OK", b"QUEUED", None, 0])[-1] is None


# etcd


def test_reads_say_whether_they_may_be_stale() -> None:
    assert request_of(GET, is_serializable=True)[1]["serializable"] is True
    assert request_of(GET, is_serializable=False)[1]["serializable"] is False


def test_a_compare_and_set_on_nothing_compares_the_version() -> None:
    compare = request_of((b"CAS", b"k", b"", b"v"), is_serializable=False)[1]["compare"][0]
    assert (compare["target"], compare["version"]) == ("VERSION", "0")
    compare = request_of((b"CAS", b"k", b"old", b"v"), is_serializable=False)[1]["compare"][0]
    assert (compare["target"], compare["value"]) == ("VALUE", "b2xk")


def test_commands_that_etcd_lacks_are_refused() -> None:
    with pytest.raises(ValueError, match="INCR"):
        request_of((b"INCR", b"k"), is_serializable=False)


@pytest.mark.parametrize(
    ("command", "status", "body", "outcome", "result"),
    [
        (GET, 200, {"kvs": [{"value": "dg=="}]}, "ok", b"v"),
        (GET, 200, {}, "ok", None),
        (SET, 200, {}, "ok", b"OK"),
        ((b"CAS", b"k", b"a", b"b"), 200, {"succeeded": True}, "ok", 1),
        ((b"CAS", b"k", b"a", b"b"), 200, {}, "ok", 0),
    ],
)
def test_answers_of_etcd_are_read(command: Any, status: int, body: Any, outcome: str, result: Any) -> None:
    assert judge(reply_of(command, status, body)) == (outcome, result)


def test_an_error_of_a_write_leaves_it_unknown_and_of_a_read_does_not() -> None:
    body = {"error": "etcdserver: request timed out"}
    assert judge(reply_of(SET, 503, body)).outcome == "info"
    assert judge(reply_of((b"CAS", b"k", b"", b"v"), 503, body)).outcome == "info"
    assert judge(reply_of(GET, 503, body)).outcome == "fail"


# Links


def test_the_hub_drops_cut_directions_and_relays_slow_ones() -> None:
    rules = rules_of({("a", "b"): CUT, ("b", "a"): LinkFault(delay_ms=5), ("a", "c"): LinkFault()})
    assert {link: what.split()[0] for link, what in rules} == {("a", "b"): "blackhole", ("b", "a"): "lookup"}


def test_lab_is_told_only_what_changes_and_both_ways_in_one() -> None:
    both = {("n1", "n2"): CUT, ("n2", "n1"): CUT}
    assert lab_commands({}, both) == [["CUT", "n1-n2"]]
    assert lab_commands(both, {}) == [["HEAL", "n1-n2"]]
    assert lab_commands(both, both) == []
    assert lab_commands(both, {("n1", "n2"): CUT}) == [["HEAL", "n2>n1"]]
    assert lab_commands({}, {("n2", "n1"): LinkFault(delay_ms=80)}) == [["SLOW", "n2>n1", "80ms"]]
    assert lab_commands({}, {("n2", "n1"): LinkFault(loss_percent=12)}) == [["LOSS", "n2>n1", "12%"]]


# Names


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_every_name_makes_a_target_that_is_called_so(name: str) -> None:
    assert catalogue.make(name).name == name


def test_addresses_make_a_target_whose_nodes_they_are() -> None:
    target = catalogue.make("127.0.0.1:7001,127.0.0.1:7002")
    assert isinstance(target, Address)
    assert target.nodes == ("127.0.0.1:7001", "127.0.0.1:7002")


def test_a_mode_makes_one_keyspace_and_all_make_three() -> None:
    assert [each.mode for each in catalogue.make("trilemma", "ap").keyspaces] == ["ap"]
    assert [each.mode for each in catalogue.make("trilemma").keyspaces] == ["cp", "ca", "ap"]


class OwnTarget(Target):
    """A user's own."""

    name = "own"


def test_a_users_own_class_is_a_target() -> None:
    assert catalogue.make(f"{__name__}:OwnTarget").name == "own"


@pytest.mark.parametrize(
    "name",
    ["nothing", "trilemma@nowhere", "localhost:99999", "json:JSONDecoder", "no_such_module:Class", "json:Nothing"],
)
def test_what_is_no_target_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(TargetError):
        catalogue.make(name)


def test_a_missing_binary_is_refused_with_the_name_of_its_package() -> None:
    with pytest.raises(TargetError, match="apt-get install no-such-package"):
        find_binary("no-such-binary", "no-such-package")
