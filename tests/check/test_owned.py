"""Keys of one owner: the judge says what a search says that minds no overlap, and what happened is never refused."""

from random import Random

import pytest

from trilemma.check.history import Operation
from trilemma.check.linearizable import check_linearizable
from trilemma.check.owned import check_owned
from trilemma.check.redis_entry import POSITIVE
from trilemma.check.redis_model import REDIS, REDIS_WITH_EXACT_SUMS, reply

KEY = b"g"
NODES = frozenset({"n1"})

COMMANDS = (
    *((b"SET", KEY, b"%d" % number) for number in range(3)),
    *((b"INCRBY", KEY, b"1"), (b"DEL", KEY), (b"GET", KEY), (b"APPEND", KEY, b"1"), (b"SETNX", KEY, b"7")),
    *((b"EXPIRE", KEY, b"100"), (b"TTL", KEY), (b"RENAME", KEY, b"h"), (b"RENAMENX", b"h", KEY), (b"GETDEL", b"h")),
)


def history(rng: Random) -> list[Operation]:
    """Draw what one client did over some connections, with some of it unanswered: done at once, later, or never."""
    data: dict[bytes, object] = {}
    late: list[tuple[bytes, ...]] = []
    operations: list[Operation] = []
    process = 1
    for place in range(rng.randint(1, 12)):
        if late and rng.random() < 0.3:
            reply(data, late.pop(0))  # type: ignore[arg-type]
        command = rng.choice(COMMANDS)
        begin_us = 10 * place
        if rng.random() < 0.25:
            operations.append(Operation(process, begin_us, None, "command", KEY, command, None, "info", "n1"))
            late.append(command)
            if rng.random() < 0.5:
                late.clear()
            process += rng.randint(0, 1)
            if process != operations[-1].process:
                late = late[:1]  # nothing that was sent on a later connection waits for it
            continue
        if late and operations and operations[-1].process == process and operations[-1].outcome == "info":
            late.clear()  # what is behind it on its connection was answered: it was carried out before, or is not
        result = reply(data, command)  # type: ignore[arg-type]
        result = 50 if result is POSITIVE else result
        operations.append(Operation(process, begin_us, begin_us + 5, "command", KEY, command, result, "ok", "n1"))
    return operations


def broken(rng: Random, operations: list[Operation]) -> list[Operation]:
    """Return a history in which one reply is another."""
    places = [place for place, each in enumerate(operations) if each.outcome == "ok"]
    if not places:
        return operations
    place = rng.choice(places)
    other = operations[place]._replace(result=rng.choice((None, b"OK", 0, 1, 2, b"1", b"2", b"11", 50, -1, -2)))
    return [*operations[:place], other, *operations[place + 1 :]]


@pytest.mark.parametrize("seed", range(6))
def test_it_says_what_the_search_says(seed: int) -> None:
    rng = Random(seed)
    said = set()
    for _ in range(80):
        operations = history(rng)
        assert not check_owned(operations, REDIS, frozenset()).is_invalid, "it happened"
        changed = broken(rng, operations)
        found = check_owned(changed, REDIS, frozenset()).is_invalid
        assert found == check_linearizable(changed, REDIS).is_invalid
        said.add(found)
    assert said == {False, True}


def ok(process: int, at_us: int, result: object, *command: bytes) -> Operation:
    return Operation(process, at_us, at_us + 1, "command", KEY, command, result, "ok", "n1")


def lost(process: int, at_us: int, *command: bytes) -> Operation:
    return Operation(process, at_us, None, "command", KEY, command, None, "info", "n1")


SWAPPED = [lost(1, 0, b"SET", KEY, b"1"), lost(1, 0, b"APPEND", KEY, b"2"), ok(2, 10, b"1", b"GET", KEY)]
TURNED = [lost(1, 0, b"APPEND", KEY, b"1"), lost(1, 0, b"APPEND", KEY, b"2"), ok(2, 10, b"21", b"GET", KEY)]


def test_what_one_connection_has_sent_keeps_its_order_where_its_node_executes_it() -> None:
    assert check_owned(SWAPPED, REDIS, NODES).is_valid
    assert check_owned(TURNED, REDIS, NODES).is_invalid
    assert check_owned(TURNED, REDIS, frozenset()).is_valid


def test_operations_that_overlap_in_a_pipeline_follow_each_other() -> None:
    sent_at_once = [ok(1, 0, b"1", b"GET", KEY), ok(1, 0, b"OK", b"SET", KEY, b"1")]
    assert check_owned(sent_at_once, REDIS, NODES).is_invalid
    assert check_owned(sent_at_once[::-1], REDIS, NODES).is_valid


def test_what_failed_did_nothing_and_too_many_ways_are_unknown() -> None:
    refused = Operation(1, 0, 1, "command", KEY, (b"SET", KEY, b"1"), "CLUSTERDOWN", "fail", "n1")
    assert check_owned([refused, ok(1, 5, None, b"GET", KEY)], REDIS, NODES).is_valid
    many = [lost(number, number, b"APPEND", KEY, b"%d;" % number) for number in range(9)]
    assert not check_owned([*many, ok(99, 99, b"x", b"GET", KEY)], REDIS, NODES).is_valid


def test_a_sum_that_was_not_told_may_be_rounded_as_nobody_knows() -> None:
    unseen = [lost(1, 0, b"INCRBYFLOAT", KEY, b"128.48"), ok(2, 5, b"128.47999999999999999", b"GET", KEY)]
    verdict = check_owned(unseen, REDIS_WITH_EXACT_SUMS, NODES)
    assert not verdict.is_valid
    assert not verdict.is_invalid


def test_exact_sums_that_are_shown_rounded_are_no_fault_and_another_value_than_the_reply_is() -> None:
    def sums(*told: bytes) -> list[Operation]:
        amounts = (b"128.48", b"252.66", b"-63.02")
        return [ok(1, 5 * place, said, b"INCRBYFLOAT", KEY, amount)
                for place, (amount, said) in enumerate(zip(amounts, told, strict=True))]  # fmt: skip

    exact = sums(b"128.48", b"381.13999999999999999", b"318.12")
    assert check_owned([*exact, ok(1, 50, b"318.12", b"GET", KEY)], REDIS_WITH_EXACT_SUMS, NODES).is_valid
    other = sums(b"128.48", b"381.13999999999999999", b"318.12000000000000002")
    assert check_owned([*other, ok(1, 50, b"318.12", b"GET", KEY)], REDIS_WITH_EXACT_SUMS, NODES).is_invalid
