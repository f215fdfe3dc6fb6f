"""Histories of Redis commands: split by keys, translated, refused where time or the unknown comes in."""

from random import Random
from typing import Any

import pytest

from trilemma.check.brute import is_linearizable
from trilemma.check.causal import check_causal
from trilemma.check.deadline import Deadline
from trilemma.check.forge import disturb, forge
from trilemma.check.history import Operation
from trilemma.check.judgement import Terms
from trilemma.check.judges import JUDGES, judge
from trilemma.check.redis_entry import Entry
from trilemma.check.redis_history import as_registers, as_shared, check_commands, components, keys_of, refusal
from trilemma.check.redis_model import REDIS, reply
from trilemma.check.verdict import Validity, Verdict, combine

ROUNDS = 2_000


def command(*words: str, result: Any = b"OK", at: int = 0, outcome: Any = "ok") -> Operation:
    encoded = tuple(word.encode() for word in words)
    return Operation(1, at, at + 1, "command", encoded[1] if len(words) > 1 else b"", encoded, result, outcome)


def by_name(history: list[Operation], terms: Terms | None = None) -> Verdict:
    """Return the verdict of the model `redis`, which a file is judged by."""
    return combine(judge(history, JUDGES["redis"], terms or Terms()).verdicts)


def draw(rng: Random, number: int) -> tuple[str, Any]:
    key = rng.choice([b"a", b"b", b"c"])
    single = [(b"GET", key), (b"SET", key, b"%d" % number), (b"INCR", key), (b"DEL", key), (b"APPEND", key, b"1")]
    several = [(b"MGET", b"a", b"b"), (b"MSET", b"a", b"%d" % number, b"b", b"x")]
    return "command", rng.choice(single if rng.random() < 0.8 else several)


def run(state: Any, operation: Operation) -> tuple[Any, Any]:
    data: dict[bytes, Entry] = dict(state)
    told = reply(data, operation.argument)
    return told, tuple(sorted(data.items()))


def test_judged_by_groups_of_keys_is_as_judged_at_once() -> None:
    rng, valid = Random(9), 0
    for _ in range(ROUNDS):
        history = disturb(rng, forge(rng, rng.randint(2, 6), (), draw, run), rng.randrange(4))
        verdict = check_commands(history)
        assert verdict.is_valid == is_linearizable(history, REDIS), history
        assert verdict.is_valid or verdict.is_invalid
        assert all(each in history for each in verdict.witness), (history, verdict)
        recorded = [each._replace(key=keys_of(each.argument)[0]) for each in history]
        answered = any(each.outcome == "ok" for each in history)
        assert by_name(recorded).validity is (verdict.validity if answered else Validity.UNKNOWN), history
        valid += verdict.is_valid
    assert ROUNDS // 10 < valid < ROUNDS * 9 // 10


def test_a_file_of_commands_is_judged_by_the_keys_they_name_whatever_key_stands_beside_them() -> None:
    pairs = command("MSET", "a", "2", "b", "2", at=20)
    stale = [command("SET", "b", "1"), pairs, command("GET", "b", result=b"1", at=40)]
    verdict = by_name(stale)
    assert verdict.is_invalid
    assert set(verdict.witness) <= set(stale), "the witness is of the operations as they were recorded"
    assert by_name([*stale[:2], command("GET", "b", result=b"2", at=40)]).is_valid
    both = ((b"SET", b"a", b"3"), (b"SET", b"b", b"4"))
    together = Operation(1, 60, 61, "transaction", b"a", both, (b"OK", b"OK"))
    assert by_name([pairs, together, command("GET", "b", result=b"4", at=80)]).is_valid
    assert by_name([pairs, together, command("GET", "b", result=b"2", at=80)]).is_invalid


def test_the_terms_of_a_judgement_bound_the_search_of_commands() -> None:
    together = [command("APPEND", "k", str(number), result=None, outcome="info") for number in range(12)]
    history = [*together, command("STRLEN", "k", result=99, at=2)]
    for terms in (Terms(steps_max=10), Terms(deadline=Deadline(lambda: 1.0, 0.0))):
        assert by_name(history, terms).validity is Validity.UNKNOWN


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (("SET", "k", "v", "NX"), (b"k",)),
        (("MSET", "k", "v", "j", "w"), (b"k", b"j")),
        (("DEL", "k", "j"), (b"k", b"j")),
        (("COPY", "k", "j", "REPLACE"), (b"k", b"j")),
        (("GETRANGE", "k", "0", "1"), (b"k",)),
        (("LPUSH", "k", "x"), (b"k",)),
    ],
)
def test_the_keys_of_a_command_are_known(words: tuple[str, ...], keys: tuple[bytes, ...]) -> None:
    assert keys_of(tuple(word.encode() for word in words)) == keys


def test_keys_that_one_command_names_together_are_judged_together() -> None:
    one = [command("SET", "a", "1"), command("SET", "b", "1"), command("SET", "c", "1"), command("SET", "d", "1")]
    linked = [*one, command("MGET", "a", "b", result=(b"1", b"1")), command("COPY", "b", "d", result=1)]
    assert sorted(len(group) for group in components(linked)) == [1, 5]
    assert all(len({each.key for each in group}) == 1 for group in components(linked))


@pytest.mark.parametrize(
    "words",
    [
        ("LPUSH", "k", "x"),
        ("get", "k"),
        ("SET", "k", "v", "px", "9"),
        ("SET", "k", "ex", "EX", "9"),
        ("SET", "k", "v", "NX", "PXAT", "9"),
        ("GETEX", "k", "exat", "9"),
        ("EXPIRE", "k", "9"),
        ("READONLY",),
        ("FLUSHALL",),
        ("GET",),
        ("COPY", "k", "j", "DB", "1"),
        ("COPY", "k", "j", "replace", "db", "1"),
    ],
)
def test_what_cannot_be_judged_makes_the_verdict_unknown(words: tuple[str, ...]) -> None:
    odd = command(*words, result=1)
    assert refusal(odd)
    assert check_commands([command("SET", "k", "v"), odd]).validity is Validity.UNKNOWN
    assert by_name([command("SET", "k", "v"), odd]).validity is Validity.UNKNOWN
    assert check_commands([odd._replace(kind="read")]).validity is Validity.UNKNOWN


def test_keys_may_be_called_as_an_option_is() -> None:
    assert not refusal(command("COPY", "DB", "DB", "REPLACE", result=0))
    assert not refusal(command("GETEX", "EX", result=None))


@pytest.mark.parametrize("value", ["ex", "PX", "exat", "PXAT"])
def test_values_may_read_as_an_option_does(value: str) -> None:
    written = command("SET", "k", value)
    assert check_commands([written, command("GET", "k", result=value.encode(), at=9)]).is_valid
    assert check_commands([written, command("GET", "k", result=None, at=9)]).is_invalid
    swapped = command("SET", "k", "v", "XX", "GET", result=value.encode(), at=9)
    assert check_commands([written, swapped]).is_valid


@pytest.mark.parametrize(
    ("held", "amount", "reply"),
    [
        ("123456.789", repr(123456.789 / 7), "141093.47314285714200003"),
        ("0.01", repr(0.01 / 3), "0.01333333333333333"),
        ("1", "1e-20", "1"),
        ("1e-20", "1", "1"),
        ("0x10", "1", "17"),
        ("10.50", "0.1", "10.6"),
    ],
)
def test_a_sum_is_rounded_as_its_reply_says_and_no_further(held: str, amount: str, reply: str) -> None:
    added = command("INCRBYFLOAT", "k", amount, result=reply.encode(), at=4)
    history = [command("SET", "k", held), added, command("GET", "k", result=reply.encode(), at=8)]
    assert check_commands(history).is_valid
    assert check_commands([*history[:2], command("GET", "k", result=reply.encode() + b"1", at=8)]).is_invalid
    assert check_commands([history[0], added._replace(result=b"42"), history[2]]).is_invalid
    both = Operation(1, 4, 5, "transaction", b"k", (added.argument, (*added.argument[:2], b"0")), (reply.encode(),) * 2)
    assert check_commands([history[0], both, history[2]]).is_valid


@pytest.mark.parametrize(
    ("held", "amount"), [("1", "inf"), ("inf", "-inf"), ("1", " 1"), ("1_0", "1"), (" 1", "1"), ("1", "nan")]
)
def test_what_is_no_number_is_not_added(held: str, amount: str) -> None:
    is_infinite = "inf" in held + amount
    text = "ERR increment would produce NaN or Infinity" if is_infinite else "ERR value is not a valid float"
    history = [command("SET", "k", held), command("INCRBYFLOAT", "k", amount, result=text, at=4)]
    assert check_commands(history).is_valid
    assert check_commands([history[0], history[1]._replace(result=b"11")]).is_invalid


def test_a_sum_that_nobody_was_told_leaves_what_it_was_rounded_to_unknown() -> None:
    unseen = command("INCRBYFLOAT", "k", "0.1", result=None, outcome="info", at=4)
    for held, shown, validity in (
        ("1234567.1", "1234567.2", Validity.VALID),
        ("1234567.1", "1234567.20000000000004547", Validity.UNKNOWN),
        ("1234567.1", "7", Validity.UNKNOWN),
    ):
        history = [command("SET", "k", held), unseen, command("GET", "k", result=shown.encode(), at=8)]
        assert check_commands(history).validity is validity, shown
    halves = unseen._replace(argument=(b"INCRBYFLOAT", b"k", b"0.5"))
    assert check_commands([command("SET", "k", "1"), halves, command("GET", "k", result=b"7", at=8)]).is_invalid
    pieced = [command("SET", "k", "1"), command("APPEND", "k", "e40", result=4, at=2), halves]
    assert check_commands([*pieced, command("GET", "k", result=b"7", at=8)]).validity is Validity.UNKNOWN


@pytest.mark.parametrize("words", [("NOSUCH", "k"), ("LPUSH", "k", "x"), ("PING",), ("EXPIRE", "k", "9")])
def test_what_failed_did_nothing_and_hinders_no_judgement(words: tuple[str, ...]) -> None:
    refused = command(*words, result=None, outcome="fail")
    done = [command("SET", "k", "v"), command("GET", "k", result=b"v", at=2)]
    assert check_commands([*done, refused]).is_valid
    ghost = [command("SET", "k", "w", result=None, outcome="fail"), command("GET", "k", result=b"w", at=4)]
    assert check_commands([*done, refused, *ghost]).is_invalid


def test_plain_reads_and_writes_become_registers_and_nothing_else_does() -> None:
    plain = [command("SET", "k", "v"), command("GET", "k", result=b"v", at=5)]
    translated = as_registers(plain)
    assert translated is not None
    assert [(each.kind, each.argument, each.result) for each in translated] == [
        ("write", b"v", b"OK"),
        ("read", None, b"v"),
    ]
    for other in (
        command("SET", "k", "v", "NX"),
        command("INCR", "k", result=1),
        command("GET", "k", result="WRONGTYPE x"),
        command("SET", "k", "w", result=None),
    ):
        assert as_registers([*plain, other]) is None
    assert as_registers([*plain, command("INCR", "k", outcome="fail")]) == translated
    assert as_registers([command("SET", "k", "w", result=None, outcome="info")]) is not None


def test_transactions_are_seen_whole_by_the_causal_checker() -> None:
    both = ((b"SET", b"k", b"1"), (b"SET", b"j", b"1"))
    written = Operation(1, 0, 1, "transaction", b"k", both, (b"OK", b"OK"), "ok", "n1")
    half = Operation(2, 5, 6, "command", b"k", (b"MGET", b"k", b"j"), (b"1", None), "ok", "n2")
    whole = half._replace(result=(b"1", b"1"))
    for seen, is_valid in ((half, False), (whole, True)):
        shared = as_shared([written, seen])
        assert shared is not None
        assert check_causal(shared).is_valid == is_valid
    assert as_shared([written, command("INCR", "k", result=1)]) is None
