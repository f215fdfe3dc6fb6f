"""Commands about the time a key has to live. Texts and order of checks are Redis 7.0's (expire.c)."""

from collections.abc import Callable

from trilemma.base.errors import error, register
from trilemma.command.arguments import MS_PER_S, absolute_ms, integer
from trilemma.command.context import DataContext
from trilemma.resp.reply import Reply

register("expire_option", "ERR Unsupported option {option}", "use NX, XX, GT or LT")
register(
    "expire_nx",
    "ERR NX and XX, GT or LT options at the same time are not compatible",
    "NX stands alone",
)
register("expire_gt_lt", "ERR GT and LT options at the same time are not compatible", "choose one of the two")

_OPTIONS = (b"NX", b"XX", b"GT", b"LT")
_ABSENT, _ENDLESS = -2, -1


def _options(words: list[bytes]) -> set[bytes]:
    options = set()
    for word in words:
        option = word.upper()
        if option not in _OPTIONS:
            raise error("expire_option", option=word.decode("utf-8", "surrogateescape"))
        options.add(option)
    if b"NX" in options and len(options) > 1:
        raise error("expire_nx")
    if {b"GT", b"LT"} <= options:
        raise error("expire_gt_lt")
    return options


def _is_allowed(options: set[bytes], old_ms: int | None, new_ms: int) -> bool:
    """Judge NX, XX, GT, LT; a key without a deadline counts as one that lives for ever."""
    if b"NX" in options and old_ms is not None:
        return False
    if b"XX" in options and old_ms is None:
        return False
    if b"GT" in options and (old_ms is None or new_ms <= old_ms):
        return False
    return not (b"LT" in options and old_ms is not None and new_ms >= old_ms)


def _expire(command: str, in_seconds: bool, is_relative: bool) -> Callable[[DataContext, list[bytes]], Reply]:
    def run(ctx: DataContext, argv: list[bytes]) -> Reply:
        view, key = ctx.view, argv[1]
        options = _options(argv[3:])
        deadline_ms = absolute_ms(command, integer(argv[2]), in_seconds, is_relative, view.now_ms)
        if not view.exists(ctx.db, key) or not _is_allowed(options, view.deadline_ms(ctx.db, key), deadline_ms):
            return 0
        view.set_deadline(ctx.db, key, deadline_ms)
        return 1

    return run


expire = _expire("expire", in_seconds=True, is_relative=True)
pexpire = _expire("pexpire", in_seconds=False, is_relative=True)
expireat = _expire("expireat", in_seconds=True, is_relative=False)
pexpireat = _expire("pexpireat", in_seconds=False, is_relative=False)


def _time_left(in_seconds: bool, is_relative: bool) -> Callable[[DataContext, list[bytes]], Reply]:
    def run(ctx: DataContext, argv: list[bytes]) -> Reply:
        if not ctx.view.exists(ctx.db, argv[1]):
            return _ABSENT
        deadline_ms = ctx.view.deadline_ms(ctx.db, argv[1])
        if deadline_ms is None:
            return _ENDLESS
        left_ms = max(deadline_ms - ctx.view.ttl_now_ms, 0) if is_relative else deadline_ms
        return (left_ms + MS_PER_S // 2) // MS_PER_S if in_seconds else left_ms

    return run


ttl = _time_left(in_seconds=True, is_relative=True)
pttl = _time_left(in_seconds=False, is_relative=True)
expiretime = _time_left(in_seconds=True, is_relative=False)
pexpiretime = _time_left(in_seconds=False, is_relative=False)


def persist(ctx: DataContext, argv: list[bytes]) -> Reply:
    """PERSIST key."""
    if ctx.view.deadline_ms(ctx.db, argv[1]) is None:
        return 0
    ctx.view.set_deadline(ctx.db, argv[1], None)
    return 1
