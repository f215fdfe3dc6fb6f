"""Commands out of text: what is read, what is not understood, and each rule on what it should and should not see."""

import pytest

from trilemma.advise.judge import CONNECTIONS_MAX, LOOK_BACK_CALLS, Finding, Judge, judge
from trilemma.advise.modes import Modes
from trilemma.advise.text import Reader, read_text
from trilemma.command.safety import BY_COMMAND, warnings
from trilemma.command.safety_rows import RULES
from trilemma.command.safety_rule import Gravity, Pattern

MODES = Modes("cp", {"shop": "ap", "site": "ca"})


def found(*lines: str, modes: Modes = MODES) -> list[Finding]:
    program = read_text("\n".join(lines).encode(), "test")
    assert program.not_understood == ()
    return judge(program, modes)


def names(*lines: str, gravity: Gravity | None = Gravity.UNSAFE) -> list[str]:
    return [each.rule.name for each in found(*lines) if gravity in (None, each.gravity)]


UNSAFE = [
    (("SETNX shop:lock 1",), ["lock-on-ap"]),
    (("MSETNX shop:a 1 shop:b 2",), ["lock-on-ap"]),
    (("SET shop:lock me NX PX 5000",), ["lock-on-ap"]),
    (("GET shop:cart", "SET shop:cart x"), ["lost-update-on-ap"]),
    (("WATCH shop:cart", "GET shop:cart", "MULTI", "SET shop:cart x", "EXEC"), ["watch-on-ap", "lost-update-on-ap"]),
    (("GET bank:a", "SET bank:a 5"), ["lost-update"]),
    (("EXISTS site:a", "SET site:a 5"), ["lost-update"]),
    (("GET bank:a", "MULTI", "SET bank:a 5", "EXEC"), ["lost-update"]),
    (("GET bank:a", "WATCH bank:a", "MULTI", "SET bank:a 5", "EXEC"), ["lost-update"]),
    (("WATCH bank:b", "GET bank:a", "WATCH bank:a", "MULTI", "SET bank:a 5", "EXEC"), ["lost-update"]),
    (("WATCH bank:a", "RESET", "GET bank:a", "MULTI", "SET bank:a 5", "EXEC"), ["lost-update"]),
    (("WATCH bank:a", "MULTI", "RESET", "GET bank:a", "SET bank:a 5"), ["lost-update"]),
    (("MGET bank:a bank:b", "SET bank:b 5"), ["lost-update"]),
    (("GETDEL shop:job",), ["taken-twice-on-ap"]),
    (("GETSET shop:job x",), ["taken-twice-on-ap"]),
    (("SPOP shop:jobs",), ["taken-twice-on-ap"]),
    (("SET shop:job x GET",), ["taken-twice-on-ap"]),
    (("SETNX bank:lock 1",), ["endless-lock"]),
    (("SET bank:leader me NX",), ["endless-lock"]),
    (("SET bank:k v", "EXPIRE bank:k 10"), ["deadline-apart"]),
    (("SETNX bank:lock 1", "EXPIRE bank:lock 10"), ["endless-lock", "deadline-apart"]),
    (("RENAME shop:a shop:b",), ["rename-on-ap"]),
    (("COPY shop:a shop:b",), ["rename-on-ap"]),
    (("APPEND shop:log x",), ["whole-value-on-ap"]),
    (("SETRANGE shop:log 5 x",), ["whole-value-on-ap"]),
    (("SETBIT shop:bits 5 1",), ["whole-value-on-ap"]),
]

SAFE = [
    ("SET shop:a x",),
    ("SET bank:lock me NX PX 5000",),
    ("SET bank:a NX",),
    ("SET shop:a GET",),
    ("INCRBY bank:a 5",),
    ("WATCH bank:a", "GET bank:a", "MULTI", "SET bank:a 5", "EXEC"),
    ("WATCH bank:a", "GET bank:a", "WATCH bank:a bank:b", "MULTI", "SET bank:a 5", "EXEC"),
    ("GET bank:a", "WATCH bank:a", "GET bank:a", "MULTI", "SET bank:a 5", "EXEC"),
    ("WATCH bank:a", *(f"PING {number}" for number in range(40)), "GET bank:a", "MULTI", "SET bank:a 5", "EXEC"),
    ("GET bank:a", "SET bank:b 5"),
    ("EXISTS bank:a", "SET bank:a 5 NX"),
    ("GET bank:a", "SET bank:a 5 EX 60"),
    ("MULTI", "GET bank:a", "SET bank:a 5", "EXEC"),
    ("MULTI", "SET bank:a 5", "EXPIRE bank:a 5", "EXEC"),
    ("SET bank:a 5 EX 5",),
    ("SETNX bank:name alice",),
    ("GET bank:a", *(f"PING {number}" for number in range(LOOK_BACK_CALLS)), "SET bank:a 5"),
    ("CAP ONCE token INCR bank:a",),
    ("# SETNX shop:lock 1", "// SETNX shop:lock 1", "PING"),
]

HINTS = [
    (("INCR shop:ids",), ["unique-id-on-ap", "blind-retry-on-ap"]),
    (("INCR bank:ids",), ["blind-retry"]),
    (("SET bank:lock me NX PX 5000",), ["lock-without-fencing"]),
    (("SETNX bank:name alice",), ["endless-lock", "blind-retry"]),
    (("EXPIRE shop:a 10",), ["deadline-race-on-ap"]),
    (("GET bank:a", "DEL bank:a"), ["taken-twice"]),
    (("GET bank:a", "SETEX bank:a 60 x"), ["stale-cache"]),
    (("GET shop:a", "SETEX shop:a 60 x"), ["lost-update-with-deadline-on-ap", "stale-cache"]),
    (("GET shop:a", "SET shop:a x PX 60"), ["lost-update-with-deadline-on-ap", "stale-cache"]),
    (("MULTI", "SET shop:a 1", "EXEC"), ["multi-on-ap"]),
    (("DBSIZE",), ["own-side-only-on-ap"]),
    (("KEYS *",), ["own-side-only-on-ap"]),
    (("WAIT 1 100",), ["wait-on-cp"]),
    (("CAP EXPLAIN INCR bank:a",), ["blind-retry"]),
]


@pytest.mark.parametrize(("lines", "expected"), UNSAFE, ids=lambda each: each[0])
def test_an_unsafe_use_is_found(lines: tuple[str, ...], expected: list[str]) -> None:
    assert names(*lines) == expected


@pytest.mark.parametrize("lines", SAFE, ids=lambda each: each[0])
def test_a_safe_use_is_not_called_unsafe(lines: tuple[str, ...]) -> None:
    assert names(*lines) == []


@pytest.mark.parametrize(("lines", "expected"), HINTS, ids=lambda each: each[0])
def test_what_depends_on_the_program_is_a_hint(lines: tuple[str, ...], expected: list[str]) -> None:
    assert names(*lines, gravity=Gravity.HINT) == expected


def test_every_rule_is_shown_by_some_test_here_or_needs_a_source() -> None:
    shown = {name for _, expected in (*UNSAFE, *HINTS) for name in expected}
    assert {rule.name for rule in RULES if rule.pattern is not Pattern.CLIENT_RETRIES} == shown


def test_every_finding_names_place_reason_and_safe_way() -> None:
    (finding,) = (each for each in found("PING", "SETNX shop:lock 1") if each.is_unsafe)
    assert (finding.place, finding.shown, finding.keyspace, finding.mode) == (
        "test:2",
        "SETNX shop:lock 1",
        "shop",
        "ap",
    )
    assert all(rule.reason and rule.safe_way for rule in RULES)


def test_a_key_without_a_known_keyspace_belongs_to_default() -> None:
    assert [each.keyspace for each in found("SETNX lock 1", "SETNX nobody:lock 1")] == ["default"] * 4
    assert {each.mode for each in found("SETNX lock 1", modes=Modes("ap"))} == {"ap"}


def test_monitored_connections_are_told_apart() -> None:
    one, other = '1.0 [0 127.0.0.1:50001] "{}"', '1.0 [0 127.0.0.1:50002] "{}"'
    get, put = 'GET" "bank:a', 'SET" "bank:a" "5'
    assert names(one.format(get), one.format(put)) == ["lost-update"]
    assert names(one.format(get), other.format(put)) == []
    assert names(other.format("MULTI"), one.format(get), one.format(put)) == ["lost-update"]


def test_quotes_and_escapes_of_monitor_are_read() -> None:
    (call,) = read_text(rb'1339518083.107412 [0 127.0.0.1:60866] "set" "shop:\x00\"k" "a b" "NX"', "test").calls
    assert (call.name, call.keys[0].text, call.words) == ("set", 'shop:\x00"k', ("NX",))


def test_in_a_transcript_of_redis_cli_only_what_was_typed_counts() -> None:
    text = b"127.0.0.1:6379> SETNX shop:lock 1\n(integer) 1\n127.0.0.1:6379[2](TX)> INCR n\nQUEUED\n"
    program = read_text(text, "test")
    assert [call.name for call in program.calls] == ["setnx", "incr"]
    assert program.not_understood == ()


@pytest.mark.parametrize("line", ["Once upon a time", 'SET "k', "\x01\x02", "(integer) 1"])
def test_what_is_no_command_is_said_to_be_none(line: str) -> None:
    program = read_text(line.encode(), "test")
    assert program.calls == ()
    assert len(program.not_understood) == 1


def test_no_input_makes_the_reader_fail() -> None:
    for line in (
        b"CAP",
        b"CAP ONCE",
        b"CAP ONCE t",
        b"CAP WAIT x",
        b"OBJECT",
        b"OBJECT NOPE k",
        b"GET",
        b"\xff\xfe",
        b"MSET",
    ):
        read_text(line, "test")


def test_only_so_many_connections_are_remembered() -> None:
    one, reader = Judge(MODES), Reader("test")
    for number in range(CONNECTIONS_MAX + 50):
        call = reader.call([b"GET", b"bank:a"], "here", f"connection {number}")
        assert call is not None
        one.take(call)
    assert len(one._connections) <= CONNECTIONS_MAX


# CAP EXPLAIN


def test_warnings_of_one_command_are_those_its_words_can_show() -> None:
    assert [text.split(":")[0] for text in warnings([b"SETNX", b"shop:lock", b"1"], "ap")] == [
        "lock-on-ap", "blind-retry-on-ap"
    ]  # fmt: skip
    assert [text.split(":")[0] for text in warnings([b"incr", b"n"], "cp")] == ["blind-retry"]
    assert [text.split(":")[0] for text in warnings([b"SET", b"k", b"NX"], "ap")] == ["lost-update-on-ap"]
    assert [text.split(":")[0] for text in warnings([b"SET", b"k", b"v", b"NX"], "ap")] == ["lock-on-ap"]
    assert warnings([b"GET", b"k"], "ap") == []
    assert warnings([b"NOSUCH", b"k"], "ap") == []


def test_the_index_by_command_holds_every_rule() -> None:
    assert {rule.name for rules in BY_COMMAND.values() for rule in rules} == {rule.name for rule in RULES}
