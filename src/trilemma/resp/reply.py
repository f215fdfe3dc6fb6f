"""Replies: what a command may answer with, and its bytes in RESP2 and RESP3.

Plain Python values where one fits (bytes, int, float, bool, None, list, dict), a small class where none does. Knows no
commands. Source: the RESP specification and addReply* of redis-server 7.0 (networking.c), whose bytes these are.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from trilemma.base.invariant import InvariantViolated
from trilemma.resp.number import format_double

RESP2 = 2
RESP3 = 3


@dataclass(frozen=True, slots=True)
class Simple:
    """A status such as +OK. `text` has no CR and no LF."""

    text: bytes


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """An error, its code first. Bytes that are not UTF-8 come as surrogate escapes; CR and LF leave as spaces."""

    text: str


@dataclass(frozen=True, slots=True)
class NilArray:
    """The nil of commands that would else answer with an array: `*-1` in RESP2."""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text for people, such as INFO's: a bulk string in RESP2, marked with its three-letter format in RESP3."""

    text: bytes
    kind: bytes = b"txt"


@dataclass(frozen=True, slots=True)
class BigNumber:
    """An integer of any size: a bulk string in RESP2."""

    value: int


@dataclass(frozen=True, slots=True)
class MapReply:
    """A map whose keys may repeat or be unhashable; a dict does otherwise. Flat in RESP2."""

    pairs: tuple[tuple["Reply", "Reply"], ...]


@dataclass(frozen=True, slots=True)
class SetReply:
    """A set, in the order given: an array in RESP2."""

    members: tuple["Reply", ...]


@dataclass(frozen=True, slots=True)
class Push:
    """A message that answers no command: an array in RESP2."""

    items: tuple["Reply", ...]


@dataclass(frozen=True, slots=True)
class Raw:
    """A reply encoded beforehand, once per protocol."""

    resp2: bytes
    resp3: bytes


_Flat: TypeAlias = bytes | int | float | bool | Simple | ErrorReply | NilArray | Verbatim | BigNumber | Raw | None
# Lists are invariant to mypy, hence the common ones by name.
_List: TypeAlias = list["Reply"] | list[bytes] | list[int] | list[bytes | None] | tuple["Reply", ...]
Reply: TypeAlias = _Flat | _List | dict[bytes, "Reply"] | MapReply | SetReply | Push

NIL_ARRAY: Final = NilArray()
OK: Final = Simple(b"OK")
QUEUED: Final = Simple(b"QUEUED")
PONG: Final = Simple(b"PONG")

_OK_BYTES = b"+OK\r\n"
_NIL = {RESP2: b"$-1\r\n", RESP3: b"_\r\n"}
_NIL_ARRAY = {RESP2: b"*-1\r\n", RESP3: b"_\r\n"}
_SMALL_INTEGERS_MAX = 1024
_SMALL_INTEGERS = [b":%d\r\n" % value for value in range(_SMALL_INTEGERS_MAX)]


def encode(value: Reply, protocol: int) -> bytes:
    """Return the bytes of a reply in RESP `protocol` (2 or 3)."""
    kind = type(value)
    if kind is bytes:
        return b"$%d\r\n%b\r\n" % (len(value), value)  # type: ignore[arg-type, str-format]
    if value is OK:
        return _OK_BYTES
    if kind is list or kind is tuple or kind is dict or kind in _NESTED:
        parts: list[bytes] = []
        encode_into(parts, value, protocol)
        return b"".join(parts)
    return _encode_flat(value, protocol)


def encode_into(parts: list[bytes], value: Reply, protocol: int) -> None:
    """Append the bytes of a reply to `parts`; nesting of any depth needs no recursion."""
    waiting: list[Reply] = [value]
    while waiting:
        current = waiting.pop()
        if type(current) is bytes:
            parts.append(b"$%d\r\n%b\r\n" % (len(current), current))
        elif isinstance(current, list | tuple | dict | MapReply | SetReply | Push):
            mark, count, items = _opened(current, protocol)
            parts.append(b"%b%d\r\n" % (mark, count))
            items.reverse()
            waiting += items
        else:
            parts.append(_encode_flat(current, protocol))


_NESTED = frozenset((MapReply, SetReply, Push))


def _opened(value: Reply, protocol: int) -> tuple[bytes, int, list[Reply]]:
    """Return a nested reply's type byte, its count, and its items one after the other."""
    if isinstance(value, list | tuple):
        return b"*", len(value), list(value)
    if isinstance(value, dict | MapReply):
        pairs = value.items() if isinstance(value, dict) else value.pairs
        items = [item for pair in pairs for item in pair]
        return (b"%", len(pairs), items) if protocol == RESP3 else (b"*", len(items), items)
    if isinstance(value, SetReply):
        return b"~" if protocol == RESP3 else b"*", len(value.members), list(value.members)
    if isinstance(value, Push):
        return b">" if protocol == RESP3 else b"*", len(value.items), list(value.items)
    raise InvariantViolated(f"no nested reply: {type(value).__name__}")


def _encode_flat(value: Reply, protocol: int) -> bytes:
    match value:
        case None:
            return _NIL[protocol]
        case bool():
            return (b"#t\r\n" if value else b"#f\r\n") if protocol == RESP3 else _SMALL_INTEGERS[value]
        case int():
            return _SMALL_INTEGERS[value] if 0 <= value < _SMALL_INTEGERS_MAX else b":%d\r\n" % value
        case Simple():
            return b"+%b\r\n" % value.text
        case Raw():
            return value.resp3 if protocol == RESP3 else value.resp2
        case ErrorReply():
            return encode_error(value.text)
        case _:
            return _encode_rare(value, protocol)


def _encode_rare(value: Reply, protocol: int) -> bytes:
    match value:
        case NilArray():
            return _NIL_ARRAY[protocol]
        case float():
            text = format_double(value)
            return b",%b\r\n" % text if protocol == RESP3 else _bulk(text)
        case Verbatim():
            if protocol == RESP3:
                return b"=%d\r\n%b:%b\r\n" % (len(value.kind) + 1 + len(value.text), value.kind, value.text)
            return _bulk(value.text)
        case BigNumber():
            return b"(%d\r\n" % value.value if protocol == RESP3 else _bulk(b"%d" % value.value)
        case _:
            raise InvariantViolated(f"no reply: {type(value).__name__}")


def encode_error(text: str) -> bytes:
    """Return the bytes of an error. No CR or LF of `text` can end its line early (reply injection)."""
    line = text.rstrip("\r\n").replace("\r", " ").replace("\n", " ")
    return b"-%b\r\n" % line.encode("utf-8", "surrogateescape")


def _bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)
