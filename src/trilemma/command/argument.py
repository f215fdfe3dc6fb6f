"""From a command's usage to the arguments of COMMAND DOCS, by descent (grammar: usage.py; fields: Redis 7.0)."""

import re
from dataclasses import dataclass, field

from trilemma.resp.reply import MapReply, Reply, SetReply, Simple

INTEGERS = frozenset({
    "client-id", "count", "cursor", "decrement", "destination-db", "end", "increment", "index", "len", "milliseconds",
    "numreplicas", "offset", "protover", "seconds", "start", "timeout",
})  # fmt: skip
KEYS = frozenset({"destination", "key", "key1", "key2", "newkey", "source"})
TYPES = {"pattern": "pattern", "unix-time-seconds": "unix-time", "unix-time-milliseconds": "unix-time"}

_LEXEME = re.compile(r"\.\.\.|[\[\]()|]|[^\s\[\]()|.]+")
_TOKEN = re.compile(r"[A-Z][A-Z-]*")


@dataclass(slots=True)
class Argument:
    """One argument, or a group of them (oneof, block)."""

    name: str
    type: str
    token: str = ""
    is_optional: bool = False
    is_multiple: bool = False
    parts: list["Argument"] = field(default_factory=list)


def arguments_of(usage: str) -> list[Argument]:
    """Return the arguments that a usage names, in order."""
    lexemes = _LEXEME.findall(usage)
    lexemes.reverse()
    return _sequence(lexemes)


def _sequence(left: list[str]) -> list[Argument]:
    """Take arguments off the end of `left` (the usage, last lexeme first) up to where a group or alternative ends."""
    found: list[Argument] = []
    while left and left[-1] not in ("]", ")", "|"):
        found.append(_one(left))
    return found


def _one(left: list[str]) -> Argument:
    lexeme = left.pop()
    if lexeme in ("[", "("):
        argument = _group(left, is_optional=lexeme == "[")
    elif _TOKEN.fullmatch(lexeme):
        argument = _behind_token(lexeme, left)
    else:
        name, _, kind = lexeme.rpartition(":") if lexeme.count(":") else (lexeme, "", "")
        argument = Argument(name, kind or _type_of(name))
    if left and left[-1] == "...":
        left.pop()
        argument.is_multiple = True
    return argument


def _behind_token(token: str, left: list[str]) -> Argument:
    following = left[-1] if left else "]"
    if following in ("]", ")", "|", "[", "...") or _TOKEN.fullmatch(following):
        return Argument(token.lower(), "pure-token", token)
    argument = _one(left)
    argument.token = token
    return argument


def _group(left: list[str], *, is_optional: bool) -> Argument:
    choices = [_sequence(left)]
    while left.pop() == "|":
        choices.append(_sequence(left))
    parts = [_joined(choice, "block") for choice in choices]
    # A group of one in round brackets stays a group: what repeats there has a name of its own.
    group = _joined(parts, "oneof") if is_optional or len(parts) > 1 else _block(choices[0])
    group.is_optional = is_optional
    return group


def _block(parts: list[Argument]) -> Argument:
    return Argument("_".join(part.name for part in parts), "block", parts=parts)


def _joined(parts: list[Argument], kind: str) -> Argument:
    if len(parts) == 1:
        return parts[0]
    return Argument("_".join(part.name for part in parts), kind, parts=parts)


def _type_of(name: str) -> str:
    if name in INTEGERS:
        return "integer"
    return "key" if name in KEYS else TYPES.get(name, "string")


def documented(arguments: list[Argument], key_specs: int) -> Reply:
    """Return arguments as COMMAND DOCS shows them. `key_specs`: how many the command has; each key names its own."""
    seen = 0

    def shown(argument: Argument) -> Reply:
        nonlocal seen
        pairs: list[tuple[Reply, Reply]] = [(b"name", argument.name.encode()), (b"type", argument.type.encode())]
        if argument.type == "key":
            pairs.append((b"key_spec_index", min(seen, key_specs - 1)))
            seen += 1
        if argument.token:
            pairs.append((b"token", argument.token.encode()))
        flags = [Simple(b"optional")] * argument.is_optional + [Simple(b"multiple")] * argument.is_multiple
        if flags:
            pairs.append((b"flags", SetReply(tuple(flags))))
        if argument.parts:
            pairs.append((b"arguments", tuple(shown(part) for part in argument.parts)))
        return MapReply(tuple(pairs))

    return tuple(shown(argument) for argument in arguments)
