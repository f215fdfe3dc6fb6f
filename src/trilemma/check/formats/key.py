"""Keys and values of EDN as histories have them.

A value: None, booleans and numbers stay; strings are bytes already; keywords, symbols and whatever else histories have
no type for become the bytes they are written with. Sets become sorted tuples, maps sorted tuples of pairs. A key is
bytes: of a string, the string; of anything else, how it is written. A string that is written as something else is (the
string ":a", the keyword :a) is another key and another value: whichever comes later is put between quotes.
"""

import math
from collections.abc import Callable
from typing import Any, Final

from trilemma.check.distinct import Distinct, distinct
from trilemma.check.formats.edn_value import write

_NUMBERS: Final = (int, float)

_OF_OTHERS, _OF_STRINGS, _QUOTED = range(3)
"""Whose bytes these are."""


def plain(value: Any, spell: Callable[[Any], bytes]) -> Any:
    """Return an EDN value as a history has it; `spell` gives the bytes of a string and of what there is no type for."""
    if isinstance(value, Distinct):
        value = value.value
    if value is None or (isinstance(value, _NUMBERS) and not (isinstance(value, float) and not math.isfinite(value))):
        return value
    if type(value) is tuple:
        return tuple([plain(each, spell) for each in value])
    if isinstance(value, frozenset):
        return _sorted(plain(each, spell) for each in value)
    if isinstance(value, dict):
        return _sorted((plain(key, spell), plain(held, spell)) for key, held in value.items())
    return spell(value)


def _sorted(values: Any) -> tuple[Any, ...]:
    held = list(values)
    try:
        return tuple(sorted(held))
    except TypeError:  # of several types
        return tuple(sorted(held, key=repr))


class Names:
    """Gives the keys and values of one history their bytes.

    No two keys have the same, though `"3"` and `3` look alike; nor two values, of which numbers need none.
    """

    __slots__ = ("_names", "_quoted", "_taken", "_whose")

    def __init__(self) -> None:
        self._names: dict[tuple[type, Any], bytes] = {}
        self._taken: set[bytes] = set()
        self._whose: dict[bytes, int] = {}
        self._quoted: dict[tuple[int, bytes], bytes] = {}

    def value(self, value: Any) -> Any:
        """Return an EDN value as the history has it."""
        return plain(value, self._spelled)

    def _spelled(self, value: Any) -> bytes:
        kind = _OF_STRINGS if isinstance(value, bytes) else _OF_OTHERS
        written = value if isinstance(value, bytes) else write(value).encode()
        if self._whose.setdefault(written, kind) == kind:
            return written
        quoted = self._quoted.get((kind, written))
        if quoted is None:
            quoted = written
            while quoted in self._whose:
                quoted = b'"' + quoted + b'"'
            self._whose[quoted] = _QUOTED
            self._quoted[kind, written] = quoted
        return quoted

    def of(self, key: Any) -> bytes:
        """Return the bytes of a key."""
        known = (type(key), distinct(key))
        name = self._names.get(known)
        if name is None:
            name = key if isinstance(key, bytes) else write(key).encode()
            while name in self._taken:
                name = b'"' + name + b'"'
            self._names[known] = name
            self._taken.add(name)
        return name
