"""The atoms of EDN: numbers, words, strings, characters. What is none raises ValueError with a sentence.

What is equal for Clojure's `=` becomes equal, however it is spelled: `4/2` and `2`, `\\u0041` and `\\A`.
Whole numbers also as Clojure's reader takes them, which writes some into histories (`0x5e91993f` of an object).
"""

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Final

from trilemma.check.formats.error import shown

DIGITS_MAX: Final = 1_000
"""Digits of a number: reading a decimal takes time that grows with their square."""

_WORDS: Final[dict[str, Any]] = {"nil": None, "true": True, "false": False}

_NUMBER_BEGINS: Final = re.compile(r"[+-]?[0-9]")
_INTEGER: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]*)N?\Z")
_BASED: Final = re.compile(
    r"([+-]?)(?:0[xX](?P<hexadecimal>[0-9a-fA-F]+)|0(?P<octal>[0-7]+)"
    r"|(?P<base>[1-9][0-9]?)[rR](?P<digits>[0-9a-zA-Z]+))N?\Z"
)
_BASE_MAX: Final = 36
"""The greatest base: ten digits, and 26 letters."""
_RATIO: Final = re.compile(r"[+-]?[0-9]+/0*[1-9][0-9]*\Z")
_FLOAT: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?M?\Z")

_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPES: Final = {"t": "\t", "r": "\r", "n": "\n", "\\": "\\", '"': '"', "b": "\b", "f": "\f"}

_CHARACTERS: Final = {"newline": "\n", "return": "\r", "space": " ", "tab": "\t", "formfeed": "\f", "backspace": "\b"}
_CHARACTER_NAMES: Final = {character: name for name, character in _CHARACTERS.items()}
_CODED_CHARACTER: Final = re.compile(r"u(?P<hexadecimal>[0-9a-fA-F]{4})|o(?P<octal>[0-3]?[0-7]{1,2})")
_CODE_MAX: Final = 0xFFFF
"""The greatest code that four digits tell."""


def word(text: str) -> Any:
    """Return what a number, keyword or symbol stands for; keywords and symbols stand for themselves."""
    if text[0] == ":":
        if len(text) == 1:
            raise ValueError("a keyword needs a name")
        return text
    return _number(text) if text[0] in "0123456789+-" else _WORDS.get(text, text)


def _number(text: str) -> Any:
    if not _NUMBER_BEGINS.match(text):
        return text  # a symbol such as - or ->x
    if len(text) > DIGITS_MAX:
        raise ValueError(f"a number has more than {DIGITS_MAX} digits")
    if _INTEGER.match(text):
        return int(text.rstrip("N"))
    if _RATIO.match(text):
        ratio = Fraction(text)
        return ratio.numerator if ratio.denominator == 1 else ratio
    if not _FLOAT.match(text):
        based = _BASED.match(text)
        if based is not None:
            return _based(based, text)
        raise ValueError(f"no number: {shown(text)}")
    if not text.endswith("M"):
        return float(text)
    try:
        return Decimal(text[:-1])
    except InvalidOperation as problem:
        raise ValueError(f"a number out of all bounds: {shown(text)}") from problem


def _based(match: re.Match[str], text: str) -> int:
    """Return a whole number that is written as Clojure writes others than decimal ones: 0x1f, 017, 2r101."""
    base, digits = int(match["base"] or 0), match["digits"]
    if match["hexadecimal"]:
        base, digits = 16, match["hexadecimal"]
    elif match["octal"]:
        base, digits = 8, match["octal"]
    if not 2 <= base <= _BASE_MAX or any(int(digit, _BASE_MAX) >= base for digit in digits):
        raise ValueError(f"no number: {shown(text)}")
    return int(match[1] + digits, base)


def string(text: str) -> bytes:
    """Return the UTF-8 of what stands between quotes."""
    if "\\" not in text:
        return text.encode()
    units = _ESCAPE.sub(_unescape, text).encode("utf-16-le", "surrogatepass")
    try:
        return units.decode("utf-16-le").encode()  # joins the two halves of a surrogate pair
    except UnicodeDecodeError as problem:
        raise ValueError("the string has half a character (a surrogate without its other)") from problem


def _unescape(match: re.Match[str]) -> str:
    escape = match[1]
    if escape in _ESCAPES:
        return _ESCAPES[escape]
    if len(escape) == 5:
        return chr(int(escape[1:], 16))
    if escape.isdigit() and escape.isascii() and int(escape, 8) < 256:
        return chr(int(escape, 8))
    raise ValueError(f"no such escape: {shown(match[0])}")


def character(text: str) -> str:
    """Return a character as one text, however it is spelled: its name, else itself, or its code if it does not show."""
    name = text[1:]
    coded = _CODED_CHARACTER.fullmatch(name)
    if coded is not None:
        read = chr(int(coded["hexadecimal"], 16) if coded["hexadecimal"] else int(coded["octal"], 8))
    else:
        read = _CHARACTERS.get(name, name)
    if len(read) != 1:
        raise ValueError(f"no such character: {shown(text)}")
    is_shown = read.isprintable() or ord(read) > _CODE_MAX
    return "\\" + (_CHARACTER_NAMES.get(read) or (read if is_shown else f"u{ord(read):04x}"))
