"""The string commands. Texts and order of checks are Redis 7.0's (t_string.c)."""

from dataclasses import dataclass

from trilemma.base.errors import error, register
from trilemma.base.limits import VALUE_BYTES_MAX
from trilemma.command.arguments import INT64_MIN, deadline_ms, integer
from trilemma.command.context import DataContext
from trilemma.resp.longdouble import parse_long_double
from trilemma.resp.reply import OK, Reply

register("offset_range", "ERR offset is out of range", "offsets begin at 0")
register(
    "string_too_long",
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
    "keep values under proto-max-bulk-len",
)
register("decrement_overflow", "ERR decrement would overflow", "the value stays as it was")

_EXPIRY_OPTIONS = (b"EX", b"PX", b"EXAT", b"PXAT")


@dataclass(slots=True)
class _Options:
    """SET's and GETEX' options."""

    only_new: bool = False
    only_existing: bool = False
    get: bool = False
    keep_ttl: bool = False
    persist: bool = False
    unit: bytes = b""
    time: bytes = b""


def _parse_options(words: list[bytes], is_set: bool) -> _Options:
    options = _Options()
    position = 0
    while position < len(words):
        word = words[position].upper()
        if word in _EXPIRY_OPTIONS and position + 1 < len(words) and not (options.keep_ttl or options.persist):
            if options.unit not in (b"", word):
                raise error("syntax")
            options.unit, options.time = word, words[position + 1]
            position += 1
        elif not (_take_set_option(options, word) if is_set else _take_getex_option(options, word)):
            raise error("syntax")
        position += 1
    return options


def _take_set_option(options: _Options, word: bytes) -> bool:
    if word == b"NX" and not options.only_existing:
        options.only_new = True
    elif word == b"XX" and not options.only_new:
        options.only_existing = True
    elif word == b"GET":
        options.get = True
    elif word == b"KEEPTTL" and not options.unit:
        options.keep_ttl = True
    else:
        return False
    return True


def _take_getex_option(options: _Options, word: bytes) -> bool:
    if word != b"PERSIST" or options.unit:
        return False
    options.persist = True
    return True


def set_(ctx: DataContext, argv: list[bytes]) -> Reply:
    """SET key value [NX|XX] [GET] [EX|PX|EXAT|PXAT time|KEEPTTL]."""
    if len(argv) == 3:
        ctx.view.set_string(ctx.db, argv[1], argv[2], None)
        return OK
    view, key = ctx.view, argv[1]
    options = _parse_options(argv[3:], is_set=True)
    deadline = deadline_ms("set", options.unit, options.time, view.now_ms) if options.unit else None
    old = view.string(ctx.db, key) if options.get else None
    if (options.only_new or options.only_existing) and view.exists(ctx.db, key) == options.only_new:
        return old
    if options.keep_ttl:
        view.edit_string(ctx.db, key, argv[2])
    else:
        view.set_string(ctx.db, key, argv[2], deadline)
    return old if options.get else OK


def setnx(ctx: DataContext, argv: list[bytes]) -> Reply:
    """SETNX key value."""
    if ctx.view.exists(ctx.db, argv[1]):
        return 0
    ctx.view.set_string(ctx.db, argv[1], argv[2], None)
    return 1


def setex(ctx: DataContext, argv: list[bytes]) -> Reply:
    """SETEX key seconds value."""
    ctx.view.set_string(ctx.db, argv[1], argv[3], deadline_ms("setex", b"EX", argv[2], ctx.view.now_ms))
    return OK


def psetex(ctx: DataContext, argv: list[bytes]) -> Reply:
    """PSETEX key milliseconds value."""
    ctx.view.set_string(ctx.db, argv[1], argv[3], deadline_ms("psetex", b"PX", argv[2], ctx.view.now_ms))
    return OK


def get(ctx: DataContext, argv: list[bytes]) -> Reply:
    """GET key."""
    return ctx.view.string(ctx.db, argv[1])


def getset(ctx: DataContext, argv: list[bytes]) -> Reply:
    """GETSET key value."""
    old = ctx.view.string(ctx.db, argv[1])
    ctx.view.set_string(ctx.db, argv[1], argv[2], None)
    return old


def getdel(ctx: DataContext, argv: list[bytes]) -> Reply:
    """GETDEL key."""
    old = ctx.view.string(ctx.db, argv[1])
    if old is not None:
        ctx.view.delete(ctx.db, argv[1])
    return old


def getex(ctx: DataContext, argv: list[bytes]) -> Reply:
    """GETEX key [EX|PX|EXAT|PXAT time|PERSIST]."""
    options = _parse_options(argv[2:], is_set=False)
    value = ctx.view.string(ctx.db, argv[1])
    if value is None:
        return None
    if options.unit:
        deadline = deadline_ms("getex", options.unit, options.time, ctx.view.now_ms)
        ctx.view.set_deadline(ctx.db, argv[1], deadline)
    elif options.persist and ctx.view.deadline_ms(ctx.db, argv[1]) is not None:
        ctx.view.set_deadline(ctx.db, argv[1], None)
    return value


def mget(ctx: DataContext, argv: list[bytes]) -> Reply:
    """MGET key [key ...]."""
    return list(ctx.view.strings(ctx.db, argv[1:]))


def _pairs(command: str, argv: list[bytes]) -> list[tuple[bytes, bytes]]:
    if len(argv) % 2 == 0:
        raise error("arity", command=command)
    return list(zip(argv[1::2], argv[2::2], strict=True))


def mset(ctx: DataContext, argv: list[bytes]) -> Reply:
    """MSET key value [key value ...]."""
    for key, value in _pairs("mset", argv):
        ctx.view.set_string(ctx.db, key, value, None)
    return OK


def msetnx(ctx: DataContext, argv: list[bytes]) -> Reply:
    """MSETNX key value [key value ...]."""
    pairs = _pairs("msetnx", argv)
    if any(ctx.view.exists(ctx.db, key) for key, _ in pairs):
        return 0
    for key, value in pairs:
        ctx.view.set_string(ctx.db, key, value, None)
    return 1


def _check_length(length: int) -> None:
    if length > VALUE_BYTES_MAX:
        raise error("string_too_long")


def append(ctx: DataContext, argv: list[bytes]) -> Reply:
    """APPEND key value."""
    old = ctx.view.glimpse(ctx.db, argv[1])
    value = argv[2] if old is None else b"".join((old, argv[2]))
    _check_length(len(value))
    ctx.view.edit_string(ctx.db, argv[1], value)
    return len(value)


def strlen(ctx: DataContext, argv: list[bytes]) -> Reply:
    """STRLEN key."""
    return len(ctx.view.glimpse(ctx.db, argv[1]) or b"")


def setrange(ctx: DataContext, argv: list[bytes]) -> Reply:
    """SETRANGE key offset value."""
    offset, patch = integer(argv[2]), argv[3]
    if offset < 0:
        raise error("offset_range")
    old = ctx.view.glimpse(ctx.db, argv[1]) or memoryview(b"")
    if not patch:
        return len(old)
    _check_length(offset + len(patch))
    gap = bytes(max(offset - len(old), 0))
    value = b"".join((old[:offset], gap, patch, old[offset + len(patch) :]))
    ctx.view.edit_string(ctx.db, argv[1], value)
    return len(value)


def getrange(ctx: DataContext, argv: list[bytes]) -> Reply:
    """GETRANGE key start end (SUBSTR is its old name)."""
    start, end = integer(argv[2]), integer(argv[3])
    value = ctx.view.glimpse(ctx.db, argv[1]) or b""
    if start < 0 and end < 0 and start > end:
        return b""
    start = max(start + len(value), 0) if start < 0 else start
    end = max(end + len(value), 0) if end < 0 else end
    return bytes(value[start : end + 1])


def incr(ctx: DataContext, argv: list[bytes]) -> Reply:
    """INCR key."""
    return ctx.view.add_integer(ctx.db, argv[1], 1)


def decr(ctx: DataContext, argv: list[bytes]) -> Reply:
    """DECR key."""
    return ctx.view.add_integer(ctx.db, argv[1], -1)


def incrby(ctx: DataContext, argv: list[bytes]) -> Reply:
    """INCRBY key increment."""
    return ctx.view.add_integer(ctx.db, argv[1], integer(argv[2]))


def decrby(ctx: DataContext, argv: list[bytes]) -> Reply:
    """DECRBY key decrement."""
    amount = integer(argv[2])
    if amount == INT64_MIN:
        raise error("decrement_overflow")
    return ctx.view.add_integer(ctx.db, argv[1], -amount)


def incrbyfloat(ctx: DataContext, argv: list[bytes]) -> Reply:
    """INCRBYFLOAT key increment."""
    ctx.view.glimpse(ctx.db, argv[1])  # a wrong type is reported before a bad increment
    if parse_long_double(argv[2]) is None:
        raise error("not_float")
    return ctx.view.add_float(ctx.db, argv[1], argv[2])
