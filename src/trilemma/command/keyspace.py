"""Reading the options of KEYSPACE CREATE and ALTER. What contradicts a mode is judged by keyspace/settings.py.

What is not built yet is refused here, with a text that says so.
"""

import re
from dataclasses import dataclass

from trilemma.base.errors import error, register
from trilemma.keyspace.settings import SIBLINGS_NOT_BUILT, TIMEOUT_RANGE, refuse, shortened
from trilemma.resp.number import parse_int64

register(
    "keyspace_name",
    "ERR '{name}' is no name for a keyspace: 1 to 64 of a-z, A-Z, 0-9, - and _",
    "choose such a name",
)
register("keyspace_option", "ERR keyspace '{name}': unknown option '{option}'", "see KEYSPACE HELP")
register("no_keyspace", "ERR no keyspace '{keyspace}'", "KEYSPACE LIST names them")
register(
    "keyspace_reserved",
    "ERR '{name}' is the nodes' own keyspace, where they keep the list of all: no command concerns it",
    "choose another name",
)

_NAME = re.compile(rb"[a-zA-Z0-9_-]{1,64}")
RESERVED = b"_system"
"""The name of the keyspace that holds the catalogue, in INFO and /metrics."""

_MODES = ("cp", "ap", "ca")
_OPTIONS = frozenset({b"MODE", b"REPLICAS", b"SHARDS", b"SIBLINGS", b"WRITE", b"READ", b"DURABILITY", b"TIMEOUT"})


@dataclass(slots=True)
class KeyspaceOptions:
    """The options given; None where the mode's default, or what stands, is meant."""

    name: str
    mode: str = ""
    replicas: int | None = None
    write: str | None = None
    read: str | None = None
    durability: str | None = None
    timeout_ms: int | None = None


def _name(word: bytes) -> str:
    if word == RESERVED:
        raise error("keyspace_reserved", name=word.decode())
    if not _NAME.fullmatch(word):
        raise error("keyspace_name", name=word.decode("utf-8", "surrogateescape"))
    return word.decode()


def _text(word: bytes) -> str:
    return word.decode("utf-8", "replace")


def parse_create(argv: list[bytes]) -> KeyspaceOptions:
    """Read KEYSPACE CREATE name MODE mode [option value ...].

    Raises:
        ReplyError: keyspace_name, keyspace_reserved, keyspace_option, setting.
    """
    options = KeyspaceOptions(_name(argv[2]))
    _read(options, argv[3:], creates=True)
    if not options.mode:
        raise refuse(options.name, "MODE must be given: cp, ap or ca")
    if options.mode not in _MODES:
        raise refuse(options.name, f"MODE is cp, ap or ca, not '{shortened(options.mode)}'")
    return options


def parse_alter(argv: list[bytes]) -> KeyspaceOptions:
    """Read KEYSPACE ALTER name option value [option value ...].

    Raises:
        ReplyError: no_keyspace, keyspace_option, setting.
    """
    if not _NAME.fullmatch(argv[2]):
        raise error("no_keyspace", keyspace=_text(argv[2]))
    options = KeyspaceOptions(argv[2].decode())
    _read(options, argv[3:], creates=False)
    if len(argv) == 3:
        raise refuse(options.name, "ALTER names no setting: WRITE, READ, DURABILITY or TIMEOUT, with its new value")
    return options


def _read(options: KeyspaceOptions, words: list[bytes], *, creates: bool) -> None:
    seen: set[bytes] = set()
    for position in range(0, len(words), 2):
        word = words[position].upper()
        if word not in _OPTIONS:
            raise error("keyspace_option", name=options.name, option=_text(words[position]))
        if position + 1 == len(words):
            raise refuse(options.name, f"{word.decode()} has no value behind it")
        if word in seen:
            raise refuse(options.name, f"{word.decode()} is given twice")
        seen.add(word)
        _take(options, word, words[position + 1], creates=creates)


def _take(options: KeyspaceOptions, word: bytes, value: bytes, *, creates: bool) -> None:
    match word:
        case b"MODE":
            options.mode = _mode(options, value, creates=creates)
        case b"REPLICAS":
            options.replicas = _replicas(options, value, creates=creates)
        case b"SHARDS":
            _one_shard(options, value, creates=creates)
        case b"SIBLINGS":
            raise refuse(options.name, SIBLINGS_NOT_BUILT)
        case b"TIMEOUT":
            options.timeout_ms = _whole(options, "TIMEOUT", TIMEOUT_RANGE, value)
        case b"WRITE":
            options.write = _text(value).lower()
        case b"READ":
            options.read = _text(value).lower()
        case b"DURABILITY":
            options.durability = _text(value).lower()


def _whole(options: KeyspaceOptions, option: str, allowed: str, value: bytes) -> int:
    number = parse_int64(value)
    if number is None:
        raise refuse(options.name, f"{option} {allowed}, not '{shortened(_text(value))}'")
    return number


def _mode(options: KeyspaceOptions, value: bytes, *, creates: bool) -> str:
    if not creates:
        raise refuse(options.name, "MODE never changes; create another keyspace and copy the keys")
    return _text(value).lower()


def _replicas(options: KeyspaceOptions, value: bytes, *, creates: bool) -> int:
    if not creates:
        raise refuse(options.name, "a change of REPLICAS is not built yet")
    return _whole(options, "REPLICAS", "is from 1 to the number of nodes", value)


def _one_shard(options: KeyspaceOptions, value: bytes, *, creates: bool) -> None:
    if not creates:
        raise refuse(options.name, "SHARDS never changes")
    count = _whole(options, "SHARDS", "is 1", value)
    if count < 1:
        raise refuse(options.name, "SHARDS is at least 1")
    if count > 1:
        raise refuse(options.name, "SHARDS above 1 is not built yet")
