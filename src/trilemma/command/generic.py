"""Commands about keys of any type. Texts and order of checks are Redis 7.0's (db.c, object.c).

Whole-db commands are only parsed here; node/wholedb.py asks every shard.
"""

import re
from typing import NamedTuple

from trilemma.base.errors import error, register
from trilemma.command.arguments import db_index, integer
from trilemma.command.context import DataContext
from trilemma.resp.glob import Matcher, compile_glob
from trilemma.resp.reply import OK, Reply, Simple

register("same_object", "ERR source and destination objects are the same", "copy to another key or db")
register("invalid_cursor", "ERR invalid cursor", "begin with 0 and go on with the cursor of the last reply")
register(
    "no_lfu",
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
    "between policies at runtime LRU and LFU data will take some time to adjust.",
    "nothing is evicted here, so no access is counted",
)

_STRING = b"string"
_CURSOR = re.compile(rb"(?:([+-]?)0*(?=[0-9])|)([0-9]*)")
_CURSORS = 1 << 64
_CURSOR_DIGITS_MAX = 20  # of 2**64 - 1

KEYS_PAGE = b"1000000000"
"""The page of KEYS: all of a shard at once, as Redis does."""

SCAN_COUNT_DEFAULT = 10
SCAN_COUNT_MAX = 100_000
"""A larger COUNT would stop the node for too long; a cursor goes on where it ended."""


def del_(ctx: DataContext, argv: list[bytes]) -> Reply:
    """DEL key [key ...], and UNLINK: the engine frees memory beside the commands in any case."""
    return sum(ctx.view.delete(ctx.db, key) for key in argv[1:])


def exists(ctx: DataContext, argv: list[bytes]) -> Reply:
    """EXISTS key [key ...], and TOUCH; a key given twice counts twice."""
    return sum(ctx.view.exists(ctx.db, key) for key in argv[1:])


def type_(ctx: DataContext, argv: list[bytes]) -> Reply:
    """TYPE key."""
    return Simple((ctx.view.kind(ctx.db, argv[1]) or "none").encode())


def _move(ctx: DataContext, source: bytes, target: bytes) -> None:
    ctx.view.copy(ctx.db, source, ctx.db, target)
    ctx.view.delete(ctx.db, source)


def rename(ctx: DataContext, argv: list[bytes]) -> Reply:
    """RENAME key newkey."""
    if not ctx.view.exists(ctx.db, argv[1]):
        raise error("no_such_key")
    if argv[1] != argv[2]:
        _move(ctx, argv[1], argv[2])
    return OK


def renamenx(ctx: DataContext, argv: list[bytes]) -> Reply:
    """RENAMENX key newkey."""
    if not ctx.view.exists(ctx.db, argv[1]):
        raise error("no_such_key")
    if argv[1] == argv[2] or ctx.view.exists(ctx.db, argv[2]):
        return 0
    _move(ctx, argv[1], argv[2])
    return 1


def copy(ctx: DataContext, argv: list[bytes]) -> Reply:
    """COPY source destination [DB db] [REPLACE]."""
    db, replace = _copy_options(ctx.db, argv[3:])
    if db == ctx.db and argv[1] == argv[2]:
        raise error("same_object")
    if not ctx.view.exists(ctx.db, argv[1]):
        return 0
    if ctx.view.exists(db, argv[2]) and not replace:
        return 0
    ctx.view.copy(ctx.db, argv[1], db, argv[2])
    return 1


def _copy_options(db: int, words: list[bytes]) -> tuple[int, bool]:
    replace = False
    position = 0
    while position < len(words):
        word = words[position].upper()
        if word == b"REPLACE":
            replace = True
        elif word == b"DB" and position + 1 < len(words):
            position += 1
            db = db_index(words[position])
        else:
            raise error("syntax")
        position += 1
    return db, replace


def object_encoding(ctx: DataContext, argv: list[bytes]) -> Reply:
    """OBJECT ENCODING key."""
    encoding = ctx.view.encoding(ctx.db, argv[2])
    return None if encoding is None else encoding.encode()


def object_refcount(ctx: DataContext, argv: list[bytes]) -> Reply:
    """OBJECT REFCOUNT key: values are never shared."""
    return 1 if ctx.view.exists(ctx.db, argv[2]) else None


def object_idletime(ctx: DataContext, argv: list[bytes]) -> Reply:
    """OBJECT IDLETIME key: reads leave no trace, so every key counts as just used."""
    return 0 if ctx.view.exists(ctx.db, argv[2]) else None


def object_freq(ctx: DataContext, argv: list[bytes]) -> Reply:
    """OBJECT FREQ key."""
    if not ctx.view.exists(ctx.db, argv[2]):
        return None
    raise error("no_lfu")


class ScanRequest(NamedTuple):
    """A SCAN or KEYS command, parsed. `pattern` None: every key."""

    cursor: int
    page: int
    pattern: bytes | None
    matcher: Matcher | None
    kind: bytes | None

    def matches(self, key: bytes) -> bool:
        """Say whether a key is wanted. Every key there is holds a string."""
        return self.kind in (None, _STRING) and (self.matcher is None or self.matcher(key))


def parse_keys(argv: list[bytes]) -> ScanRequest:
    """Read KEYS pattern."""
    return ScanRequest(0, 0, argv[1], compile_glob(argv[1]), None)


def parse_scan(argv: list[bytes]) -> ScanRequest:
    """Read SCAN cursor [MATCH pattern] [COUNT count] [TYPE type].

    Raises:
        ReplyError: invalid_cursor, syntax, not_integer.
    """
    cursor = _cursor(argv[1])
    count, pattern, kind = SCAN_COUNT_DEFAULT, None, None
    words = argv[2:]
    for word, value in zip(words[::2], [*words[1::2], None], strict=False):
        if value is None:
            raise error("syntax")
        option = word.upper()
        if option == b"COUNT":
            count = integer(value)
            if count < 1:
                raise error("syntax")
        elif option == b"MATCH":
            pattern = value
        elif option == b"TYPE":
            kind = value.lower()
        else:
            raise error("syntax")
    matcher = None if pattern is None else compile_glob(pattern)
    return ScanRequest(cursor, min(count, SCAN_COUNT_MAX), pattern, matcher, kind)


def _cursor(word: bytes) -> int:
    """Read a cursor as strtoul does: signs wrap, nothing is 0."""
    found = _CURSOR.fullmatch(word)
    if found is None or len(found[2]) > _CURSOR_DIGITS_MAX:
        raise error("invalid_cursor")
    cursor = int(found[2] or b"0")
    if cursor >= _CURSORS:
        raise error("invalid_cursor")
    return -cursor % _CURSORS if found[1] == b"-" else cursor


def parse_flush(argv: list[bytes]) -> None:
    """Read FLUSHDB or FLUSHALL [ASYNC|SYNC]; both are done when the reply comes.

    Raises:
        ReplyError: syntax.
    """
    if len(argv) > 2 or (len(argv) == 2 and argv[1].upper() not in (b"ASYNC", b"SYNC")):
        raise error("syntax")
