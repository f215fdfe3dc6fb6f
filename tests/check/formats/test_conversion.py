"""Histories written in every format: what comes back is the same, and what a format cannot tell is refused or named."""

import io
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from trilemma.check.distinct import distinct
from trilemma.check.fault import Fault
from trilemma.check.formats import conversion, events_log
from trilemma.check.formats.conventions import Conventions
from trilemma.check.formats.conversion import write_history
from trilemma.check.formats.edn import DEPTH_MAX
from trilemma.check.formats.file import read_history
from trilemma.check.formats.jepsen_words import WordlessError
from trilemma.check.formats.recording import Recording
from trilemma.check.formats.stream import Held
from trilemma.check.history import END_OF_TIME_US, Operation
from trilemma.check.judgement import Terms
from trilemma.check.judges import JUDGES, judge

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text().map(str.encode)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4)
SMALL = st.integers(0, 2) | st.sampled_from([b"a", b'"', b"\n:ok", b":x", True, 1.0])
KEYS = st.sampled_from([b"x", b"y", b"3", b":x"])
ELEMENTS = st.lists(st.integers(0, 3), max_size=3).map(tuple)
DONE = st.sampled_from([None, b"OK"])


def micros(names: tuple[str, ...]) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(st.sampled_from(names), KEYS, SMALL), min_size=1, max_size=3).map(tuple)


def _asked(told: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple((name, key, None if name == "r" else value) for name, key, value in told)


def _read_together(pairs: list[tuple[bytes, Any]]) -> tuple[str, Any, Any]:
    return "multi_read", tuple(key for key, _ in pairs), tuple(value for _, value in pairs)


PAIRS = st.lists(st.tuples(KEYS, SMALL), min_size=1, max_size=2)

WORDS: dict[str, st.SearchStrategy[tuple[str, Any, Any]]] = {
    "register": st.tuples(st.just("read"), st.none(), SMALL | st.none()) | st.tuples(st.just("write"), SMALL, DONE),
    "cas-register": st.tuples(st.just("read"), st.none(), SMALL)
    | st.tuples(st.just("cas"), st.tuples(SMALL, SMALL), st.booleans())
    | st.tuples(st.just("write"), SMALL, DONE),
    "counter": st.tuples(st.just("read"), st.none(), st.integers(-3, 3))
    | st.tuples(st.just("add"), st.integers(-2, 2), DONE),
    "set": st.tuples(st.just("read"), st.none(), ELEMENTS | ELEMENTS.map(frozenset))
    | st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 3), DONE),
    "queue": st.tuples(st.just("dequeue"), st.none(), st.integers(0, 2) | st.none())
    | st.tuples(st.just("enqueue"), st.integers(0, 2), DONE)
    | st.tuples(st.just("drain"), st.none(), ELEMENTS | ELEMENTS.map(frozenset)),
    "mutex": st.tuples(
        st.sampled_from(["acquire", "release"]), st.none(), st.booleans() | st.integers(1, 3) | st.none()
    ),
    "string": st.tuples(st.sampled_from(["read", "get"]), st.none(), st.sampled_from([b"", b"a", b"ab"]))
    | st.tuples(st.sampled_from(["append", "put", "write"]), st.sampled_from([b"a", b"b"]), DONE),
    "bank": st.tuples(st.just("read"), st.none(), st.tuples(st.tuples(st.just(0), st.integers(0, 9)), st.just((1, 5))))
    | st.tuples(st.just("read"), st.none(), st.just({0: 5, 1: 5}))
    | st.tuples(st.just("transfer"), st.tuples(st.just(0), st.just(1), st.integers(1, 3)), DONE),
    "list-append": micros(("r", "append")).map(lambda told: ("txn", _asked(told), told)),
    "multi-register": PAIRS.map(_read_together) | PAIRS.map(lambda pairs: ("multi_write", tuple(pairs), None)),
    "redis": st.tuples(st.just("command"), st.tuples(st.sampled_from([b"GET", b"INCR"]), KEYS), SMALL | st.none()),
    "expiry": st.tuples(st.just("write"), st.tuples(SMALL, st.none() | st.integers(1, 9)), DONE)
    | st.tuples(st.just("expire"), st.none() | st.integers(1, 9), st.integers(0, 1))
    | st.tuples(st.just("read"), st.none(), SMALL | st.none()),
    "a model of one's own": st.tuples(st.sampled_from(["push", "inc-by", "α"]), VALUES, VALUES),
}


@st.composite
def histories(
    draw: st.DrawFn, words: st.SearchStrategy[tuple[str, Any, Any]], keys: st.SearchStrategy[bytes]
) -> list[Operation]:
    """Draw a few processes that do one thing after another; one that does not know what it did is replaced."""
    operations: list[Operation] = []
    free: dict[int, int] = {number: draw(st.integers(0, 3)) for number in range(draw(st.integers(1, 3)))}
    for number in range(draw(st.integers(1, 7))):
        process = draw(st.sampled_from(sorted(free)))
        invoke_us = free[process] + draw(st.integers(0, 2))
        complete_us = invoke_us + draw(st.integers(0, 3))
        outcome = draw(st.sampled_from(["ok", "ok", "ok", "fail", "info"]))
        kind, argument, result = draw(words)
        told = result if outcome == "ok" else draw(st.sampled_from([None, "ERR no", "mismatch"]))
        ends = None if outcome == "info" and draw(st.booleans()) else complete_us
        operations.append(Operation(process, invoke_us, ends, kind, draw(keys), argument, told, outcome))  # type: ignore[arg-type]
        if outcome == "info":
            del free[process]
            free[100 + number] = complete_us
        else:
            free[process] = complete_us
    return operations


def converted(
    operations: list[Operation], name: str, faults: list[Fault] | None = None, **settings: Any
) -> tuple[Recording, tuple[str, ...]]:
    file = io.BytesIO()
    left_out = write_history(file, operations, faults or [], name, **settings)
    recording = read_history(Held(file.getvalue()))
    assert recording.format == name
    return recording, left_out


def by_places(operations: list[Operation], **settings: Any) -> list[Operation]:
    """Return what somebody reads in EDN who goes by the order of its lines."""
    file = io.BytesIO()
    write_history(file, operations, (), "edn", **settings)
    return read_history(Held(file.getvalue()), conventions=Conventions(order="position")).operations


def told(operation: Operation, is_timed: bool) -> Any:
    """Return what every format tells of an operation."""
    kind = {"get": "read", "put": "write"}.get(operation.kind, operation.kind)
    is_silent = kind in ("write", "add", "remove", "append", "enqueue", "transfer", "multi_write")
    has_line = operation.outcome == "fail" or operation.complete_us is not None
    result = operation.result if has_line and not (operation.outcome == "ok" and is_silent) else None
    if kind == "read" and isinstance(result, frozenset | dict):
        result = tuple(sorted(result.items() if isinstance(result, dict) else result))
    times = (operation.invoke_us, operation.complete_us) if is_timed else (operation.complete_us is None,)
    return (
        operation.process,
        *times,
        kind,
        operation.key,
        distinct(operation.argument),
        distinct(result),
        operation.outcome,
    )


def precedence(operations: list[Operation]) -> list[tuple[int, int]]:
    by_process = sorted(enumerate(operations), key=lambda each: (each[1].process, each[1].invoke_us, each[0]))
    listed = [each for _, each in by_process]
    return [
        (i, j)
        for i, one in enumerate(listed)
        for j, other in enumerate(listed)
        if one.precedes(other) and one.process != other.process
    ]


def ended(operations: list[Operation]) -> list[Operation]:
    """Return the operations as lines tell of them: also what failed has an end, though nothing is later for that."""
    return [each._replace(outcome="ok") if each.outcome == "fail" else each for each in operations]


def check_return(operations: list[Operation], name: str, model: str) -> None:
    is_timed = name != "log"
    try:
        recording, _ = converted(operations, name)
        if is_timed:
            assert precedence(by_places(operations)) == precedence(operations)
    except WordlessError as refusal:
        assume(is_timed or not any(reason in str(refusal) for reason in ("was concurrent at", "names no key")))
        recording, left_out = converted(operations, name, times_tell=True)
        assert precedence(ended(by_places(operations, times_tell=True))) != precedence(ended(operations))
        assert left_out[-1].startswith("what was concurrent at")
    back = sorted(recording.operations, key=lambda each: each.process)
    meant = sorted(sorted(operations, key=lambda each: each.invoke_us), key=lambda each: each.process)
    assert [told(each, is_timed) for each in back] == [told(each, is_timed) for each in meant]
    assert precedence(back) == precedence(meant)
    if model in JUDGES:
        before = [each._replace(result=None) if each.result == b"OK" else each for each in operations]
        verdicts = [
            sorted(each.validity.value for each in judge(history, JUDGES[model], Terms()).verdicts)
            for history in (before, recording.operations)
        ]
        assert verdicts[0] == verdicts[1]


def is_mixed(operations: list[Operation]) -> bool:
    """Say whether transactions that all do only one thing would be other kinds."""
    names = {micro[0] for each in operations if each.kind == "txn" for micro in each.argument}
    return names != {"r"}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.data())
@pytest.mark.parametrize("keys", ["one", "several"])
@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("name", ["edn", "log"])
def test_what_is_written_comes_back_and_is_judged_the_same(
    name: str, words: str, keys: str, data: st.DataObject
) -> None:
    if name == "log" and (words == "expiry" or (keys == "several" and words in KEYLESS)):
        return  # refused, see below
    operations = data.draw(histories(WORDS[words], st.just(b"") if keys == "one" else KEYS))
    assume(is_mixed(operations))
    check_return(operations, name, words)


KEYLESS = ("redis", "a model of one's own")
"""Whose values do not show that they are pairs of key and value."""

RUN = [
    Operation(4, 1, 5, "write", b"", b'a "b"', b"OK", "ok", "n1", "bank", "cp"),
    Operation(2, 5, 9, "cas", b"", (1, 2), False),
    Operation(4, 6, None, "cas", b"", (1, 2.5), None, "info"),
    Operation(7, 8, 9, "cas", b"", (1, True), "ERR no", "fail"),
]
DISTURBED = [
    Fault("cut", "n3 from n1 n2", 2, 7, ("n3",), (("n1", "n2"), ("n3",))),
    Fault("cut", "n1 from n2 n3", 8, 9, ("n1",)),
    Fault("kill", "n2", 9, nodes=("n2",)),
]


def test_edn_is_written_as_jepsen_writes_it() -> None:
    file = io.BytesIO()
    assert write_history(file, RUN[:2], DISTURBED[:1], "edn") == ("node", "keyspace", "mode", "sides of cuts")
    assert file.getvalue().decode().splitlines() == [
        '{:process 4, :type :invoke, :f :write, :value "a \\"b\\"", :time 1000, :index 0}',
        '{:process :nemesis, :type :info, :f :start-partition, :value ["n3"], :time 2000, :index 1}',
        '{:process :nemesis, :type :info, :f :start-partition, :value ["n3"], :time 2000, :index 2}',
        "{:process 2, :type :invoke, :f :cas, :value [1 2], :time 5000, :index 3}",
        '{:process 4, :type :ok, :f :write, :value "a \\"b\\"", :time 5000, :index 4}',
        "{:process :nemesis, :type :info, :f :stop-partition, :value nil, :time 7000, :index 5}",
        "{:process :nemesis, :type :info, :f :stop-partition, :value nil, :time 7000, :index 6}",
        "{:process 2, :type :fail, :f :cas, :value [1 2], :time 9000, :index 7}",
    ]


def test_a_log_is_written_as_jepsen_prints_it_with_pairs_of_key_and_value_where_there_are_keys() -> None:
    file = io.BytesIO()
    read = Operation(2, 6, 8, "read", b"x", None, 3)
    assert write_history(file, [RUN[0]._replace(key=b"y"), read], (), "log") == ("node", "keyspace", "mode", "times")
    assert file.getvalue().decode().splitlines() == [
        'INFO  jepsen.util - 4 :invoke :write ["y" "a \\"b\\""]',
        'INFO  jepsen.util - 4 :ok :write ["y" "a \\"b\\""]',
        'INFO  jepsen.util - 2 :invoke :read ["x" nil]',
        'INFO  jepsen.util - 2 :ok :read ["x" 3]',
    ]


def test_our_own_format_tells_all() -> None:
    recording, left_out = converted(RUN, "jsonl", DISTURBED)
    assert (recording.operations, recording.faults, left_out) == (RUN, DISTURBED, ())


@pytest.mark.parametrize("name", ["edn", "log"])
def test_faults_come_back_and_of_two_of_a_kind_at_once_the_second_is_left_out_and_counted(name: str) -> None:
    overlapping = [*DISTURBED, Fault("cut", "n2 from n1 n3", 9, 10, ("n2",)), Fault("sl ow", "n1", 3, 4)]
    recording, left_out = converted(RUN, name, overlapping)
    assert "2 faults" in left_out
    assert [(each.kind, each.nodes) for each in recording.faults] == [
        ("cut", ("n3",)),
        ("cut", ("n1",)),
        ("kill", ("n2",)),
    ]
    if name == "edn":
        assert [(each.from_us, each.until_us) for each in recording.faults] == [(2, 7), (8, 9), (9, END_OF_TIME_US)]


@pytest.mark.parametrize("text", [b"job: 1 :ok :write 5 ;", b"seen on node: 1 :fail :write", b"\n0 :ok :read nil"])
def test_a_value_that_looks_like_a_line_of_a_log_makes_no_log_of_edn(text: bytes) -> None:
    history = [
        Operation(0, 0, 10, "write", b"x", text),
        Operation(0, 20, 30, "write", b"x", b"new"),
        Operation(1, 40, 50, "read", b"x", None, b"new"),
        Operation(1, 60, 70, "read", b"x", None, text),
    ]
    assert converted(history, "edn")[0].operations == history


def test_what_would_be_taken_for_another_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "_LINES", {"edn": events_log.line})
    file = io.BytesIO()
    with pytest.raises(WordlessError, match="in the format edn the history would be taken for one in the format log"):
        write_history(file, RUN[:1], (), "edn")
    assert file.getvalue() == b""


def test_a_node_whose_name_begins_with_a_colon_keeps_it() -> None:
    fault = Fault("pause", "", 2, 7, (":n3", "n1"))
    assert converted(RUN, "edn", [fault])[0].faults[0].nodes == (":n3", "n1")


def test_what_failed_and_was_never_over_ends_where_it_began() -> None:
    endless = Operation(1, 5, None, "write", b"", 1, "ERR refused", "fail")
    assert converted([endless], "edn")[0].operations == [endless._replace(complete_us=5)]


REASONS = [
    "ERR no", "mismatch", "did not match", ":failed", "", '["a"]', "\n", "CAS failed: did not match", ":mismatch 5",
    "{:type :mismatch}", "[1 2] did not match: 5", "did\tnot #match", "cas failed", ":", "(", "[",
]  # fmt: skip


@pytest.mark.parametrize("name", ["edn", "log"])
@pytest.mark.parametrize("kind", ["write", "cas", "txn", "read", "push"])
def test_why_something_failed_or_is_in_doubt_comes_back(kind: str, name: str) -> None:
    argument = {"read": None, "txn": (("append", b"k", 1),)}.get(kind, (1, 2))
    history = [
        Operation(place, place, place + 1, kind, b"", argument, reason, outcome)  # type: ignore[arg-type]
        for place, (reason, outcome) in enumerate(
            (reason, outcome) for reason in REASONS for outcome in ("fail", "info")
        )
    ]
    recording, left_out = converted(history, name)
    assert [(each.outcome, each.result) for each in recording.operations] == [
        (each.outcome, each.result) for each in history
    ]
    assert left_out == (() if name == "edn" else ("times",))
    if name == "edn":
        assert converted(recording.operations, "jsonl")[0].operations == history


def test_an_error_that_no_line_can_tell_is_named_as_left_out() -> None:
    recording, left_out = converted([PLAIN._replace(key=b"", outcome="info", complete_us=None, result="ERR no")], "edn")
    assert (recording.operations[0].result, left_out) == (None, ("errors of operations without an end",))


def nested(depth: int) -> Any:
    return (nested(depth - 1),) if depth else 1


PLAIN = Operation(1, 5, 9, "write", b"k", b"v")
WORDLESS: dict[str, tuple[list[Operation], str]] = {
    "nothing at all": ([], "without operations"),
    "the text of an error": ([PLAIN._replace(kind="read", argument=None, result="ERR no")], "something else"),
    "bytes that are no text": ([PLAIN._replace(argument=b"\xff")], "not UTF-8"),
    "a key that is no text": ([PLAIN._replace(key=b"\xff")], "not UTF-8"),
    "a set that is written": ([PLAIN._replace(argument=frozenset((1,)))], "something else"),
    "a number out of all bounds": ([PLAIN._replace(argument=10**1000)], "something else"),
    "what an append returned": ([PLAIN._replace(kind="append", result=3)], "append returned"),
    "what a transfer moved": ([PLAIN._replace(kind="transfer", argument=(1, 2))], "3 parts"),
    "a read with an argument": ([PLAIN._replace(kind="read")], "no argument"),
    "a cas that swapped one": ([PLAIN._replace(kind="cas", argument=(1, 2), result=1)], "true or false"),
    "a transaction that is none": ([PLAIN._replace(kind="txn", argument=(("x", b"k", 1),), result=())], "micro"),
    "a transaction that tells nothing": ([PLAIN._replace(kind="txn", argument=(("w", b"k", 1),))], "consist of"),
    "transactions that only read": (
        [PLAIN._replace(kind="txn", argument=(("r", b"k", None),), result=(("r", b"k", 1),))],
        "come back",
    ),
    "a value that is too deep": ([PLAIN._replace(argument=nested(DEPTH_MAX))], "nested deeper"),
    "a process that does two things at once": ([PLAIN, PLAIN._replace(invoke_us=8, complete_us=12)], "at once"),
    "a process that goes on in doubt": (
        [PLAIN._replace(outcome="info"), PLAIN._replace(invoke_us=10, complete_us=12)],
        "another process then",
    ),
    "a time beyond EDN's": ([PLAIN._replace(complete_us=1 << 61)], "62 bits"),
}


@pytest.mark.parametrize("what", WORDLESS)
def test_what_edn_cannot_tell_is_refused_and_nothing_is_written(what: str) -> None:
    operations, reason = WORDLESS[what]
    file = io.BytesIO()
    with pytest.raises(WordlessError, match=reason):
        write_history(file, operations, DISTURBED, "edn")
    assert file.getvalue() == b""


LOGLESS: dict[str, tuple[list[Operation], str]] = {
    "keys that no value shows to be such": ([PLAIN], "names no key"),
    "a kind that is no word": ([PLAIN._replace(kind="in c", key=b"")], "cannot be what is done"),
    "deadlines": ([PLAIN._replace(kind="expire", key=b"", argument=3, result=1)], "deadlines"),
    "a process that ends and begins something at one stamp": (
        [PLAIN._replace(key=b"", invoke_us=begin, complete_us=end) for begin, end in ((1, 5), (5, 9))],
        "concurrent at 5 us",
    ),
}


@pytest.mark.parametrize("what", LOGLESS)
def test_what_a_log_cannot_tell_is_refused_though_edn_can(what: str) -> None:
    operations, reason = LOGLESS[what]
    file = io.BytesIO()
    with pytest.raises(WordlessError, match=reason):
        write_history(file, operations, (), "log")
    assert file.getvalue() == b""
    assert len(converted(operations, "edn")[0].operations) == len(operations)


def spans(*given: tuple[int, int, int]) -> list[Operation]:
    """Return operations of processes, from when to when."""
    return [PLAIN._replace(process=process, key=b"", invoke_us=begin, complete_us=end) for process, begin, end in given]


def test_edn_that_two_processes_go_on_in_at_one_stamp_is_refused_unless_its_times_tell() -> None:
    history = spans((0, 0, 10), (0, 10, 20), (1, 0, 10), (1, 10, 20), (2, 0, 20), (2, 20, 30), (3, 20, 40))
    file = io.BytesIO()
    with pytest.raises(WordlessError, match=r"concurrent at 10 us, when several .* \(--times-tell\)"):
        write_history(file, history, (), "edn")
    assert file.getvalue() == b""
    recording, left_out = converted(history, "edn", times_tell=True)
    assert left_out == ("what was concurrent at 1 stamps, but for readers that go by :time",)
    assert precedence(recording.operations) == precedence(history) != precedence(by_places(history, times_tell=True))


def test_lines_of_edn_tell_the_order_of_its_times_where_one_process_goes_on() -> None:
    history = spans((0, 0, 10), (0, 10, 20), (1, 0, 10), (2, 10, 15), (3, 10, 10), (4, 5, 15))
    assert converted(history, "edn")[1] == ()
    assert precedence(by_places(history)) == precedence(history)


def test_what_ends_and_what_begins_at_one_stamp_stays_concurrent_in_a_log() -> None:
    history = spans((0, 1, 5), (1, 5, 5), (2, 5, 9), (3, 2, 5), (4, 5, 7))
    recording, _ = converted(history, "log")
    assert precedence(recording.operations) == precedence(history) == []


def test_a_format_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="there are jsonl, edn, log"):
        write_history(io.BytesIO(), [PLAIN], (), "xml")
