"""Rules of use-safety: what a rule says. Known like this to whoever judges by rules; the rules are safety_rows.py's."""

from dataclasses import dataclass
from enum import Enum


class Pattern(Enum):
    """How a rule shows: the value is the sentence of docs/safety.md."""

    ALONE = "the command itself"
    REPLY_USED = "the command, where its reply is used"
    RETRIED = "the command, where it is sent again after an error"
    AFTER = "the command after one of the others, on one key and connection"
    IN_MULTI = "the command between MULTI and EXEC"
    CLIENT_RETRIES = "a client that sends again by itself, and such a command"


class Guard(Enum):
    """What makes two commands in a row safe."""

    NOTHING = "nothing"
    WATCH = "WATCH before the first, and the second between MULTI and EXEC"
    MULTI = "both between MULTI and EXEC"


class Gravity(Enum):
    """How sure a finding is."""

    UNSAFE = "unsafe"
    HINT = "hint"
    """Safe or not: that depends on what the program makes of it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to use commands that does not hold on some modes.

    `options`: words that must be among the arguments; `any_of`: words of which one must be; `without`: words of which
    none may be. `after`: the commands that come first (AFTER), unless `guard` stands around them. `key_words`: where
    the key's name holds one of them the finding is sure, else it is a hint. `suspicion`: the condition under which CAP
    EXPLAIN warns by an AFTER rule though it has seen only the second of the two commands.
    """

    name: str
    commands: tuple[str, ...]
    modes: tuple[str, ...]
    reason: str
    safe_way: str
    pattern: Pattern = Pattern.ALONE
    gravity: Gravity = Gravity.UNSAFE
    options: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    guard: Guard = Guard.NOTHING
    key_words: tuple[str, ...] = ()
    suspicion: str = ""
    takes_keys: bool = True
    """Whether the commands name keys; those that do not are judged by every keyspace of the db."""
