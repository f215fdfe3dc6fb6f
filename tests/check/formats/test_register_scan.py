"""Registers judged from lines: the same verdict, reason and witness as by way of operations, also on bad files."""

import io
import json
from random import Random
from typing import Any

from trilemma.check.distinct import distinct, told_apart, unwrapped
from trilemma.check.fault import Fault
from trilemma.check.forge import disturb, forge
from trilemma.check.formats.error import FormatError
from trilemma.check.formats.jsonlines import HEADER, read
from trilemma.check.formats.register_scan import check_register_lines
from trilemma.check.formats.stream import PIECE_BYTES, Held
from trilemma.check.formats.writer import write
from trilemma.check.history import Operation
from trilemma.check.register import CHECKER, check_register
from trilemma.check.verdict import NOTHING_HAPPENED, Validity, Verdict, unknown

ROUNDS = 4_000

VALUES: list[Any] = [
    b"a",
    b"\xff",
    "a",
    7,
    7.5,
    None,
    True,
    1,
    1.0,
    (b"a", 1),
    (b"a", True),
    ("a",),
    frozenset((b"a",)),
    b"7",
]
"""Values that look alike in JSON, or cannot be keys of a dict there."""


def draw(rng: Random, number: int) -> tuple[str, Any]:
    return ("write", VALUES[number % len(VALUES)]) if rng.random() < 0.5 else ("read", None)


def run(state: Any, operation: Operation) -> tuple[Any, Any]:
    return (state, state) if operation.kind == "read" else (b"OK", operation.argument)


def by_lines(file: bytes, initial: Any = None) -> Verdict | str | None:
    try:
        return check_register_lines(io.BytesIO(file), initial)
    except FormatError as refusal:
        return str(refusal)


def by_operations(file: bytes, initial: Any = None) -> Verdict | str:
    try:
        operations = read(Held(file)).operations
        if not any(each.outcome == "ok" for each in operations):
            return unknown(CHECKER, NOTHING_HAPPENED)
        return unwrapped(check_register(told_apart(operations), distinct(initial)))
    except FormatError as refusal:
        return str(refusal)


def respelled(rng: Random, form: Any) -> Any:
    """Return a value in JSON with some of its plain strings spelled as hex."""
    if isinstance(form, list):
        return [respelled(rng, each) for each in form]
    return {"hex": form.encode().hex()} if isinstance(form, str) and rng.random() < 0.3 else form


def in_other_words(rng: Random, file: bytes) -> bytes:
    """Return a file that says the same, its keys and values spelled in both ways."""
    lines = [HEADER]
    for line in file.splitlines()[1:]:
        members = json.loads(line)
        names = members.keys() & {"key", "argument", "result"}
        lines.append(json.dumps({**members, **{name: respelled(rng, members[name]) for name in names}}).encode())
    return b"\n".join(lines)


def test_lines_and_operations_never_disagree() -> None:
    rng = Random(11)
    counts = dict.fromkeys(Validity, 0)
    for _ in range(ROUNDS):
        initial = rng.choice(VALUES)
        history = disturb(rng, forge(rng, rng.randint(1, 12), initial, draw, run), rng.randrange(6))
        keys = (b"k", b"\xfe", b"k2")[: rng.randint(1, 3)]
        history = [each._replace(key=rng.choice(keys)) for each in history]
        file = io.BytesIO()
        write(file, history, [Fault("cut", "all", 1, 2)] if rng.random() < 0.3 else ())
        verdict = by_lines(file.getvalue(), initial)
        assert verdict == by_operations(file.getvalue(), initial), history
        mixed = in_other_words(rng, file.getvalue())
        assert by_lines(mixed, initial) == verdict, mixed
        assert isinstance(verdict, Verdict)
        counts[verdict.validity] += 1
    assert min(counts.values()) > ROUNDS // 20, counts


LINES = (
    b'{"process":1,"invoke_us":5,"complete_us":9,"kind":"write","key":"k","argument":"a","result":"OK"}',
    b'{"process":2,"invoke_us":6,"complete_us":9,"kind":"read","key":"k","result":"a","context":{"map":[["n1",4]]}}',
    b'{"fault":"cut","what":"","from_us":5}',
    b"",
    b'{"process":3,"invoke_us":6,"complete_us":4,"kind":"read","key":"k"}',
    b'{"process":3,"invoke_us":6,"kind":"read","key":"k"}',
    b'{"process":3,"invoke_us":6,"kind":"read","key":"k","outcome":"info"}',
    b'{"process":3,"invoke_us":6,"complete_us":8,"kind":"read","key":["k"]}',
    b'{"process":3,"invoke_us":6,"complete_us":8,"kind":"read","key":"k","result":{"hex":1}}',
    b'{"process":3,"invoke_us":6,"complete_us":8,"kind":"write","key":"k","argument":1,"result":{"hex":1}}',
    b'{"process":3,"invoke_us":6,"complete_us":8,"kind":"read","key":"k","receipt":{"hex":1}}',
    b'{"process":3,"invoke_us":6,"complete_us":8,"kind":"read","key":"k","colour":1}',
    b'{"process":3,"invoke_us":6,"complete_us":8,"kind":"read","key":"k","key":"l"}',
    b'{"process":3,"invoke_us":6,"complete_us":8,"kind":"read","key":"k:","result":"a:b"}',
    b'{"process":3,"invoke_us":6,"complete_us":8,"kind":"read","key":"k","result":"\\ud800"}',
    b'{"process":3,"invoke_us":6',
)


def test_lines_and_operations_refuse_the_same_files_in_the_same_words() -> None:
    rng = Random(12)
    refused = 0
    for _ in range(500):
        file = b"\n".join([HEADER, *rng.sample(LINES, rng.randint(1, 4))])
        found = by_lines(file)
        if isinstance(found, Verdict) and found.reason == "no operations":
            assert read(Held(file)).operations == []
            continue
        assert found == by_operations(file), file
        refused += isinstance(found, str)
    assert 100 < refused < 450


def test_other_operations_are_left_to_others_and_nothing_is_no_pass() -> None:
    file = io.BytesIO()
    write(file, [Operation(1, 0, 1, "add", b"k", 1)])
    assert by_lines(file.getvalue()) is None
    empty = by_lines(HEADER)
    assert isinstance(empty, Verdict)
    assert empty.validity is Validity.UNKNOWN


def test_a_key_or_value_spelled_in_two_ways_is_one() -> None:
    write_x = b'{"process":1,"invoke_us":1,"complete_us":2,"kind":"write","key":%s,"argument":%s}'
    read_x = b'{"process":2,"invoke_us":3,"complete_us":4,"kind":"read","key":%s,"result":%s}'
    absent = by_lines(b"\n".join([HEADER, write_x % (b'{"hex":"6b"}', b'"a"'), read_x % (b'"k"', b"null")]))
    assert isinstance(absent, Verdict)
    assert absent.is_invalid
    assert [each.key for each in absent.witness] == [b"k", b"k"]
    seen = by_lines(b"\n".join([HEADER, write_x % (b'"k"', b'{"hex":"61"}'), read_x % (b'{"hex":"6B"}', b'"a"')]))
    assert isinstance(seen, Verdict)
    assert seen.reason == "1 keys"
    assert seen.is_valid


def long_file(odd: bytes = b"") -> bytes:
    """Return a file of some pieces, with one line of another kind in the middle."""
    line = b'{"process":1,"invoke_us":%d,"complete_us":%d,"kind":"%s","key":"k%d","%s":%d}'
    lines = [HEADER]
    for number in range(4_000):
        member = (b"write", b"argument") if number % 20 < 10 else (b"read", b"result")
        value = number // 20 * 10 + number % 10
        lines.append(line % (3 * number, 3 * number + 2, member[0], number % 10, member[1], value))
    lines[2_000:2_000] = [odd] if odd else []
    return b"\n".join(lines)


def test_files_of_many_pieces_are_judged_as_a_whole() -> None:
    good = long_file()
    assert len(good) > 4 * PIECE_BYTES
    verdict = by_lines(good)
    assert isinstance(verdict, Verdict)
    assert verdict.is_valid
    assert verdict == by_operations(good)
    assert by_lines(long_file(LINES[2])) == verdict
    stale = long_file().replace(b'"key":"k3","result":1993', b'"key":"k3","result":13')
    assert stale != good
    for file in (stale, stale.replace(b'"process":1,"invoke_us":6000,', b'"process":1, "invoke_us":6000,')):
        verdict = by_lines(file)
        assert isinstance(verdict, Verdict)
        assert verdict.is_invalid
        assert verdict == by_operations(file)


def test_a_bad_line_far_into_the_file_is_named_by_its_number() -> None:
    for odd in (LINES[4], LINES[15], b"x"):
        refusal = by_lines(long_file(odd))
        assert isinstance(refusal, str)
        assert "line 2001" in refusal
        assert refusal == by_operations(long_file(odd))
