"""EDN: every kind of value, its place, what is refused and where, and the same whatever way the bytes come in."""

import math
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trilemma.check.distinct import distinct
from trilemma.check.formats import edn_token
from trilemma.check.formats.edn import DEPTH_MAX, Form, Parser, parse, parse_all
from trilemma.check.formats.edn_atom import DIGITS_MAX
from trilemma.check.formats.edn_value import Map, Tagged, write
from trilemma.check.formats.error import FormatError
from trilemma.check.formats.key import Names
from trilemma.check.formats.stream import CHUNK_BYTES, Held

VALUES = {
    "nil": None,
    "true": True,
    "false": False,
    "0": 0,
    "-12": -12,
    "+7": 7,
    "123456789012345678901234567890N": 123456789012345678901234567890,
    "0x5e91993f": 0x5E91993F,
    "-0XFfN": -255,
    "017": 15,
    "00": 0,
    "-2r101": -5,
    "36Rz": 35,
    '#object[java.lang.Object 0x5e91993f "x"]': Tagged("object", ("java.lang.Object", 0x5E91993F, b"x")),
    "1.5": 1.5,
    "-1e3": -1000.0,
    "2.": 2.0,
    "1.50M": Decimal("1.50"),
    "3/4": Fraction(3, 4),
    "-6/8": Fraction(-3, 4),
    "4/2": 2,
    "0/3": 0,
    "##Inf": math.inf,
    "##-Inf": -math.inf,
    ":f": ":f",
    ":jepsen/op": ":jepsen/op",
    "sym": "sym",
    "->x": "->x",
    "-": "-",
    "a'": "a'",
    "\\a": "\\a",
    "\\newline": "\\newline",
    "\\(": "\\(",
    "\\u00e9": "\\é",
    "\\u0041": "\\A",
    "\\o101": "\\A",
    "\\o7": "\\u0007",
    "\\u000A": "\\newline",
    "\\u0020": "\\space",
    "\\uD83D": "\\ud83d",
    "\\😀": "\\😀",
    '""': b"",
    '"a b"': b"a b",
    r'"\"\\\n\t\u00e9"': '"\\\n\té'.encode(),
    r'"\ud83d\ude00"': "😀".encode(),
    r'"\101"': b"A",
    '"two\nlines; no comment"': b"two\nlines; no comment",
    "[]": (),
    "[1 2]": (1, 2),
    "(1, 2,)": (1, 2),
    "#{1 :a}": frozenset((1, ":a")),
    "{}": Map(),
    "{:a 1, :b [2]}": Map({":a": 1, ":b": (2,)}),
    "{{:a 1} #{[1]}}": Map({Map({":a": 1}): frozenset(((1,),))}),
    '#inst "2026-01-01"': Tagged("inst", b"2026-01-01"),
    "#a/b #c [1]": Tagged("a/b", Tagged("c", (1,))),
    "#jepsen.history.Op{:f :read}": Tagged("jepsen.history.Op", Map({":f": ":read"})),
    "^{:doc true} [1]": (1,),
    "^:a ^:b x": "x",
    "[1 #_ 2 3]": (1, 3),
    "[1 #_ #_ 2 3 4]": (1, 4),
    "[#_ #foo {:a 1} 1 #_(2)]": (1,),
    "; a comment\n1 ; another": 1,
    ",,, 1": 1,
}


@pytest.mark.parametrize("text", VALUES)
def test_a_value_is_read_as_what_it_is(text: str) -> None:
    found = parse(text)
    assert found == VALUES[text]
    assert type(found) is type(VALUES[text])


BAD = {
    "[1 2": (1, 1, "the [ that begins here does not end"),
    "\n  {:a [1 }": (2, 10, "expected ], found }"),
    "1 ]": (1, 3, "] closes nothing"),
    '1\n "abc': (2, 2, "string that begins here does not end"),
    "{:a}": (1, 4, "a value for every key"),
    "{:a 1 :a 2}": (1, 11, "the key ':a' twice"),
    "[08]": (1, 2, "no number"),
    "0x": (1, 1, "no number"),
    "0xfg": (1, 1, "no number"),
    "2r102": (1, 1, "no number"),
    "37r1": (1, 1, "no number"),
    "1r0": (1, 1, "no number"),
    "2r": (1, 1, "no number"),
    "1x": (1, 1, "no number"),
    "1/0": (1, 1, "no number"),
    "1e": (1, 1, "no number"),
    ":": (1, 1, "a keyword needs a name"),
    "#_": (1, 1, "#_ that begins here does not end"),
    "[#_]": (1, 4, "nothing follows #_"),
    "[#foo]": (1, 6, "nothing follows #foo"),
    "##Foo": (1, 1, "no such value"),
    r'"\q"': (1, 2, "no such escape"),
    r'"\ud83d"': (1, 2, "half a character"),
    r"\abc": (1, 1, "no such character"),
    r"\o400": (1, 1, "no such character"),
    r"\u004": (1, 1, "no such character"),
    "@x": (1, 1, "begins no value"),
    "`x": (1, 1, "begins no value"),
    "#": (1, 1, "begins no value"),
    "[" * (DEPTH_MAX + 1): (1, DEPTH_MAX + 1, "nested deeper"),
    "#_ " * (DEPTH_MAX + 1) + "1": (1, 3 * DEPTH_MAX + 1, "nested deeper"),
    "#a " * (DEPTH_MAX + 1) + "1": (1, 3 * DEPTH_MAX + 1, "nested deeper"),
    "9" * (DIGITS_MAX + 1): (1, 1, "digits"),
    "é é": (1, 3, ""),
}


@pytest.mark.parametrize("text", [text for text in BAD if BAD[text][2]], ids=lambda text: text[:20])
def test_what_is_no_value_is_refused_with_its_place(text: str) -> None:
    line, column, reason = BAD[text]
    with pytest.raises(FormatError) as refusal:
        parse_all(text)
    assert (refusal.value.line, refusal.value.column) == (line, column), refusal.value
    assert reason in refusal.value.reason


class Dripping:
    """A stream that gives a few bytes at a time, whatever is asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        self._held = Held(data)
        self._size = size

    def read(self, size: int, /) -> bytes:
        return self._held.read(min(size, self._size))


DOCUMENT = """; a history
[{:f :read, :value "é \\" x"} ; first
 #_ {:f :dropped}
 #op {:f :write
  :value [1 2.5 \\newline #{a b}]}
 nil]
; the end"""
ELEMENTS = [
    Form(Map({":f": ":read", ":value": 'é " x'.encode()}), 2, 2),
    Form(Tagged("op", Map({":f": ":write", ":value": (1, 2.5, "\\newline", frozenset(("a", "b")))})), 4, 2),
    Form(None, 6, 2),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
def test_a_document_is_the_same_however_its_bytes_come_in(size: int) -> None:
    assert list(Parser(Dripping(DOCUMENT.encode(), size)).elements()) == ELEMENTS


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize("text", [text for text in BAD if BAD[text][2] and len(text) < 100])
def test_a_refusal_names_the_same_place_however_the_bytes_come_in(text: str, size: int) -> None:
    with pytest.raises(FormatError) as refusal:
        list(Parser(Dripping(text.encode(), size)).forms())
    assert (refusal.value.line, refusal.value.column) == BAD[text][:2], refusal.value


def test_one_map_after_another_is_a_document_too() -> None:
    assert [form.line for form in Parser(Held(b"{:a 1}\n\n{:a 2}{:a 3}")).elements()] == [1, 3, 3]


def test_nothing_may_follow_the_vector_of_a_document() -> None:
    with pytest.raises(FormatError, match="line 2, column 1: something follows"):
        list(Parser(Held(b"[{:a 1}]\n{:a 2}")).elements())


def test_a_vector_that_does_not_end_is_refused_where_it_begins_after_its_elements_were_given() -> None:
    elements = Parser(Held(b"\n [1 2")).elements()
    assert [next(elements).value, next(elements).value] == [1, 2]
    with pytest.raises(FormatError, match=r"line 2, column 2: the \[ that begins here does not end"):
        next(elements)


def test_bytes_that_are_no_text_are_refused_with_their_place() -> None:
    for size in (1, 1000):
        with pytest.raises(FormatError) as refusal:
            list(Parser(Dripping('[:é\n "a'.encode() + b'\xff"]', size)).elements())
        assert (refusal.value.line, refusal.value.column, refusal.value.reason) == (2, 4, "not UTF-8")


def test_a_string_of_any_length_is_not_read_into_memory_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = 2 * CHUNK_BYTES
    monkeypatch.setattr(edn_token, "TOKEN_CHARS_MAX", bound)

    class Endless:
        given = 0

        def read(self, size: int, /) -> bytes:
            self.given += size
            return b'"' + b"x" * (size - 1) if self.given == size else b"x" * size

    endless = Endless()
    with pytest.raises(FormatError, match="longer than"):
        list(Parser(endless).forms())
    assert endless.given <= 4 * bound


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=4).map(tuple)
        | st.frozensets(inner, max_size=3)
        | st.dictionaries(inner, inner, max_size=3).map(Map)
        | inner.map(lambda value: Tagged("tag", value))
    )


WORDS = st.from_regex(r":?[a-z][a-z0-9*!?/.-]{0,8}", fullmatch=True).filter(
    lambda word: word not in ("nil", "true", "false")
)
ATOMS = (
    st.none()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text().map(str.encode)
    | WORDS
    | st.decimals(allow_nan=False, allow_infinity=False)
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(ATOMS, _nested, max_leaves=12), st.integers(1, 50))
def test_what_is_written_is_read_back(value: Any, size: int) -> None:
    text = write(value)
    assert parse(text) == value
    assert [form.value for form in Parser(Dripping(text.encode(), size)).forms()] == [value]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet='[](){}#_^\\":;,ab01M/.-+e@`~ \n', max_size=30))
def test_no_text_breaks_the_parser(text: str) -> None:
    with suppress(FormatError):
        parse_all(text)


SPELLED_TWICE = (
    ("4/2", "2"), ("2/4", "1/2"), ("-4/2", "-2N"), ("0x10", "16"), ("1.0M", "1.00M"), ("0M", "-0.00M"),
    ("100M", "1e2M"), ("1e-50M", "10e-51M"), ("1.50", "15e-1"), ("-0.0", "0.0"), ("\\u0041", "\\A"), ("\\o101", "\\A"),
    ("\\u00A0", "\\u00a0"), ("\\u000a", "\\newline"), ("\\ ", "\\space"), ('"\\u0041"', '"A"'),
    ("[4/2 \\u0041]", "(2 \\A)"),
)  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SPELLED_TWICE)
def test_a_value_that_is_spelled_in_two_ways_is_one(one: str, other: str) -> None:
    names = Names()
    assert write(parse(one)) == write(parse(other)) or isinstance(parse(one), float)
    assert names.value(parse(one)) == names.value(parse(other))
    assert names.of(parse(one)) == names.of(parse(other))
    assert parse(write(parse(one))) == parse(one)


@pytest.mark.parametrize(("one", "other"), [("1", "1.0"), ("1", "1M"), ("1.0", "1.0M"), ("1/2", "0.5M"), ("\\1", "1")])
def test_values_of_different_types_are_two(one: str, other: str) -> None:
    names = Names()
    assert names.of(parse(one)) != names.of(parse(other))
    assert distinct(names.value(parse(one))) != distinct(names.value(parse(other)))


@pytest.mark.parametrize("code", [*range(0x300), 0x2028, 0xD800, 0xFEFF, 0xFFFF])
def test_every_character_is_read_by_its_code_and_comes_back(code: int) -> None:
    read = parse(f"\\u{code:04X}")
    assert parse(write(read)) == read == parse(f"[\\u{code:04x}]")[0]
    assert code > 0o377 or parse(f"\\o{code:o}") == read
    Names().value(read)


def test_numbers_of_different_types_stay_apart_in_sets_and_keys() -> None:
    assert len(Names().value(parse("#{1 1.0 true 1M}"))) == 4
    assert len(Names().value(parse("#{[1] [true]}"))) == 2
    assert write(parse("#{1 true}")) == "#{1 true}"
    names = Names()
    assert len({names.of(parse(text)) for text in ("[1]", "[1.0]", "[true]", "1", "true")}) == 5
