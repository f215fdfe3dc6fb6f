"""Values of histories as JSON, so that each comes back as the type it was.

Plain are what recorded histories are full of: bytes that are UTF-8 are strings, None, booleans and numbers themselves,
tuples arrays. Everything else is an object of one member, whose name says what it is: `hex` (bytes that are no UTF-8),
`text` (a str, which is the text of an error), `map`, `set`. As a plain value is never an object, nothing is mistaken.
"""

import math
from collections.abc import Callable
from typing import Any, Final

from trilemma.check.formats.edn_value import Map
from trilemma.check.history import HistoryError

DEPTH_MAX: Final = 64
"""How deep values may be nested: transactions need four levels."""

_PLAIN: Final = (int, float, bool, type(None))


class ValueFormatError(HistoryError):
    """A value has no form in the file, or a form in the file is no value. The reader adds the place."""

    def __init__(self, reason: str, member: str = "") -> None:
        super().__init__(reason)
        self.member = member
        """Which member of the line is wrong, where that is known."""


def to_json(value: Any, depth: int = 0) -> Any:
    """Return what stands for a value in JSON.

    Raises:
        ValueFormatError: it is of a type that histories do not hold, or nested too deep.
    """
    if depth > DEPTH_MAX:
        raise ValueFormatError(f"values are nested deeper than {DEPTH_MAX}")
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"hex": value.hex()}
    if isinstance(value, tuple):
        return [to_json(each, depth + 1) for each in value]
    if isinstance(value, str):
        return {"text": _encodable(value)}
    if isinstance(value, dict):
        return {"map": [[to_json(key, depth + 1), to_json(held, depth + 1)] for key, held in value.items()]}
    if isinstance(value, frozenset | set):
        return {"set": sorted((to_json(each, depth + 1) for each in value), key=repr)}
    if type(value) in _PLAIN and not (isinstance(value, float) and not math.isfinite(value)):
        return value
    raise ValueFormatError(f"a history holds no value like {value!r} ({type(value).__name__})")


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as problem:
        raise ValueFormatError(f"not Unicode text: {text!r}") from problem
    return text


def from_json(form: Any, depth: int = 0) -> Any:
    """Return the value that something in JSON stands for.

    Raises:
        ValueFormatError: it stands for none, or is nested too deep.
    """
    if isinstance(form, str):
        return form.encode()
    if depth > DEPTH_MAX:
        raise ValueFormatError(f"values are nested deeper than {DEPTH_MAX}")
    if isinstance(form, list):
        return tuple([from_json(each, depth + 1) for each in form])
    if isinstance(form, dict):
        return _explicit(form, depth)
    return form


def _explicit(form: dict[str, Any], depth: int) -> Any:
    name, content = next(iter(form.items())) if len(form) == 1 else ("", None)
    read = _EXPLICIT.get(name)
    if read is None:
        known = ", ".join(_EXPLICIT)
        raise ValueFormatError(f"an object that is a value has one member, one of {known}; not {', '.join(form)!r}")
    try:
        return read(content, depth + 1)
    except (TypeError, ValueError) as problem:
        if isinstance(problem, ValueFormatError):
            raise
        raise ValueFormatError(f"the value {name!r} has no such content: {problem}") from problem


def _read_text(content: Any, depth: int) -> str:
    if not isinstance(content, str):
        raise TypeError("not a string")
    return content


def _read_map(content: Any, depth: int) -> dict[Any, Any]:
    made = Map((from_json(key, depth), from_json(held, depth)) for key, held in content)
    if len(made) != len(content):
        raise ValueError("a key is there twice (1, 1.0 and true count as one here)")
    return made


def _read_set(content: Any, depth: int) -> frozenset[Any]:
    if not isinstance(content, list):
        raise TypeError("not an array")
    made = frozenset(from_json(each, depth) for each in content)
    if len(made) != len(content):
        raise ValueError("an element is there twice (1, 1.0 and true count as one here; an array tells them apart)")
    return made


_EXPLICIT: Final[dict[str, Callable[[Any, int], Any]]] = {
    "hex": lambda content, depth: bytes.fromhex(content),
    "text": _read_text,
    "map": _read_map,
    "set": _read_set,
}


def transaction_to_json(value: Any) -> Any:
    """Return what stands for a transaction's micro-operations: as `to_json`, but their names are plain strings."""
    if not isinstance(value, tuple):
        return to_json(value)
    return [_micro_to_json(each) for each in value]


def _micro_to_json(micro: Any) -> Any:
    if not (isinstance(micro, tuple) and micro):
        return to_json(micro, 1)
    name = micro[0]
    if isinstance(name, str):
        first: Any = _encodable(name)
    else:
        first = {"hex": name.hex()} if isinstance(name, bytes) else to_json(name, 2)
    return [first, *(to_json(each, 2) for each in micro[1:])]


def transaction_from_json(form: Any) -> Any:
    """Return the micro-operations that something in JSON stands for."""
    if not isinstance(form, list):
        return from_json(form)
    return tuple([_micro_from_json(each) for each in form])


def _micro_from_json(form: Any) -> Any:
    if not (isinstance(form, list) and form and isinstance(form[0], str)):
        return from_json(form, 1)
    return (form[0], *[from_json(each, 2) for each in form[1:]])
