"""Commands that only nodes send: the per-shard parts of whole-db commands, versions for WATCH, barriers, digests.

Their names begin with NUL; a client's command name is looked up in the public table, where none does.
"""

from trilemma.command.context import DataContext
from trilemma.command.generic import KEYS_PAGE, parse_flush, parse_keys, parse_scan
from trilemma.resp.reply import OK, Reply
from trilemma.storage import rowkey

SIZE = b"\x00SIZE"
SCAN = b"\x00SCAN"
RANDOM = b"\x00RANDOM"
KEYS = b"\x00KEYS"
PAGE = b"\x00PAGE"
ANY = b"\x00ANY"
FLUSH = b"\x00FLUSH"
VERSION = b"\x00VERSION"
HOLDS_PREFIX = b"\x00HOLDSPREFIX"
LEAD = b"\x00LEAD"
"""Hand the leadership of the shard to the node argv[1]; carried out by the shard itself."""

HELD = b"\x00HELD"
"""How many other replicas durably hold all that this one has acknowledged (WAIT), on `ap` all of its own up to its
batch argv[1]; answered by the shard itself."""

WITHOUT_DATA = frozenset((LEAD, HELD))
"""Of these commands no reply depends on any key."""

SHOWING_KEYS = frozenset((SIZE, SCAN, KEYS, PAGE, ANY, RANDOM, VERSION))
"""Of these the reply shows what keys there are, or what they hold: they read for a client, as GET does."""

FOR_CHANGES = frozenset((LEAD, HOLDS_PREFIX))
"""What reads no keys for its client: KEYSPACE LEAD, and the search of KEYSPACE CREATE."""

ONCE = b"\x00ONCE"
"""Execute argv[2:] unless the token argv[1] is known (CAP ONCE); carried out by the shard itself."""


def own_words(argv: list[bytes]) -> list[bytes]:
    """Return the words of a client's command without what CAP ONCE puts before them."""
    return argv[2:] if argv and argv[0] == ONCE else argv


POSITION = b"\x00POSITION"
"""What an `ap` replica holds, as msgpack {node: sequence} (CAP TOKEN); answered by the shard itself."""

CONFLICTS = b"\x00CONFLICTS"
"""Up to argv[1] keys with hidden concurrent SETs (CAP CONFLICTS); answered by the shard itself."""

BARRIER_PAGE_KEYS = 4_096
"""Keys looked at between two cursors while a barrier searches for a prefix."""

DBS = 16


def size(ctx: DataContext, _argv: list[bytes]) -> Reply:
    """Count the keys of the db."""
    return ctx.view.size(ctx.db)


def scan(ctx: DataContext, argv: list[bytes]) -> Reply:
    """Return [next cursor, keys] from the cursor argv[1], about argv[2] keys."""
    cursor, keys = ctx.view.scan(ctx.db, int(argv[1]), int(argv[2]))
    reply: list[Reply] = [cursor, list(keys)]
    return reply


def keys(ctx: DataContext, argv: list[bytes]) -> Reply:
    """Return the keys that match argv[1]: KEYS within a transaction."""
    request = parse_keys(argv)
    return [key for key in ctx.view.scan(ctx.db, 0, int(KEYS_PAGE))[1] if request.matches(key)]


def page(ctx: DataContext, argv: list[bytes]) -> Reply:
    """Return what SCAN within a transaction answers: its cursor is a key hash, as all keys are in one shard."""
    request = parse_scan(argv)
    cursor, found = ctx.view.scan(ctx.db, request.cursor & rowkey.HASH_MAX, request.page)
    reply: list[Reply] = [b"%d" % cursor, [key for key in found if request.matches(key)]]
    return reply


def any_key(ctx: DataContext, _argv: list[bytes]) -> Reply:
    """Return a random key: RANDOMKEY within a transaction."""
    return ctx.view.random_key(ctx.db)


def random_key(ctx: DataContext, _argv: list[bytes]) -> Reply:
    """Return [number of keys, a random one or nil]."""
    reply: list[Reply] = [ctx.view.size(ctx.db), ctx.view.random_key(ctx.db)]
    return reply


def flush(ctx: DataContext, argv: list[bytes]) -> Reply:
    """Empty the db, or all dbs where argv[1] is ALL."""
    parse_flush([argv[0], *argv[2:]])
    ctx.view.flush(None if argv[1] == b"ALL" else ctx.db)
    return OK


def version(ctx: DataContext, argv: list[bytes]) -> Reply:
    """Return the versions of the keys argv[1:], for WATCH."""
    return [ctx.view.version(ctx.db, key) for key in argv[1:]]


def holds_prefix(ctx: DataContext, argv: list[bytes]) -> Reply:
    """Say whether any db of the shard holds a key that begins with argv[1]."""
    return int(any(_db_holds(ctx, db, argv[1]) for db in range(DBS)))


def _db_holds(ctx: DataContext, db: int, prefix: bytes) -> bool:
    if ctx.view.size(db) == 0:
        return False
    cursor = 0
    while True:
        cursor, keys = ctx.view.scan(db, cursor, BARRIER_PAGE_KEYS)
        if any(key.startswith(prefix) for key in keys):
            return True
        if cursor == 0:
            return False


HANDLERS = {
    SIZE: size,
    SCAN: scan,
    KEYS: keys,
    PAGE: page,
    ANY: any_key,
    RANDOM: random_key,
    FLUSH: flush,
    VERSION: version,
    HOLDS_PREFIX: holds_prefix,
}
