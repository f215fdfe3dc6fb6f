"""Reading the options of KEYSPACE CREATE and ALTER. What contradicts a mode is judged by keyspace/settings.py.

What is not built yet is refused here, with a text that says so.
"""

import re
from dataclasses import dataclass

from trilemma.base.errors import error, register
from trilemma.command.arguments import integer
from trilemma.keyspace.settings import SIBLINGS_NOT_BUILT, refuse

register(
    "keyspace_name",
    "ERR '{name}' is no name for a keyspace: 1 to 64 of a-z, A-Z, 0-9, - and _",
    "choose such a name",
)
register("keyspace_option", "ERR keyspace '{name}': unknown option '{option}'", "see KEYSPACE HELP")
register("no_keyspace", "ERR no keyspace '{keyspace}'", "KEYSPACE LIST names them")
register("keyspace_mode", "ERR keyspace '{name}': MODE is cp, ap or ca", "name one of the three")

_NAME = re.compile(rb"[a-zA-Z0-9_-]{1,64}")
_RESERVED = (b"_system",)
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
    if not _NAME.fullmatch(word) or word in _RESERVED:
        raise error("keyspace_name", name=word.decode("utf-8", "surrogateescape"))
    return word.decode()


def _text(word: bytes) -> str:
    return word.decode("utf-8", "replace")


def parse_create(argv: list[bytes]) -> KeyspaceOptions:
    """Read KEYSPACE CREATE name MODE mode [option value ...].

    Raises:
        ReplyError: keyspace_name, keyspace_option, keyspace_mode, setting.
    """
    options = KeyspaceOptions(_name(argv[2]))
    _read(options, argv[3:], creates=True)
    if options.mode not in _MODES:
        raise error("keyspace_mode", name=options.name)
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
            options.timeout_ms = integer(value)
        case b"WRITE":
            options.write = _text(value).lower()
        case b"READ":
            options.read = _text(value).lower()
        case b"DURABILITY":
            options.durability = _text(value).lower()


def _mode(options: KeyspaceOptions, value: bytes, *, creates: bool) -> str:
    if not creates:
        raise refuse(options.name, "MODE never changes; create another keyspace and copy the keys")
    return _text(value).lower()


def _replicas(options: KeyspaceOptions, value: bytes, *, creates: bool) -> int:
    if not creates:
        raise refuse(options.name, "a change of REPLICAS is not built yet")
    return integer(value)


def _one_shard(options: KeyspaceOptions, value: bytes, *, creates: bool) -> None:
    if not creates:
        raise refuse(options.name, "SHARDS never changes")
    count = integer(value)
    if count < 1:
        raise refuse(options.name, "SHARDS is at least 1")
    if count > 1:
        raise refuse(options.name, "SHARDS above 1 is not built yet")
