"""MULTI, EXEC, DISCARD, WATCH, UNWATCH: one unit for one shard; commands of the session alone run in their places."""

from collections.abc import Callable
from typing import cast

from trilemma.base.errors import error, register
from trilemma.base.ids import ShardId
from trilemma.command.arguments import selected_db
from trilemma.command.spec import SessionHandler
from trilemma.command.table import keys_of
from trilemma.node import internal, refusal
from trilemma.node.defect import DEFECTS
from trilemma.node.dispatch import Dispatcher, NodeCommand, ok
from trilemma.node.request import Request
from trilemma.node.server import Server
from trilemma.node.session import Multi, Queued, Session
from trilemma.node.slot import Slot
from trilemma.node.slots import TransactionSlot
from trilemma.node.unit import Part, Path, Result, Unit, Watch
from trilemma.node.wholedb import WHOLE_DB_PARTS
from trilemma.resp.decode import decode_reply
from trilemma.resp.reply import ErrorReply, encode

register("nested_multi", "ERR MULTI calls can not be nested", "send EXEC or DISCARD first")
register("discard_without_multi", "ERR DISCARD without MULTI", "send MULTI first")
register("watch_in_multi", "ERR WATCH inside MULTI is not allowed", "send WATCH before MULTI")


class WatchSlot(Slot):
    """WATCH's reply: notes the versions of the keys once the shard has told them."""

    __slots__ = ("_keys", "_shard")

    def __init__(self, session: Session, shard: ShardId, keys: list[bytes]) -> None:
        super().__init__(session)
        self._shard = shard
        self._keys = keys

    def result(self, request: Request, result: Result, token: int) -> None:
        """Be the sink of the version request."""
        self.request = request
        self.session.blocked = False
        reply = result[0] if type(result) is list else result
        if type(reply) is not bytes or reply[:1] == b"-":
            self.fill(reply if type(reply) is bytes else refusal.not_executed(), token)
            return
        try:
            versions = cast(list[int], decode_reply(reply))
            watches = [Watch(request.unit.db, key, version) for key, version in zip(self._keys, versions, strict=True)]
        except DEFECTS as problem:
            self.fill(self.broken(problem, "defect_before"), token)
            return
        self.session.watches.extend((self._shard, watch) for watch in watches)
        self.fill(ok(self.session), token)


class Transactions:
    """The transaction commands of all sessions."""

    def __init__(self, server: Server, dispatcher: Dispatcher, alone: dict[str, SessionHandler]) -> None:
        self._server = server
        self._dispatcher = dispatcher
        self._alone = alone
        """Node commands that a transaction answers in the session alone."""

    def commands(self) -> dict[str, NodeCommand]:
        """Return what this object drives, by command name."""
        return {
            "multi": self._multi,
            "exec": self._exec,
            "discard": self._discard,
            "watch": self._watch,
            "unwatch": self._unwatch,
        }

    def _multi(self, session: Session, _argv: list[bytes]) -> None:
        if session.multi is not None:
            # Redis answers the error and lets the transaction go on.
            session.reply(encode(ErrorReply(error("nested_multi").text), session.protocol))
            return
        session.multi = Multi()
        session.reply(ok(session))

    def _discard(self, session: Session, _argv: list[bytes]) -> None:
        if session.multi is None:
            raise error("discard_without_multi")
        session.multi = None
        session.watches.clear()
        session.reply(ok(session))

    def _unwatch(self, session: Session, _argv: list[bytes]) -> None:
        session.watches.clear()
        session.reply(ok(session))

    def _watch(self, session: Session, argv: list[bytes]) -> None:
        if session.multi is not None:
            session.reply(encode(ErrorReply(error("watch_in_multi").text), session.protocol))
            return
        keys = argv[1:]
        shard = self._server.router.shard_of_all(keys)
        slot = WatchSlot(session, shard, keys)
        session.open(slot)
        session.blocked = True
        unit = Unit(Path.LOGGED_READ, session.db, 2, [internal.VERSION, *keys])
        self._dispatcher.send(session, shard, unit, slot)

    def _exec(self, session: Session, argv: list[bytes]) -> None:
        multi, session.multi = session.multi, None
        if multi is None:
            raise error("exec_without_multi")
        watches, session.watches = session.watches, []
        if multi.aborted:
            raise error("exec_abort")
        told = self._server.monitors.transaction(session, multi.queue, argv)
        if any(self._has_moved(shard, watch) for shard, watch in watches):
            slot = TransactionSlot(session, [], told)
            session.open(slot)
            slot.leave_out()
            return
        parts, local, shards = self._plan(session, multi)
        shards |= {shard for shard, _ in watches}
        if len(shards) > 1:
            raise error("cross_slot")
        slot = TransactionSlot(session, local, told)
        session.open(slot)
        if not shards:
            slot.finish_locally()
            return
        session.blocked = True
        session.last_write_shard = min(shards)
        # One that only reads keeps its place in the log, but is refused only where reads are.
        path = Path.WRITE if any(queued.spec.is_write for queued in multi.queue) else Path.LOGGED_READ
        unit = Unit(path, session.db, session.protocol, [], parts, [watch for _, watch in watches])
        self._dispatcher.send(session, shards.pop(), unit, slot)

    def _has_moved(self, shard: ShardId, watch: Watch) -> bool:
        """Say whether a watched key lives elsewhere by now: a keyspace was dropped or created, so it has changed."""
        return self._server.router.shard_of(watch.key) != shard

    def _plan(
        self, session: Session, multi: Multi
    ) -> tuple[list[Part], list[Callable[[], bytes] | None], set[ShardId]]:
        """Sort the queued commands into those for a shard and those that concern the session alone."""
        parts: list[Part] = []
        local: list[Callable[[], bytes] | None] = []
        shards: set[ShardId] = set()
        db = session.db
        for queued in multi.queue:
            shard, argv = self._part(queued)
            if shard is None:
                local.append(self._local(session, queued))
                if queued.spec.name == "select":
                    db = selected_db(queued.argv[1], db)
                continue
            shards.add(shard)
            parts.append(Part(db, argv))
            local.append(None)
        return parts, local, shards

    def _part(self, queued: Queued) -> tuple[ShardId | None, list[bytes]]:
        """Return the shard that a queued command goes to, and what is executed there; no shard for a local one."""
        if queued.spec.handler is not None:
            return self._server.router.shard_of_all(keys_of(queued.spec, queued.argv)), queued.argv
        whole_db = WHOLE_DB_PARTS.get(queued.spec.name)
        if whole_db is not None:
            shards = list(self._server.executors.user_shards())
            if len(shards) > 1:
                raise error("cross_slot")
            return shards[0], whole_db(queued.argv)
        return None, queued.argv

    def _local(self, session: Session, queued: Queued) -> Callable[[], bytes]:
        handler = queued.spec.session_handler or self._alone.get(queued.spec.name)
        if handler is None:
            raise error("not_in_multi")

        def run() -> bytes:
            return self._server.run_local(session, handler, queued.argv)

        return run
