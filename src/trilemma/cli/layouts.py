"""How an encoding looks, for the page of formats: fixed layouts field by field, msgpack values from their types.

Fixed layouts stand here in the letters of the module struct; a test compares them with what the code packs. Messages
and maps are read off the types that encode them, so their rows cannot differ from the bytes.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from msgspec import inspect

WORDS = {"B": "u8", "H": "u16", "I": "u32", "Q": "u64", "4s": "4 bytes", "8s": "8 bytes", "16s": "16 bytes"}


UNION_SHOWN_MAX = 4
"""A type that is any of more is the union of all messages, which have tables of their own."""


class Layout(NamedTuple):
    """A fixed layout: `order` is `<` or `>`, `fields` are (name, letters of struct)."""

    name: str
    order: str
    fields: tuple[tuple[str, str], ...]

    @property
    def format(self) -> str:
        """The format that the module struct takes for it."""
        return self.order + "".join(letters for _, letters in self.fields)

    @property
    def text(self) -> str:
        """The fields, for people."""
        return ", ".join(f"{name} {WORDS[letters]}" for name, letters in self.fields)


SEGMENT = Layout(
    "segment header",
    ">",
    (
        ("magic `TRILOG\\0\\1`,", "8s"),
        ("version", "H"),
        ("number", "Q"),
        ("random id", "Q"),
        ("end of the segment before", "Q"),
        ("CRC-32 of these", "I"),
    ),
)
GROUP = Layout(
    "group header",
    ">",
    (
        ("magic (higher half of the segment's id, made odd),", "4s"),
        ("length of the records", "I"),
        ("durable offset", "Q"),
        ("CRC-32", "I"),
    ),
)
RECORD = Layout(
    "record header",
    ">",
    (("kind", "B"), ("shard", "I"), ("stream", "I"), ("index", "Q"), ("term", "Q"), ("length of the body", "I")),
)
ENTRY = Layout(
    "entry header",
    "<",
    (("kind", "B"), ("log time in ms", "Q"), ("seed", "Q"), ("commit index that its leader knew", "Q")),
)
ROW_HEAD = Layout("row key", ">", (("shard", "I"), ("generation", "I"), ("kind", "B")))
PLAIN_VALUE = Layout("value of a KEY row", ">", (("type", "B"), ("version", "Q"), ("deadline in ms, 0 for none,", "Q")))
ONCE_VALUE = Layout(
    "value of an ONCE row",
    ">",
    (
        ("log time of the execution in ms", "Q"),
        ("BLAKE2b-128 of the command,", "16s"),
        ("length of the RESP2 reply", "I"),
    ),
)
PEER_FRAME = Layout("peer frame", ">", (("length of what follows, the kind included,", "I"), ("kind", "B")))


def fields_of(kind: type[Any]) -> str:
    """Return the fields of a struct in their order, each with its msgpack type."""
    found = inspect.type_info(kind)
    if not isinstance(found, inspect.StructType | inspect.NamedTupleType):
        raise TypeError(f"{kind} is no struct")
    return _fields(found)


def _fields(found: inspect.StructType | inspect.NamedTupleType) -> str:
    return ", ".join(f"`{field.encode_name}` {_shape(field.type)}" for field in found.fields)


def messages_of(union: Any) -> Iterator[tuple[int, str, str, str]]:
    """Yield (tag, name, fields, what it says) of every message of a union, by tag."""
    kinds = union.__args__ if hasattr(union, "__args__") else (union,)
    for kind in sorted(kinds, key=lambda each: int(each.__struct_config__.tag)):
        yield int(kind.__struct_config__.tag), kind.__name__, fields_of(kind) or "–", first_line(kind)


def first_line(kind: type[Any]) -> str:
    """Return what a type's docstring begins with."""
    return (kind.__doc__ or "").split("\n\n")[0].strip().replace("\n    ", " ")


def _shape(kind: inspect.Type) -> str:
    """Return a type as msgpack says it."""
    match kind:
        case inspect.UnionType(types=types):
            shapes = [_shape(each) for each in types]
            return " or ".join(shapes) if len(shapes) <= UNION_SHOWN_MAX else "message"
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return f"[{_shape(item)} …]"
        case inspect.TupleType(item_types=items):
            return _listed(items)
        case inspect.DictType(key_type=key, value_type=value):
            return f"{{{_shape(key)}: {_shape(value)}}}"
        case inspect.NamedTupleType() | inspect.StructType(array_like=True):
            return f"[{_fields(kind)}]"
        case inspect.StructType(cls=cls):
            return cls.__name__
        case inspect.EnumType(cls=cls):
            return " or ".join(f"`{each.value}`" for each in cls)
    return _ATOMS[type(kind)]


def _listed(kinds: Iterable[inspect.Type]) -> str:
    return "[" + ", ".join(_shape(kind) for kind in kinds) + "]"


_ATOMS: dict[type[inspect.Type], str] = {
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.BytesType: "bin",
    inspect.StrType: "str",
    inspect.BoolType: "bool",
    inspect.NoneType: "nil",
}
