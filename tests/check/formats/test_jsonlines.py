"""Our own format: what is written comes back the same, golden lines, and bad lines refused with their place."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trilemma.check.fault import Fault
from trilemma.check.formats.error import FormatError
from trilemma.check.formats.jsonlines import HEADER, read
from trilemma.check.formats.stream import LINE_BYTES_MAX, Held
from trilemma.check.formats.value import DEPTH_MAX
from trilemma.check.formats.writer import Writer, operation_line, write
from trilemma.check.history import END_OF_TIME_US, HistoryError, Operation

PAGE = Path(__file__).parents[3] / "docs" / "histories.md"

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary()
    | st.text().map(str.encode)
)
HASHABLE = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
VALUES = st.recursive(
    HASHABLE, lambda inner: st.lists(inner).map(tuple) | st.dictionaries(HASHABLE, inner, max_size=3), max_leaves=5
)
TIMES = st.integers(0, END_OF_TIME_US)
TRANSACTIONS = st.lists(st.tuples(st.text() | SCALARS, VALUES, VALUES) | VALUES, max_size=4).map(tuple)


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    invoke_us, complete_us = sorted((draw(TIMES), draw(TIMES)))
    outcome = draw(st.sampled_from(("ok", "fail", "info")))
    if outcome == "ok":
        complete_us = min(complete_us, END_OF_TIME_US - 1)
        invoke_us = min(invoke_us, complete_us)
    transaction = draw(st.booleans())
    content = TRANSACTIONS | VALUES if transaction else VALUES
    return Operation(
        draw(st.integers(-(1 << 40), 1 << 40)),
        invoke_us,
        None if outcome != "ok" and draw(st.booleans()) else complete_us,
        "txn" if transaction else draw(st.text()),
        draw(st.binary()),
        draw(content),
        draw(content),
        outcome,
        draw(st.text()),
        draw(st.text()),
        draw(st.sampled_from(("", "cp", "ap"))),
        draw(VALUES),
        draw(VALUES),
    )


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    from_us, until_us = sorted((draw(TIMES), draw(TIMES)))
    names = st.lists(st.text(), max_size=3).map(tuple)
    return Fault(
        draw(st.text()), draw(st.text()), from_us, until_us, draw(names), draw(st.lists(names, max_size=2).map(tuple))
    )


def typed(value: Any) -> Any:
    """Return a value so that only equal values of equal types are equal: True is 1 in Python, and 1 is 1.0."""
    if isinstance(value, tuple):
        return ("tuple", *map(typed, value))
    if isinstance(value, dict):
        return ("dict", [(typed(key), typed(held)) for key, held in value.items()])
    if isinstance(value, frozenset):
        return ("set", frozenset(map(typed, value)))
    return type(value).__name__, value


def written(history: list[Operation], disturbances: list[Fault] | None = None) -> bytes:
    file = io.BytesIO()
    write(file, history, disturbances or [])
    return file.getvalue()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(operations(), max_size=3), st.lists(faults(), max_size=2))
def test_what_is_written_is_read_back_the_same_type_by_type(history: list[Operation], noted: list[Fault]) -> None:
    recording = read(Held(written(history, noted)))
    assert [typed(tuple(each)) for each in recording.operations] == [typed(tuple(each)) for each in history]
    assert recording.faults == noted


def test_a_file_is_whole_after_every_line_so_that_it_can_be_read_while_a_run_goes_on() -> None:
    file = io.BytesIO()
    writer = Writer(file)
    assert read(Held(file.getvalue())).operations == []
    for number in range(3):
        writer.operation(Operation(number, number, number + 1, "write", b"k", b"v%d" % number))
        assert len(read(Held(file.getvalue())).operations) == number + 1
    writer.fault(Fault("cut", "n3 from n1 n2", 1, 2))
    assert [len(part) for part in read(Held(file.getvalue()))[:2]] == [3, 1]


GOLDEN: dict[str, Operation | Fault] = {
    '{"process":3,"invoke_us":1200,"complete_us":1950,"kind":"write","key":"x",'
    '"argument":"v17","node":"n1"}': Operation(
        3, 1200, 1950, "write", b"x", b"v17", None, "ok", "n1"
    ),
    '{"process":4,"invoke_us":1300,"complete_us":2100,"kind":"read","key":"x","result":"v17"}': Operation(
        4, 1300, 2100, "read", b"x", None, b"v17"
    ),
    '{"process":5,"invoke_us":1400,"kind":"cas","key":"x","argument":["v17","v18"],"outcome":"info"}': Operation(
        5, 1400, None, "cas", b"x", (b"v17", b"v18"), None, "info"
    ),
    '{"process":6,"invoke_us":2200,"complete_us":2300,"kind":"write","key":{"hex":"ff00"},"argument":"v19",'
    '"result":{"text":"ERR max number of clients reached"},"outcome":"fail"}': Operation(
        6, 2200, 2300, "write", b"\xff\x00", b"v19", "ERR max number of clients reached", "fail"
    ),
    '{"process":7,"invoke_us":2400,"complete_us":2900,"kind":"txn","key":"","argument":[["append","y",1],["r","y",null]],'
    '"result":[["append","y",1],["r","y",[1]]],"keyspace":"bank","mode":"cp"}': Operation(
        7, 2400, 2900, "txn", b"", (("append", b"y", 1), ("r", b"y", None)), (("append", b"y", 1), ("r", b"y", (1,))),
        "ok", "", "bank", "cp",
    ),
    '{"fault":"cut","what":"n3 from n1 n2","from_us":1000,"until_us":5000,'
    '"nodes":["n3"],"sides":[["n1","n2"],["n3"]]}': Fault(
        "cut", "n3 from n1 n2", 1000, 5000, ("n3",), (("n1", "n2"), ("n3",))
    ),
}  # fmt: skip


def test_the_golden_lines_are_what_is_written_and_mean_what_is_read() -> None:
    file = b"\n".join([HEADER, *(line.encode() for line in GOLDEN)]) + b"\n"
    recording = read(Held(file))
    meant = list(GOLDEN.values())
    assert recording.operations == [each for each in meant if isinstance(each, Operation)]
    assert recording.faults == [each for each in meant if isinstance(each, Fault)]
    again = io.BytesIO()
    writer = Writer(again)
    for each in meant:
        writer.operation(each) if isinstance(each, Operation) else writer.fault(each)
    assert again.getvalue() == file


def test_the_page_shows_the_golden_lines() -> None:
    block = re.search(r"```jsonl\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    assert block[1].splitlines() == [HEADER.decode(), *GOLDEN]


GOOD = '{"process":1,"invoke_us":5,"complete_us":9,"kind":"read","key":"k"}'

BAD = {
    "no JSON": ('{"process":1,"invoke_us":5,', 3, 28, "in the middle"),
    "broken JSON": ('{"process":1 "invoke_us":5}', 3, 14, "malformed"),
    "no object": ("[1, 2]", 3, 1, "expected an object"),
    "a member that is none": (GOOD[:-1] + ',"colour":"red"}', 3, 68, "no member 'colour'"),
    "a missing member": ('{"process":1,"invoke_us":5}', 3, 1, "missing required field `kind`"),
    "a process that is no number": (GOOD.replace(":1,", ':"a",'), 3, 2, "process: Expected `int`"),
    "a time before time": (GOOD.replace(":5,", ":-5,"), 3, 14, "invoke_us"),
    "an outcome that is none": (GOOD[:-1] + ',"outcome":"maybe"}', 3, 68, "outcome"),
    "an ok without its end": ('{"process":1,"invoke_us":5,"kind":"read","key":"k"}', 3, 1, "needs complete_us"),
    "an end before the beginning": (GOOD.replace(":9,", ":4,"), 3, 28, "before it was invoked"),
    "a key that is no bytes": (GOOD.replace('"k"', "7"), 3, 58, "the key is a string"),
    "an object that is no value": (GOOD[:-1] + ',"result":{"a":1}}', 3, 68, "one member"),
    "hex that is none": (GOOD[:-1] + ',"result":{"hex":"zz"}}', 3, 68, "hex"),
    "a text that is none": (GOOD[:-1] + ',"result":{"text":1}}', 3, 68, "text"),
    "a map that is none": (GOOD[:-1] + ',"result":{"map":[1]}}', 3, 68, "map"),
    "a set of what Python takes for one": (GOOD[:-1] + ',"result":{"set":[1,true]}}', 3, 68, "set"),
    "a map of what Python takes for one": (GOOD[:-1] + ',"result":{"map":[[1,0],[1.0,0]]}}', 3, 68, "map"),
    "an ok at the end of time": (
        GOOD.replace('"complete_us":9', f'"complete_us":{1 << 62}'),
        3,
        28,
        "end of time",
    ),
    "too deep": (GOOD[:-1] + ',"result":' + "[" * (DEPTH_MAX + 2) + "]" * (DEPTH_MAX + 2) + "}", 3, 68, "deeper"),
    "far too deep": (GOOD[:-1] + ',"result":' + "[" * 100_000 + "]" * 100_000 + "}", 3, 1, "nested too deep"),
    "a member twice": (GOOD[:-1] + ',"process" : 2}', 3, 68, "'process' is there twice"),
    "a member twice among colons": ('{"key":"a:b",' + GOOD[1:], 3, 70, "'key' is there twice"),
    "a member twice, once with an escape": (GOOD[:-1] + ',"k\\u0065y":"a"}', 3, 1, "'key' is there twice"),
    "a member that is null and then is not": (GOOD[:-1] + ',"result":null,"result":"a"}', 3, 82, "'result' is there"),
    "a member of a value twice": (GOOD[:-1] + ',"result":{"hex":"00","hex":"01"}}', 3, 89, "'hex' is there twice"),
    "a member of a fault twice": (
        '{"fault":"cut","what":"","from_us":5,"from_us":4}',
        3,
        38,
        "'from_us' is there twice",
    ),
    "half of a surrogate pair at the end": (GOOD[:-1] + ',"result":"\\ud800"}', 3, 78, "half of a surrogate pair"),
    "half of a surrogate pair in a text": (
        GOOD[:-1] + ',"result":{"text":"a\\ud83d\\ude00\\ude00 b"}}',
        3,
        99,
        "half of a surrogate pair",
    ),
    "a fault without its beginning": ('{"fault":"cut","what":"all"}', 3, 1, "missing required field `from_us`"),
    "a fault that ends too early": ('{"fault":"cut","what":"","from_us":5,"until_us":4}', 3, 38, "before it begins"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_refused_with_its_place(name: str) -> None:
    line, number, column, reason = BAD[name]
    with pytest.raises(FormatError) as refusal:
        read(Held(f"{HEADER.decode()}\n{GOOD}\n{line}\n{GOOD}\n".encode()))
    assert (refusal.value.line, refusal.value.column) == (number, column), refusal.value
    assert reason in refusal.value.reason


def test_what_stands_once_is_read_however_many_colons_there_are() -> None:
    colons = GOOD.replace('"k"', '"a:b"')[:-1] + ',"node":"","result":"key\\":\\"key\\\\ud800"}'
    assert read(Held(f"{HEADER.decode()}\n{colons}\n".encode())).operations == [
        Operation(1, 5, 9, "read", b"a:b", None, b'key":"key\\ud800')
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(operations(), st.data())
def test_whatever_an_operation_is_a_member_of_its_line_that_stands_there_twice_is_refused(
    operation: Operation, data: st.DataObject
) -> None:
    line = operation_line(operation).decode()
    members = json.loads(line)
    name = data.draw(st.sampled_from([*members]))
    again = json.dumps({name: members[name]}, separators=(data.draw(st.sampled_from([",", " , "])), ":"))
    with pytest.raises(FormatError, match=f"the member '{name}' is there twice"):
        read(Held(f"{HEADER.decode()}\n{line[:-1]},{again[1:]}\n".encode()))


def test_bytes_that_are_no_text_are_refused_with_their_place() -> None:
    with pytest.raises(FormatError) as refusal:
        read(Held(HEADER + b'\n{"process":1,"invoke_us":5,"complete_us":9,"kind":"re\xffd","key":"k"}'))
    assert (refusal.value.line, refusal.value.column, refusal.value.reason) == (2, 54, "not UTF-8")


def test_a_header_that_is_missing_or_of_another_version_is_refused() -> None:
    for file in (b"", GOOD.encode(), b'{"format":"other","version":1}\n', b"\n" + HEADER):
        with pytest.raises(FormatError, match=r"line 1, column 1: .*first line must be"):
            read(Held(file))
    with pytest.raises(FormatError, match="line 1, column 42: the member 'version' is there twice"):
        read(Held(HEADER[:-1] + b',"version":1}'))
    with pytest.raises(FormatError, match="version 2; only 1"):
        read(Held(HEADER.replace(b"1}", b"2}")))


def test_a_line_of_any_length_is_not_read_into_memory_without_bound() -> None:
    class Endless:
        given = 0

        def read(self, size: int, /) -> bytes:
            self.given += size
            return b"x" * size

    endless = Endless()
    with pytest.raises(FormatError, match="longer than"):
        read(endless)
    assert endless.given <= 2 * LINE_BYTES_MAX


def test_empty_lines_and_carriage_returns_do_no_harm() -> None:
    file = f"{HEADER.decode()}\r\n\r\n{GOOD}\r\n\n".encode()
    assert read(Held(file)).operations == [Operation(1, 5, 9, "read", b"k")]


@pytest.mark.parametrize(
    "value", [[1], object(), float("nan"), float("inf"), "\ud800", 10**5000], ids=lambda value: str(type(value))
)
def test_what_no_history_holds_is_not_written(value: Any) -> None:
    with pytest.raises(HistoryError):
        operation_line(Operation(1, 5, 9, "write", b"k", value))


def test_times_that_are_none_are_not_written() -> None:
    for invoke_us, complete_us in ((-1, 5), (5, 4), (5, END_OF_TIME_US + 1)):
        with pytest.raises(HistoryError):
            operation_line(Operation(1, invoke_us, complete_us, "read", b"k"))
