"""Values of EDN that Python has no type for, and EDN as text. Source: see `edn`."""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from trilemma.check.distinct import Distinct
from trilemma.check.formats.error import shown

PLAIN_DIGITS: Final = 40
"""Up to how many places before or behind the point a decimal is written without an exponent."""


class Map(dict[Any, Any]):
    """A map. Never changed once read, so that it can be an element or a key itself."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def make_map(items: Sequence[Any]) -> Map:
    """Return the map of keys and values in turn.

    Raises:
        ValueError: the last key has no value, or a key is there twice.
    """
    if len(items) % 2:
        raise ValueError("a map needs a value for every key")
    made = Map(zip(items[::2], items[1::2], strict=True))
    if 2 * len(made) != len(items):
        seen: set[Any] = set()
        for key in items[::2]:
            if key in seen:
                raise ValueError(f"the map has the key {shown(write(key))} twice")
            seen.add(key)
    return made


class Tagged(NamedTuple):
    """A literal with a tag, such as `#inst "2026-01-01"`; tag without its number sign."""

    tag: str
    value: Any


def write(value: Any) -> str:
    """Return a value as EDN, on one line; equal values give equal texts."""
    if isinstance(value, Distinct):
        value = value.value
    if isinstance(value, bytes):
        text = value.decode(errors="replace")
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if value is None or isinstance(value, bool):
        return {None: "nil", True: "true", False: "false"}[value]
    for kind, words in _WRITERS:
        if isinstance(value, kind):
            return words(value)
    return str(value)


def _write_all(begin: str, values: list[str], end: str) -> str:
    return begin + " ".join(values) + end


def _write_float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "##NaN" if math.isnan(value) else "##Inf" if value > 0 else "##-Inf"


def _write_decimal(value: Decimal) -> str:
    """Write a decimal without zeros at its end: for Clojure's `=`, since 1.6, those make no difference."""
    sign, digits, exponent = value.as_tuple()
    if not value:
        return "0M"
    if isinstance(exponent, int):
        kept = len("".join(map(str, digits)).rstrip("0"))
        value = Decimal((sign, digits[:kept], exponent + len(digits) - kept))
    return f"{value:f}M" if abs(value.adjusted()) <= PLAIN_DIGITS else f"{value}M"


_WRITERS: Final[tuple[tuple[type, Callable[[Any], str]], ...]] = (
    (Tagged, lambda value: f"#{value.tag} {write(value.value)}"),
    (tuple, lambda value: _write_all("[", [write(each) for each in value], "]")),
    (frozenset, lambda value: _write_all("#{", sorted(write(each) for each in value), "}")),
    (dict, lambda value: _write_all("{", sorted(f"{write(key)} {write(held)}" for key, held in value.items()), "}")),
    (float, _write_float),
    (Decimal, _write_decimal),
)
