"""CAP: what was promised and what is held. EXPLAIN, DIGEST, ONCE, TOKEN, WAIT, CONFLICTS."""

from itertools import chain
from typing import cast

import msgspec

from trilemma.base.errors import error, register
from trilemma.base.ids import NodeId, ShardId, keyspace_of
from trilemma.base.time import US_PER_MS
from trilemma.command.arguments import integer
from trilemma.command.table import lookup_argv
from trilemma.crdt.vector import covers, text
from trilemma.keyspace.settings import SIBLINGS_NOT_BUILT, Keyspace
from trilemma.node import internal, once
from trilemma.node.causal_shard import CausalShard
from trilemma.node.digest import Digest
from trilemma.node.dispatch import Dispatcher, NodeCommand, ok
from trilemma.node.explained import ExplainSlot
from trilemma.node.server import Server
from trilemma.node.session import Session
from trilemma.node.slots import GatherSlot
from trilemma.node.token import Seen, decode_token, encode_token
from trilemma.node.unit import Path, Result, Unit
from trilemma.node.waiting import Waiting, integer_timeout
from trilemma.resp.decode import decode_reply
from trilemma.resp.reply import ErrorReply, Reply, encode
from trilemma.storage.port import Engine

register("no_replica_here", "ERR keyspace '{name}' has no replica at {node}", "ask a node that has one")
register(
    "token_not_reached",
    "TRYAGAIN {node} does not hold yet what the token names: keyspace '{name}' holds {held}, the token names {wanted}",
    "send CAP WAIT again, or go to the node that gave the token",
)
register(
    "token_of_unknown",
    "TRYAGAIN {node} does not know yet of a keyspace that the token names: id {id}, of which it names {wanted}",
    "send CAP WAIT again, or go to the node that gave the token; a token of another cluster holds nowhere else",
)
register(
    "session_moved",
    "ERR no token can name what this connection has seen of keyspace '{name}': {node} has no replica of it, and more "
    "than one node has executed the connection's commands",
    "ask at a node that has a replica; or send RESET, which forgets what was seen, and read again what is to be named",
)
register("not_ap", "ERR keyspace '{name}' is {mode}: only on ap can concurrent writes be hidden", "name an ap keyspace")
register("not_positive", "ERR value is out of range, must be positive", "name a count of 1 or more")
register("siblings_not_built", f"ERR {SIBLINGS_NOT_BUILT}", "send CAP CONFLICTS keyspace")
register(
    "explain_data_only",
    "ERR CAP EXPLAIN takes a command that reads or writes keys that it names, or CAP ONCE with such a command: not "
    "KEYS, SCAN, DBSIZE and the like, nor WATCH or EXEC",
    "name such a command; of the others the pages promises.md and safety.md tell what they give",
)

WAIT_MS = 5_000
"""How long CAP WAIT waits unless it says otherwise."""

CONFLICTS_SHOWN = 100
CONFLICTS_SHOWN_MAX = 10_000

_decode_vector = msgspec.msgpack.Decoder(dict[NodeId, int]).decode


class Cap:
    """The CAP command."""

    def __init__(self, server: Server, dispatcher: Dispatcher, waiting: Waiting, engine: Engine) -> None:
        self._engine = engine
        self._server = server
        self._dispatcher = dispatcher
        self._waiting = waiting

    def commands(self) -> dict[str, NodeCommand]:
        """Return what this object drives, by command name."""
        return {
            "cap|explain": self._explain,
            "cap|digest": self._digest,
            "cap|token": self._token,
            "cap|once": self._dispatcher.once,
            "cap|wait": self._wait,
            "cap|conflicts": self._conflicts,
            "cap|siblings": self._siblings,
        }

    def _explain(self, session: Session, argv: list[bytes]) -> None:
        inner = argv[2:]
        spec = lookup_argv(inner)
        if spec.name == "cap|once":
            spec, own = once.checked(inner)
            self._dispatcher.once(session, inner, ExplainSlot(session, spec, own, is_once=True))
            return
        if spec.handler is None:
            raise error("explain_data_only")
        self._dispatcher.explained(session, spec, inner, ExplainSlot(session, spec, inner))

    def _siblings(self, _session: Session, _argv: list[bytes]) -> None:
        raise error("siblings_not_built")

    def _named(self, name: bytes) -> Keyspace:
        keyspace = self._server.router.named(name)
        if keyspace is None:
            raise error("no_keyspace", keyspace=name.decode("utf-8", "replace"))
        return keyspace

    def _digest(self, session: Session, argv: list[bytes]) -> None:
        """Answer, per shard that has a replica here: keyspace, what its rows reflect, their digest."""
        wanted = {self._named(name).name for name in argv[2:]}
        digests: list[tuple[bytes, ShardId, Digest]] = []
        for shard in self._server.executors.user_shards():
            replica = self._server.executors.replicas.get(shard)
            keyspace = self._server.executors.keyspace(shard)
            if replica is not None and (not wanted or keyspace.name in wanted):
                digests.append((keyspace.name.encode(), shard, replica.paged_digest(self._engine.read_view())))
        self._waiting.until(session, 1 << 62, lambda is_late: _digested(session, digests, is_late=is_late), works=True)

    # Sessions

    def _seen_shards(self, session: Session) -> list[ShardId]:
        """Return the leaderless shards that are here, whichever connection has used them, for a client may have several
        (a pool); of those that are elsewhere, the ones that this session has used."""
        executors = self._server.executors
        shards = (shard for shard in executors.user_shards() if executors.keyspace(shard).is_leaderless)
        return sorted(shard for shard in shards if shard in executors.replicas or shard in session.lanes)

    def _token(self, session: Session, _argv: list[bytes]) -> None:
        """Answer with what this session may have seen: what its executors hold, once that is durable.

        Where this node has no replica of a shard and the executor has changed, the new one may lack what the old one
        has shown; and the old one may be out of reach.
        """
        shards = self._seen_shards(session)
        if not shards:
            session.reply(encode(encode_token({}), session.protocol))
            return

        def combined(replies: list[bytes]) -> bytes:
            moved = next((shard for shard in shards if not session.lane(shard).is_known_whole), None)
            if moved is not None:
                name = self._server.executors.keyspace(moved).name
                text = error("session_moved", name=name, node=self._server.config.name).text
                return encode(ErrorReply(text), session.protocol)
            vectors = [_decode_vector(cast(bytes, decode_reply(reply))) for reply in replies]
            return encode(encode_token(dict(zip(shards, vectors, strict=True))), session.protocol)

        self._ask(session, shards, [internal.POSITION], GatherSlot(session, len(shards), combined, _first_error))

    def _ask(self, session: Session, shards: list[ShardId], argv: list[bytes], slot: GatherSlot) -> None:
        """Ask shards, each in the place that its session has reached there."""
        session.open(slot)
        session.blocked = True
        for shard in shards:
            self._dispatcher.send(session, shard, Unit(Path.LOGGED_READ, session.db, 2, argv), slot)

    def _wait(self, session: Session, argv: list[bytes]) -> None:
        """Answer once this node holds all that a token names: CAP WAIT token [ms]."""
        if len(argv) > 4:
            raise error("arity", command="cap|wait")
        seen = decode_token(argv[2])
        timeout_ms = integer_timeout(argv[3]) if len(argv) == 4 else WAIT_MS
        deadline_us = self._server.now.mono_us + timeout_ms * US_PER_MS if timeout_ms else 1 << 62
        self._waiting.until(session, deadline_us, lambda is_late: self._reached(session, seen, is_late=is_late))

    def _reached(self, session: Session, wanted: Seen, *, is_late: bool) -> bytes | None:
        """Return the reply of CAP WAIT, None while it has to wait. Of a keyspace that is gone nobody sees anything."""
        node, executors = self._server.config.name, self._server.executors
        for shard, vector in wanted.items():
            replica = executors.replicas.get(shard)
            if self._server.system.catalogue.is_gone(keyspace_of(shard)):
                continue
            if isinstance(replica, CausalShard):
                if covers(replica.replica.vector, vector):
                    continue
                held = text(replica.replica.vector) or "nothing"
                name = replica.keyspace.name
                problem = error("token_not_reached", node=node, name=name, held=held, wanted=text(vector))
            elif shard in executors.routes:
                problem = error("no_replica_here", name=executors.keyspace(shard).name, node=node)
                return encode(ErrorReply(problem.text), session.protocol)
            else:
                problem = error("token_of_unknown", node=node, id=keyspace_of(shard), wanted=text(vector))
            return encode(ErrorReply(problem.text), session.protocol) if is_late else None
        return ok(session)

    # What a cut has hidden

    def _conflicts(self, session: Session, argv: list[bytes]) -> None:
        """Answer, per key with concurrent SETs: db, key, the shown one, the hidden ones; each value, node, ms."""
        count = CONFLICTS_SHOWN
        if len(argv) > 3:
            if len(argv) != 5 or argv[3].upper() != b"COUNT":
                raise error("syntax")
            count = min(integer(argv[4]), CONFLICTS_SHOWN_MAX)
            if count < 1:
                raise error("not_positive")
        keyspace = self._named(argv[2])
        if not keyspace.is_leaderless:
            raise error("not_ap", name=keyspace.name, mode=keyspace.mode.value)

        def combined(replies: list[bytes]) -> bytes:
            rows = [row for reply in replies for row in cast(list[Reply], decode_reply(reply))]
            return encode(rows[:count], session.protocol)

        shards = sorted(keyspace.shard_ids())
        slot = GatherSlot(session, len(shards), combined, _first_error)
        self._ask(session, shards, [internal.CONFLICTS, b"%d" % count], slot)


def _digested(session: Session, digests: list[tuple[bytes, ShardId, Digest]], *, is_late: bool) -> bytes | None:
    """Go on with digests, one page; return the reply once all are done. Nobody waits any more where it is late."""
    left = [digest for _, _, digest in digests if not digest.is_done]
    if is_late:
        for digest in left:
            digest.close()
        return b""
    if left:
        left[0].step()
        return None
    rows: list[Reply] = []
    for name, shard, digest in digests:
        row: list[Reply] = [name, shard, digest.reflects.encode(), digest.text.encode()]
        rows.append(row)
    return encode(rows, session.protocol)


def _first_error(results: list[Result]) -> bytes:
    """Return the first refusal among results, of which there is one."""
    refusals = (result for result in results if isinstance(result, bytes))
    replies = (result[0] for result in results if isinstance(result, list) and result[0][:1] == b"-")
    return next(chain(refusals, replies))
