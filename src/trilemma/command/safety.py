"""Use-safety: what a command does not give on a mode, though much code in the field relies on it there.

A rule is data: commands, modes, why, and the safe way. `trilemma lint`, the warnings of CAP EXPLAIN and docs/safety.md
all read RULES. What one command's own words can show is judged here; what takes several commands of a connection, or
the source around a call, is judged by `advise`. Names of commands that other Redis-speaking servers have and this table
has not stand here too: programs that are to be moved use them.
"""

from collections.abc import Iterator, Sequence
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


CP, CA, AP = "cp", "ca", "ap"
ORDERED = (CP, CA)
EVERY = (CP, CA, AP)


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to use commands that does not hold on some modes.

    `options`: words that must be among the arguments; `any_of`: words of which one must be; `without`: words of which
    none may be. `after`: the commands that come first (AFTER), unless `guard` stands around them. `key_words`: where
    the key's name holds one of them the finding is sure, else it is a hint.
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
    takes_keys: bool = True
    """Whether the commands name keys; those that do not are judged by every keyspace of the db."""


LOCK_WORDS = ("lock", "mutex", "lease", "leader", "semaphore")
DEADLINE_OPTIONS = ("EX", "PX", "EXAT", "PXAT")

SET_ONLY_ABSENT = ("setnx", "msetnx")
VALUE_READS = ("get", "mget", "getrange", "substr", "strlen", "exists", "hget", "hgetall")
VALUE_WRITES = ("set", "mset", "getset", "hset", "setrange")
NOT_REPEATABLE = (
    "incr",
    "decr",
    "incrby",
    "decrby",
    "incrbyfloat",
    "append",
    "getdel",
    "getset",
    "rename",
    "renamenx",
    "setnx",
    "msetnx",
    "hincrby",
    "zincrby",
    "lpush",
    "rpush",
    "lpop",
    "rpop",
    "spop",
    "xadd",
)

LOCK_ON_AP = "two sides of a cut, and two replicas at the same moment, each find the key absent and both take the lock"
LOCK_WAY = "keep locks, leases and unique names in a cp keyspace"
STALE_CACHE = "what was fetched elsewhere may have changed before it is put here, and stays until its deadline"
CACHE_WAY = "keep the deadline short, and delete the key after each change of the source"

RULES = (
    Rule("lock-on-ap", SET_ONLY_ABSENT, (AP,), LOCK_ON_AP, LOCK_WAY),
    Rule("lock-on-ap", ("set",), (AP,), LOCK_ON_AP, LOCK_WAY, options=("NX",)),
    Rule(
        "unique-id-on-ap",
        ("incr", "decr", "incrby", "decrby"),
        (AP,),
        "both sides of a cut count from the same number on, so two requests get the same reply; only the sum comes out "
        "right after healing",
        "draw ids at random (a UUID), or count in a cp keyspace; on ap use the counter as a sum, not its replies",
        Pattern.REPLY_USED,
    ),
    Rule(
        "lost-update",
        VALUE_WRITES,
        ORDERED,
        "what was read may have changed before the write; the write then takes another client's update back",
        "WATCH the key before the read and write between MULTI and EXEC, or use one command for both (INCRBY, APPEND, "
        "SET with GET)",
        Pattern.AFTER,
        without=DEADLINE_OPTIONS,
        after=VALUE_READS,
        guard=Guard.WATCH,
    ),
    Rule(
        "lost-update-on-ap",
        VALUE_WRITES,
        (AP,),
        "of two clients that read and then write the same key one update is hidden, and no WATCH sees the other side",
        "use a command whose concurrent effects are both kept (INCRBY), or keep the key in a cp keyspace and WATCH it",
        Pattern.AFTER,
        without=DEADLINE_OPTIONS,
        after=VALUE_READS,
    ),
    Rule(
        "stale-cache",
        ("set",),
        EVERY,
        STALE_CACHE,
        CACHE_WAY,
        Pattern.AFTER,
        Gravity.HINT,
        any_of=DEADLINE_OPTIONS,
        after=VALUE_READS,
    ),
    Rule(
        "stale-cache",
        ("setex", "psetex"),
        EVERY,
        STALE_CACHE,
        CACHE_WAY,
        Pattern.AFTER,
        Gravity.HINT,
        after=VALUE_READS,
    ),
    Rule(
        "taken-twice",
        ("del", "unlink"),
        EVERY,
        "between the read and the deletion another client reads the same value: both take it",
        "GETDEL on a cp keyspace",
        Pattern.AFTER,
        Gravity.HINT,
        after=("get",),
        guard=Guard.WATCH,
    ),
    Rule(
        "taken-twice-on-ap",
        ("getset", "getdel", "spop", "lpop", "rpop", "blpop", "brpop", "lmove", "rpoplpush", "zpopmin", "zpopmax"),
        (AP,),
        "replicas that have not heard of each other yet return the same value to two clients",
        "take from a cp keyspace, or make the work on what is taken safe to do twice",
    ),
    Rule(
        "taken-twice-on-ap",
        ("set",),
        (AP,),
        "replicas that have not heard of each other yet return the same old value to two clients",
        "take from a cp keyspace, or make the work on what is taken safe to do twice",
        options=("GET",),
    ),
    Rule(
        "watch-on-ap",
        ("watch",),
        (AP,),
        "WATCH sees the changes that have reached this replica; the other side's come later, when EXEC is long over",
        "keep keys that need WATCH in a cp or ca keyspace",
    ),
    Rule(
        "multi-on-ap",
        ("set", "mset", "incr", "incrby", "decr", "decrby", "append", "del", "getset", "getdel", "expire", "rename"),
        (AP,),
        "a transaction is seen whole or not at all on every replica, but those of two sides are not isolated from each "
        "other: both may be built on the same old values",
        "keep what must be checked and changed together in a cp or ca keyspace",
        Pattern.IN_MULTI,
        Gravity.HINT,
    ),
    Rule(
        "endless-lock",
        SET_ONLY_ABSENT,
        ORDERED,
        "the key has no deadline: if its holder dies, nobody gets the lock until somebody deletes it by hand",
        "SET key token NX PX ms, with a token of the holder's own, and renew it in time",
        key_words=LOCK_WORDS,
    ),
    Rule(
        "endless-lock",
        ("set",),
        ORDERED,
        "the key has no deadline: if its holder dies, nobody gets the lock until somebody deletes it by hand",
        "SET key token NX PX ms, with a token of the holder's own, and renew it in time",
        options=("NX",),
        without=DEADLINE_OPTIONS,
        key_words=LOCK_WORDS,
    ),
    Rule(
        "lock-without-fencing",
        ("set",),
        ORDERED,
        "a holder that stands still for longer than the deadline goes on as if it still held the lock",
        "number the holders with INCR in the same keyspace, pass the number on with every request, and have what is "
        "guarded refuse a smaller number than it has seen",
        gravity=Gravity.HINT,
        options=("NX",),
    ),
    Rule(
        "deadline-apart",
        ("expire", "pexpire", "expireat", "pexpireat"),
        EVERY,
        "if the client dies, or is answered UNCERTAIN, between the two commands, the key stays without a deadline",
        "give the deadline with the write (SET … EX), or send both between MULTI and EXEC",
        Pattern.AFTER,
        after=("set", "setnx", "getset", "incr", "incrby", "append"),
        guard=Guard.MULTI,
    ),
    Rule(
        "deadline-race-on-ap",
        ("expire", "pexpire", "expireat", "pexpireat", "persist"),
        (AP,),
        "of concurrent deadlines none beats any, else the longest holds: a shorter one that the other side set is gone",
        "give the deadline with the value, and let one node set it",
        gravity=Gravity.HINT,
    ),
    Rule(
        "rename-on-ap",
        ("rename", "renamenx", "copy"),
        (AP,),
        "what is copied is the value that this replica shows; what the other side writes to the old name stays there, "
        "and the old name comes back after healing",
        "write the new name as an update of its own, or keep the keys in a cp or ca keyspace",
    ),
    Rule(
        "whole-value-on-ap",
        ("append", "setrange", "setbit", "bitfield"),
        (AP,),
        "the whole value is written: of two concurrent changes to different parts one is hidden",
        "give each part, each bit or each writer a key of its own, or keep the value in a cp or ca keyspace",
    ),
    Rule(
        "blind-retry",
        NOT_REPEATABLE,
        ORDERED,
        "after UNCERTAIN, or a lost connection, it may have happened: sent again it happens twice",
        "send it as CAP ONCE token …, and repeat it with the same token",
        Pattern.RETRIED,
    ),
    Rule(
        "blind-retry-on-ap",
        NOT_REPEATABLE,
        (AP,),
        "after a lost connection it may have happened: sent again it happens twice, and ap has no CAP ONCE",
        "write what may happen twice (SET of a whole value, a key per request), or keep it in a cp keyspace",
        Pattern.RETRIED,
    ),
    Rule(
        "client-retries",
        NOT_REPEATABLE,
        EVERY,
        "the client library sends a command again by itself when the connection breaks: it may happen twice",
        "turn it off (redis-py: retry=Retry(NoBackoff(), 0)) and retry with CAP ONCE on cp and ca",
        Pattern.CLIENT_RETRIES,
    ),
    Rule(
        "own-side-only-on-ap",
        ("dbsize", "keys", "scan", "randomkey"),
        (AP,),
        "it tells of the keys that this replica has heard of; during a cut those of the other side are missing",
        "do not decide by it what to create or delete; ask a cp keyspace, or after CAP WAIT",
        gravity=Gravity.HINT,
        takes_keys=False,
    ),
    Rule(
        "wait-on-cp",
        ("wait",),
        ORDERED,
        "the write was durable on a majority (ca: on all) before it was answered; WAIT only tells who has it",
        "leave it out",
        gravity=Gravity.HINT,
        takes_keys=False,
    ),
)
"""Every rule, in the order of docs/safety.md."""

BY_COMMAND: dict[str, tuple[Rule, ...]] = {
    command: tuple(rule for rule in RULES if command in rule.commands)
    for command in sorted({command for rule in RULES for command in rule.commands})
}
"""The rules of each command, by its name in lower case."""

SHOWN_ALONE = (Pattern.ALONE, Pattern.REPLY_USED, Pattern.RETRIED)
"""Patterns that one command can show, or at least suggest."""


def rules_of(name: str, mode: str) -> Iterator[Rule]:
    """Yield the rules of a command on a mode, whatever their pattern."""
    return (rule for rule in BY_COMMAND.get(name, ()) if mode in rule.modes)


def has_words(rule: Rule, words: Sequence[str]) -> bool:
    """Say whether the arguments of a command, in capitals, hold the words of a rule and none that it excludes."""
    return (
        all(word in words for word in rule.options)
        and (not rule.any_of or any(word in words for word in rule.any_of))
        and not any(word in words for word in rule.without)
    )


def names_use(rule: Rule, key: str) -> bool:
    """Say whether a key's name shows that it is used as the rule fears; true where the rule asks for no name."""
    return not rule.key_words or any(word in key.lower() for word in rule.key_words)


def option_words(arguments: Sequence[bytes]) -> tuple[str, ...]:
    """Return the arguments of a command (its name left out) that may be options, in capitals: not key and value."""
    return tuple(word.decode("utf-8", "backslashreplace").upper() for word in arguments[2:])


def warnings(argv: list[bytes], mode: str) -> list[str]:
    """Return what CAP EXPLAIN says beside the receipt of one command on a keyspace's mode: reason, then safe way."""
    name = argv[0].decode("utf-8", "replace").lower()
    words = option_words(argv[1:])
    found = [rule for rule in rules_of(name, mode) if rule.pattern in SHOWN_ALONE and has_words(rule, words)]
    return [f"{rule.name}: {rule.reason}; {rule.safe_way}" for rule in found]
