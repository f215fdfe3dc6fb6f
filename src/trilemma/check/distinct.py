"""Telling 1, 1.0 and true apart: as values of a store they are three, though Python's `==` takes them for one.

A number or truth of a type that `==` mixes up is wrapped before checkers see it, and unwrapped in what they found.
Whole numbers, bytes, texts and nothing stay as they are, so most histories are not touched at all. Models that count
compare sums, and are not given such values. Source: Clojure's `=` (of EDN), which compares numbers within their type.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict

MIXED: Final = (bool, float)
"""The types whose values `==` takes for whole numbers."""

_TELLING: Final = ("add", "remove", "cas", "acquire", "release", "expire")
"""Operations whose result says whether they did something: no value of the store."""


class Distinct:
    """A value that equals only one of its own type."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is Distinct and type(other.value) is type(self.value) and bool(other.value == self.value)

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))

    def __repr__(self) -> str:
        return repr(self.value)


def distinct(value: Any) -> Any:
    """Return a value with all that `==` mixes up wrapped, however deep it stands."""
    if isinstance(value, MIXED):
        return Distinct(value)
    return _each(value, distinct)


def plain(value: Any) -> Any:
    """Return a value with nothing wrapped."""
    return value.value if isinstance(value, Distinct) else _each(value, plain)


def _each(value: Any, change: Any) -> Any:
    kind = type(value)
    if kind in (tuple, list, frozenset, set):
        return kind([change(each) for each in value])
    if isinstance(value, dict):
        return kind({change(key): change(held) for key, held in value.items()})
    return value


def told_apart(operations: Sequence[Operation]) -> Sequence[Operation]:
    """Return a history whose values of different types are different; the same one where they are already."""
    if not any(_is_mixed(each.argument) or _is_mixed(each.result) for each in operations):
        return operations
    return [
        each._replace(
            argument=distinct(each.argument),
            result=each.result if each.kind in _TELLING else distinct(each.result),
        )
        for each in operations
    ]


def _is_mixed(value: Any) -> bool:
    if isinstance(value, MIXED):
        return True
    if isinstance(value, dict):
        return any(_is_mixed(each) for pair in value.items() for each in pair)
    return isinstance(value, tuple | list | frozenset | set) and any(_is_mixed(each) for each in value)


def unwrapped(verdict: Verdict) -> Verdict:
    """Return a verdict whose witness has the values that the history has."""
    if not verdict.witness:
        return verdict
    return verdict._replace(witness=tuple(_unwrapped(verdict.witness)))


def _unwrapped(operations: Iterable[Operation]) -> Iterable[Operation]:
    return (each._replace(argument=plain(each.argument), result=plain(each.result)) for each in operations)
