"""Keys and values of EDN as histories have them.

A value: None, booleans and numbers stay; strings are bytes already; keywords, symbols and whatever else histories have
no type for become the bytes they are written with. Sets become sorted tuples, maps sorted tuples of pairs. A key is
bytes: of a string, the string; of anything else, how it is written.
"""

import math
from typing import Any, Final

from trilemma.check.distinct import Distinct, distinct
from trilemma.check.formats.edn_value import write

_STAY: Final = (int, float, bytes)


def plain(value: Any) -> Any:
    """Return an EDN value as a history has it."""
    if isinstance(value, Distinct):
        value = value.value
    if value is None or (isinstance(value, _STAY) and not (isinstance(value, float) and not math.isfinite(value))):
        return value
    if type(value) is tuple:
        return tuple([plain(each) for each in value])
    if isinstance(value, frozenset):
        return _sorted(plain(each) for each in value)
    if isinstance(value, dict):
        return _sorted((plain(key), plain(held)) for key, held in value.items())
    return write(value).encode()


def _sorted(values: Any) -> tuple[Any, ...]:
    held = list(values)
    try:
        return tuple(sorted(held))
    except TypeError:  # of several types
        return tuple(sorted(held, key=repr))


class Names:
    """Gives keys their bytes; no two keys the same, though `"3"` and `3` look alike."""

    __slots__ = ("_names", "_taken")

    def __init__(self) -> None:
        self._names: dict[tuple[type, Any], bytes] = {}
        self._taken: set[bytes] = set()

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
