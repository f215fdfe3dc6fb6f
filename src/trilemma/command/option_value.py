"""Values of CONFIG SET: which an option takes, and Redis' words for those it does not (config.c of Redis 7.0)."""

import re
from collections.abc import Callable
from typing import TypeAlias

from trilemma.resp.number import parse_int64

Value: TypeAlias = str | int | tuple[str | int, ...]
Kind: TypeAlias = Callable[[str], Value]
"""Returns the value of a text; equal values are the same setting. Raises OptionValueError."""

UINT64_MAX = (1 << 64) - 1
UNITS = {
    "": 1, "b": 1, "k": 1_000, "kb": 1 << 10, "m": 1_000_000, "mb": 1 << 20, "g": 1_000_000_000, "gb": 1 << 30,
}  # fmt: skip
CLASSES = {"normal": "normal", "replica": "replica", "slave": "replica", "pubsub": "pubsub"}
MEMORY_DIGITS_MAX = 127

_MEMORY = re.compile(r"([0-9]*)([a-z]*)")
_INTEGER = re.compile(r"[ \t]*[+-]?[0-9]+|")


class OptionValueError(Exception):
    """A value that the option does not take; says why."""


def text(word: str) -> Value:
    """Take any text."""
    return word


def yes_or_no(word: str) -> Value:
    """Take yes or no, in any case."""
    if word.lower() not in ("yes", "no"):
        raise OptionValueError("argument must be 'yes' or 'no'")
    return word.lower()


def choice(*names: str) -> Kind:
    """Return the kind that takes one of some names, in any case."""

    def kind(word: str) -> Value:
        if word.lower() not in names:
            raise OptionValueError(f"argument(s) must be one of the following: {', '.join(names)}")
        return word.lower()

    return kind


def integer(least: int, most: int) -> Kind:
    """Return the kind that takes whole numbers within bounds."""

    def kind(word: str) -> Value:
        number = parse_int64(word.encode("utf-8", "surrogateescape"))
        if number is None:
            raise OptionValueError("argument couldn't be parsed into an integer")
        return _bounded(number, least, most)

    return kind


def memory(least: int, most: int) -> Kind:
    """Return the kind that takes numbers of bytes within bounds, with a unit such as kb."""

    def kind(word: str) -> Value:
        number = _memory(word)
        if number is None:
            raise OptionValueError("argument must be a memory value")
        return _bounded(number, least, most)

    return kind


def save_points(word: str) -> Value:
    """Take pairs of seconds and changes; an empty text for none."""
    numbers = [_whole(part) for part in word.split(" ")] if word else []
    if len(numbers) % 2:
        raise OptionValueError("Invalid save parameters")
    for position, number in enumerate(numbers):
        if number is None or number < (1 if position % 2 == 0 else 0):
            raise OptionValueError("Invalid save parameters")
    return tuple(number for number in numbers if number is not None)


def output_limits(word: str) -> Value:
    """Take client classes, each with a hard limit, a soft one, and seconds above the soft one."""
    words = word.split(" ") if word else []
    if len(words) % 4:
        raise OptionValueError("Wrong number of arguments in buffer limit configuration.")
    return tuple(part for start in range(0, len(words), 4) for part in _output_limit(words[start : start + 4]))


def _output_limit(words: list[str]) -> tuple[str | int, ...]:
    name = CLASSES.get(words[0].lower())
    if name is None:
        raise OptionValueError("Invalid client class specified in buffer limit configuration.")
    hard, soft, seconds = _memory(words[1]), _memory(words[2]), _whole(words[3])
    if hard is None or soft is None or seconds is None or seconds < 0:
        raise OptionValueError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
    return name, hard, soft, seconds


def _bounded(number: int, least: int, most: int) -> int:
    if not least <= number <= most:
        raise OptionValueError(f"argument must be between {least} and {most} inclusive")
    return number


def _memory(word: str) -> int | None:
    """Return a number of bytes as memtoull does: digits saturate at 64 bits, none are zero; None for other text."""
    found = _MEMORY.fullmatch(word.lower())
    if found is None or found[2] not in UNITS or len(found[1]) > MEMORY_DIGITS_MAX:
        return None
    return min(int(found[1] or "0"), UINT64_MAX) * UNITS[found[2]] & UINT64_MAX


def _whole(word: str) -> int | None:
    """Return a number as strtoll does, an empty text being zero; None for other text."""
    if _INTEGER.fullmatch(word) is None:
        return None
    return int(word[:MEMORY_DIGITS_MAX] or "0")
