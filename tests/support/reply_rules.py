"""Whether two replies to a command are the same: byte for byte, but where `docs/differences.md` says otherwise.

What differs may be another number that is as good (a moment, the number of a connection), the order of keys, or which
key is drawn. Each such command has a rule here; all others are compared as bytes.
"""

import re
from collections.abc import Callable

from raw_replies import decode, parts
from trilemma.resp.reply import MapReply, NilArray

TOLERANCE_MS = 20_000
CONNECTION = re.compile(rb"(\$2\r\nid\r\n):\d+\r\n")
EVERYTHING = b"*"
NILS = (b"*-1\r\n", b"_\r\n")
HISTORIED = frozenset({b"append", b"setrange", b"incrbyfloat"})
"""What writes a string whose encoding in Redis is not that of the same value when it is set."""

Words = list[bytes]
Rule = Callable[[Words, bytes, bytes], bool]


class Comparison:
    """One sequence on one connection: what a transaction has queued, and which keys' encodings have a history."""

    def __init__(self, mode: str) -> None:
        self._flush_touches_absent = mode != "ap"
        self._queued: list[Words] = []
        self._historied: set[bytes] = set()
        self._flushes: int | None = None
        """How many flushes came since WATCH; None where nothing is watched."""
        self.has_parted = False
        """Whether only one of the two has executed a transaction, so that what follows says nothing."""
        self._drawn: tuple[bytes, bytes] | None = None
        """What RANDOMKEY answered just before, here and there."""
        self._rules: dict[bytes, Rule] = {
            **dict.fromkeys((b"ttl", b"expiretime"), _same_seconds),
            **dict.fromkeys((b"pttl", b"pexpiretime"), _same_milliseconds),
            b"hello": lambda _, ours, theirs: CONNECTION.sub(rb"\1", ours) == CONNECTION.sub(rb"\1", theirs),
            b"object encoding": self._same_encoding,
            b"object refcount": _same_count,
            b"object idletime": _same_idle_time,
            b"keys": self._same_keys,
            b"scan": _same_page,
            b"randomkey": self._same_choice,
        }

    def same(self, words: Words, ours: bytes, theirs: bytes) -> bool:
        """Judge the next replies of the sequence. A transaction's are those of the commands in it."""
        name = words[0].lower()
        if ours == theirs == b"+QUEUED\r\n":
            self._queued.append(words)
            return True
        if name == b"multi" and ours == b"+OK\r\n":
            self._queued = []
        flushes = self._flushes_before(name, ours)
        if name == b"exec" and flushes and self._flush_touches_absent and ours in NILS and theirs not in NILS:
            self.has_parted = theirs[:1] == b"*"
            return self.has_parted
        if name == b"exec" and ours[:1] == theirs[:1] == b"*":
            mine, other = parts(ours), parts(theirs)
            if mine and len(mine) == len(other) == len(self._queued):
                return self._same_transaction(mine, other)
        return self._same_one(words, ours, theirs)

    def _flushes_before(self, name: bytes, reply: bytes) -> int:
        """Return how many flushes came since the WATCH that a command ends; each may abort its transaction."""
        before = self._flushes or 0
        if name == b"watch" and reply == b"+OK\r\n":
            self._flushes = before
        elif name in (b"exec", b"discard", b"unwatch") and not reply.startswith(b"-ERR"):
            self._flushes = None
        elif name in (b"flushdb", b"flushall") and reply == b"+OK\r\n" and self._flushes is not None:
            self._flushes += 1
        return before

    def _same_transaction(self, ours: list[bytes], theirs: list[bytes]) -> bool:
        """Redis goes on in the protocol that a HELLO within it has chosen; here keys' replies are all in one."""
        has_greeted = False
        for words, mine, other in zip(self._queued, ours, theirs, strict=True):
            is_same = has_greeted and plain(decode(mine)) == plain(decode(other))
            if not self._same_one(words, mine, other) and not is_same:
                return False
            has_greeted = has_greeted or words[0].lower() == b"hello"
        return True

    def _same_one(self, words: Words, ours: bytes, theirs: bytes) -> bool:
        name = words[0].lower()
        self._note(name, words[1:])
        if name == b"object" and len(words) > 1:
            name += b" " + words[1].lower()
        rule = self._rules.get(name)
        is_same = ours == theirs or (rule is not None and rule(words, ours, theirs))
        is_drawn_from = name != b"keys" or words[1:] != [EVERYTHING] or self._draws_from(ours, theirs)
        self._drawn = (ours, theirs) if name == b"randomkey" else None
        return is_same and is_drawn_from

    def _note(self, name: bytes, rest: Words) -> None:
        if name in HISTORIED or (name in (b"copy", b"rename", b"renamenx") and self._historied & set(rest[:1])):
            self._historied.update(rest[:2])

    def _same_encoding(self, words: Words, ours: bytes, theirs: bytes) -> bool:
        """What was changed in place stays `raw`, a sum of floats `embstr`; here values have no history."""
        mine, other = decode(ours), decode(theirs)
        lost = (b"raw", b"embstr") if mine == b"int" else (b"raw",)
        return words[2] in self._historied and mine in (b"int", b"embstr") and other in lost

    def _same_keys(self, _: Words, ours: bytes, theirs: bytes) -> bool:
        mine, other = decode(ours), decode(theirs)
        return isinstance(mine, list) and isinstance(other, list) and sorted(mine) == sorted(other)  # type: ignore[type-var]

    def _same_choice(self, _: Words, ours: bytes, theirs: bytes) -> bool:
        mine, other = decode(ours), decode(theirs)
        return isinstance(mine, bytes) and isinstance(other, bytes)

    def _draws_from(self, ours: bytes, theirs: bytes) -> bool:
        """Say whether the keys are those that were drawn from, where something was drawn just before."""
        if self._drawn is None:
            return True
        return all(_holds(decode(keys), decode(key)) for key, keys in zip(self._drawn, (ours, theirs), strict=True))


def plain(reply: object) -> object:
    """Return a reply as it is in either protocol."""
    if isinstance(reply, NilArray):
        return None
    if isinstance(reply, MapReply):
        return [plain(each) for pair in reply.pairs for each in pair]
    return [plain(each) for each in reply] if isinstance(reply, list) else reply


def _holds(keys: object, key: object) -> bool:
    if not isinstance(keys, list) or not isinstance(key, bytes | None):
        return True
    return key in keys if key is not None else not keys


def _close(ours: bytes, theirs: bytes, apart: int) -> bool:
    mine, other = decode(ours), decode(theirs)
    return type(mine) is int and type(other) is int and min(mine, other) >= 0 and abs(mine - other) <= apart


def _same_seconds(_: Words, ours: bytes, theirs: bytes) -> bool:
    return _close(ours, theirs, TOLERANCE_MS // 1_000)


def _same_milliseconds(_: Words, ours: bytes, theirs: bytes) -> bool:
    return _close(ours, theirs, TOLERANCE_MS)


def _same_idle_time(_: Words, ours: bytes, theirs: bytes) -> bool:
    """In Redis small integers are one object each, idle since the server's start."""
    return ours == b":0\r\n" and _close(ours, theirs, 1 << 31)


def _same_count(_: Words, ours: bytes, theirs: bytes) -> bool:
    return ours == b":1\r\n" and _close(ours, theirs, 1 << 31)


def _same_page(_: Words, ours: bytes, theirs: bytes) -> bool:
    """One page that is the whole iteration. Redis may show a key twice."""
    mine, other = decode(ours), decode(theirs)
    if not isinstance(mine, list) or not isinstance(other, list):
        return False
    return mine[0] == other[0] == b"0" and len(mine[1]) == len(set(mine[1])) and set(mine[1]) == set(other[1])  # type: ignore[arg-type]
