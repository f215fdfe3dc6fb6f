"""Commands about all keys: they ask every shard of the db, combine, and fail whole where one part cannot answer.

A SCAN cursor is (keyspace id, key hash): stateless, valid on every node (PROMISES §3), and it stays where it is when
keyspaces are made and dropped. Id 0 is the first keyspace's too: 0 begins, and within MULTI a cursor is a hash alone.
"""

from collections.abc import Callable
from typing import Any

from trilemma.base.errors import Outcome, error, register
from trilemma.base.ids import SYSTEM_KEYSPACE, ShardId, keyspace_of
from trilemma.command.generic import KEYS_PAGE, ScanRequest, parse_flush, parse_keys, parse_scan
from trilemma.node import internal
from trilemma.node.dispatch import Dispatcher, NodeCommand
from trilemma.node.server import Server
from trilemma.node.session import Session
from trilemma.node.slots import GatherSlot
from trilemma.node.unit import Path, Result, Unit
from trilemma.resp.decode import decode_reply
from trilemma.resp.glob import literal_prefix
from trilemma.resp.reply import Reply, encode, encode_error
from trilemma.storage.rowkey import HASH_BITS, HASH_MAX

NOTHING_DONE = b"-CLUSTERDOWN "
"""How the refusal of a part begins that was not flushed and never will be."""

register(
    "flushed_in_part",
    "UNCERTAIN the keyspaces were not all flushed; flushed were: {done}; elsewhere: {first}",
    "send it again: what is flushed already stays so, what was written since goes too",
    Outcome.MAYBE,
)

WHOLE_DB_PARTS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "dbsize": lambda _argv: [internal.SIZE],
    "keys": lambda argv: [internal.KEYS, *argv[1:]],
    "scan": lambda argv: [internal.PAGE, *argv[1:]],
    "randomkey": lambda _argv: [internal.ANY],
    "flushdb": lambda argv: [internal.FLUSH, b"DB", *argv[1:]],
    "flushall": lambda argv: [internal.FLUSH, b"ALL", *argv[1:]],
}
"""What a transaction on the only shard executes in place of a whole-db command."""


class WholeDb:
    """DBSIZE, SCAN, KEYS, RANDOMKEY, FLUSHDB, FLUSHALL."""

    def __init__(self, server: Server, dispatcher: Dispatcher) -> None:
        self._server = server
        self._dispatcher = dispatcher

    def commands(self) -> dict[str, NodeCommand]:
        """Return what this object drives, by command name."""
        return {
            "dbsize": self._size,
            "scan": self._scan,
            "keys": self._keys,
            "randomkey": self._random,
            "flushdb": self._flush,
            "flushall": self._flush,
        }

    def _shards(self, pattern: bytes | None = None) -> list[ShardId]:
        """Return all shards, or those of one keyspace where the pattern's literal prefix names it."""
        if pattern is not None:
            name, colon, _ = literal_prefix(pattern).partition(b":")
            keyspace = self._server.router.named(name) if colon else None
            if keyspace is not None:
                return keyspace.shard_ids()
        return sorted(self._server.executors.user_shards())

    def _ask(
        self,
        session: Session,
        shards: list[ShardId],
        argv: list[bytes],
        is_write: bool,
        combine: Callable[[list[Any]], Reply],
    ) -> None:
        # Taken now: a keyspace may be dropped before all parts have answered.
        names = [self._server.executors.keyspace(shard).name for shard in sorted(shards)]

        def combined(replies: list[bytes]) -> bytes:
            return encode(combine([decode_reply(reply) for reply in replies]), session.protocol)

        def failed(results: list[Result]) -> bytes:
            return self._failure(names, results, is_write)

        slot = GatherSlot(session, len(shards), combined, failed)
        session.open(slot)
        session.blocked = True
        path = Path.WRITE if is_write else Path.LOGGED_READ
        for shard in shards:
            lane = session.lane(shard)
            way = Path.READ if not is_write and not lane.logged else path
            self._dispatcher.send(session, shard, Unit(way, session.db, 2, argv), slot)

    def _failure(self, names: list[str], results: list[Result], is_write: bool) -> bytes:
        """Return the reply where some part failed. `names`: of the keyspaces, in the order of the results."""
        errors = [self._error(result) for result in results]
        first = next(problem for problem in errors if problem is not None)
        if not is_write or all(problem is not None and problem.startswith(NOTHING_DONE) for problem in errors):
            return first
        done = ", ".join(name for name, problem in zip(names, errors, strict=True) if problem is None)
        text = error("flushed_in_part", done=done or "none for certain", first=first[1:].decode().strip()).text
        return encode_error(text)

    @staticmethod
    def _error(result: Result) -> bytes | None:
        reply = result[0] if type(result) is list else result
        return reply if type(reply) is bytes and reply[:1] == b"-" else None

    def _size(self, session: Session, _argv: list[bytes]) -> None:
        self._ask(session, self._shards(), [internal.SIZE], False, sum)

    def _flush(self, session: Session, argv: list[bytes]) -> None:
        parse_flush(argv)
        scope = b"ALL" if argv[0].lower() == b"flushall" else b"DB"
        self._ask(session, self._shards(), [internal.FLUSH, scope], True, lambda _: self._server.ok)

    def _random(self, session: Session, _argv: list[bytes]) -> None:
        def pick(replies: list[Any]) -> Reply:
            # Each shard in proportion to its keys, by a number that all of them had a part in drawing.
            found = [(size, key) for size, key in replies if key is not None]
            total = sum(size for size, _ in found)
            place = self._server.draw(total) if total else 0
            for size, key in found:
                if place < size:
                    return bytes(key)
                place -= size
            return None

        self._ask(session, self._shards(), [internal.RANDOM], False, pick)

    def _keys(self, session: Session, argv: list[bytes]) -> None:
        request = parse_keys(argv)
        shards = self._shards(request.pattern)

        def matching(replies: list[Any]) -> Reply:
            return [key for _, keys in replies for key in keys if request.matches(key)]

        self._ask(session, shards, [internal.SCAN, b"0", KEYS_PAGE], False, matching)

    def _scan(self, session: Session, argv: list[bytes]) -> None:
        request = parse_scan(argv)
        shards = self._shards(request.pattern)
        place = self._placed(shards, request.cursor)
        if place is None:
            empty: list[Reply] = [b"0", []]
            session.reply(encode(empty, session.protocol))
            return
        self._scan_one(session, shards, *place, request)

    @staticmethod
    def _placed(shards: list[ShardId], cursor: int) -> tuple[int, int] | None:
        """Return (place among the shards, key hash) where a cursor goes on, None behind the last shard."""
        keyspace, key_hash = cursor >> HASH_BITS, cursor & HASH_MAX
        if keyspace == SYSTEM_KEYSPACE:
            return 0, key_hash
        for place, shard in enumerate(shards):
            if keyspace_of(shard) >= keyspace:
                # Where its keyspace was dropped meanwhile, the next one is begun.
                return place, key_hash if keyspace_of(shard) == keyspace else 0
        return None

    def _scan_one(self, session: Session, shards: list[ShardId], place: int, cursor: int, request: ScanRequest) -> None:
        def page(replies: list[Any]) -> Reply:
            following, keys = replies[0]
            onward = self._onward(shards, place, following)
            reply: list[Reply] = [b"%d" % onward, [key for key in keys if request.matches(key)]]
            return reply

        argv = [internal.SCAN, b"%d" % cursor, b"%d" % request.page]
        self._ask(session, [shards[place]], argv, False, page)

    @staticmethod
    def _onward(shards: list[ShardId], place: int, following: int) -> int:
        if not following:
            place += 1
        return keyspace_of(shards[place]) << HASH_BITS | following if place < len(shards) else 0
