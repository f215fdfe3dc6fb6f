"""Lines taken many at once say what they say one by one, or are left to whoever takes them apart."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trilemma.check.formats.jsonlines import HEADER, read
from trilemma.check.formats.plain_lines import plain_groups
from trilemma.check.formats.stream import Held
from trilemma.check.formats.writer import operation_line, write
from trilemma.check.history import END_OF_TIME_US, Operation

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=4).map(str.encode)
VALUES = st.none() | TEXTS | st.integers(-(1 << 80), 1 << 80)


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    """Return a read or a write of a plain value."""
    invoke_us = draw(st.integers(0, 100))
    outcome = draw(st.sampled_from(("ok", "fail", "info")))
    complete_us = draw(st.integers(invoke_us, 200) | (st.nothing() if outcome == "ok" else st.none()))
    kind = draw(st.sampled_from(("read", "write")))
    words = [draw(st.sampled_from(("", "n1", "bank", "é"))) for _ in range(3)]
    process = draw(st.integers(-3, 3))
    return Operation(process, invoke_us, complete_us, kind, draw(TEXTS), draw(VALUES), draw(VALUES), outcome, *words)


@given(st.lists(operations(), min_size=1))
def test_plain_lines_are_taken_and_say_what_the_reader_of_single_lines_says(history: list[Operation]) -> None:
    file = io.BytesIO()
    write(file, history)
    piece = file.getvalue().partition(b"\n")[2]
    assert read(Held(file.getvalue())).operations == history
    found = plain_groups(piece)
    assert found is not None
    assert list(found) == list(dict.fromkeys(each.key.decode() for each in history))
    for key, lines in found.items():
        told = [
            Operation(
                each.process,
                each.invoke_us,
                each.complete_us,
                each.kind,
                each.key.encode(),
                each.argument.encode() if isinstance(each.argument, str) else each.argument,
                each.result.encode() if isinstance(each.result, str) else each.result,
                each.outcome,
                each.node,
                each.keyspace,
                each.mode,
            )
            for each in lines
        ]
        assert told == [each for each in history if each.key == key.encode()]


PLAIN = b'{"process":1,"invoke_us":5,"complete_us":9,"kind":"read","key":"k","result":"a"}'


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b'{"fault":"cut","what":"","from_us":5}',
        PLAIN.replace(b'"read"', b'"append"'),
        PLAIN.replace(b'"key":"k"', b'"key":"k","key":"k"'),
        PLAIN.replace(b'"key":"k"', b'"key":"l","key":"k"'),
        PLAIN.replace(b'"key":"k","result":"a"', b'"result":"a","key":"k"'),
        PLAIN.replace(b'"key":"k"', b'"key": "k"'),
        PLAIN.replace(b'"k"', b'"\\u006b"'),
        PLAIN.replace(b'"k"', b'{"hex":"6b"}'),
        PLAIN.replace(b'"a"', b"true"),
        PLAIN.replace(b'"a"', b"1.0"),
        PLAIN.replace(b'"a"', b"1e2"),
        PLAIN.replace(b'"a"', b"-0"),
        PLAIN.replace(b'"a"', b'["a"]'),
        PLAIN.replace(b'"a"', b'{"text":"a"}'),
        PLAIN.replace(b'"a"', b'"\\ud800"'),
        PLAIN.replace(b'"a"', b'"\xff"'),
        PLAIN.replace(b'"a"', b'"a","outcome":"ok"'),
        PLAIN.replace(b'"a"', b'"a","receipt":[1,2]'),
        PLAIN.replace(b'"a"', b'"a","colour":1'),
        PLAIN.replace(b'"complete_us":9,', b""),
        PLAIN.replace(b"9", b"4"),
        PLAIN.replace(b"9", b"%d" % END_OF_TIME_US),
        PLAIN.replace(b"5", b"-5"),
        PLAIN.replace(b"1", b"1.0"),
        PLAIN[:-1],
        PLAIN + b" ",
        PLAIN + PLAIN,
        HEADER,
        b"[" * 100_000,
    ],
)
def test_a_piece_with_any_other_line_is_left_to_the_reader_of_single_lines(line: bytes) -> None:
    assert plain_groups(PLAIN + b"\n") is not None
    assert line != PLAIN
    assert plain_groups(b"\n".join([PLAIN, line, PLAIN, b""])) is None


def test_the_writer_spells_as_it_is_read_here() -> None:
    line = operation_line(Operation(1, 5, 9, "write", b"k", b"a", b"OK", "ok", "n1", "bank", "cp"))
    assert plain_groups(line + b"\n") is not None
