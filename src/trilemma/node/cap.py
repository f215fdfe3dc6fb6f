"""CAP: what was promised and what is held. EXPLAIN, DIGEST, ONCE, TOKEN, WAIT, CONFLICTS."""

from itertools import chain
from typing import cast

from trilemma.base.errors import error, register
from trilemma.base.ids import NodeId, ShardId
from trilemma.base.time import NEVER_US, US_PER_MS
from trilemma.command.arguments import integer
from trilemma.command.table import lookup_argv
from trilemma.crdt.vector import join
from trilemma.keyspace.settings import SIBLINGS_NOT_BUILT, Keyspace
from trilemma.node import internal, once
from trilemma.node.digesting import Digesting
from trilemma.node.dispatch import Dispatcher, NodeCommand
from trilemma.node.explained import ExplainSlot
from trilemma.node.far_waits import position_in
from trilemma.node.server import Server
from trilemma.node.session import Session
from trilemma.node.slots import GatherSlot
from trilemma.node.token import decode_token, encode_token
from trilemma.node.token_wait import TokenWait
from trilemma.node.unit import Path, Result, Unit
from trilemma.node.waiting import Waiting, integer_timeout
from trilemma.resp.decode import decode_reply
from trilemma.resp.reply import Reply, encode, encode_error
from trilemma.storage.port import Engine

register(
    "session_moved",
    "CLUSTERDOWN keyspace '{name}' (ap): {node} has no path to {executor}, which alone knows what it has shown to this "
    "connection since its last token; ask again later, or send RESET, which forgets what was seen",
    "ask again; or send RESET, and read again what is to be named; the last token names what was seen before it",
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
        digesting: Digesting | None = None

        def poll(_is_late: bool) -> bytes | None:
            nonlocal digesting
            if session.closing:
                if digesting is not None:
                    digesting.close()
                return b""
            digesting = digesting or self._begin_digest(wanted)
            digesting.advance(self._server.now.mono_us)
            return encode(digesting.rows, session.protocol) if digesting.is_done else None

        self._waiting.until(session, NEVER_US, poll, when=lambda: digesting.next_us if digesting else 0, at_once=False)

    def _begin_digest(self, wanted: set[str]) -> Digesting:
        executors = self._server.executors
        here = [
            shard
            for shard in executors.user_shards()
            if shard in executors.replicas and (not wanted or executors.keyspace(shard).name in wanted)
        ]
        return Digesting(executors, self._engine, here, self._server.now.mono_us)

    # Sessions

    def _seen_shards(self, session: Session) -> list[ShardId]:
        """Return the leaderless shards that are here, whichever connection has used them, for a client may have several
        (a pool); of those that are elsewhere, the ones that this session has used."""
        executors = self._server.executors
        shards = (shard for shard in executors.user_shards() if executors.keyspace(shard).is_leaderless)
        return sorted(shard for shard in shards if shard in executors.replicas or shard in session.lanes)

    def _token(self, session: Session, _argv: list[bytes]) -> None:
        """Answer with what this session may have seen: what its executors hold, once that is durable.

        Where this node has no replica of a shard the executor may have changed, and the new one may lack what the old
        one has shown. So each node that has answered since the last token is asked, and a token joins what they hold
        with what the last one named. It is refused where one of them is out of reach: no other node knows what it has
        shown.
        """
        here = [shard for shard in self._seen_shards(session) if shard in self._server.executors.replicas]
        far = [shard for shard in self._seen_shards(session) if shard not in self._server.executors.replicas]
        known = {shard: session.lane(shard).known for shard in far}
        asked = [(shard, node) for shard in far for node in session.lane(shard).shown_by]

        def combined(replies: list[bytes]) -> bytes:
            seen = {shard: dict(vector) for shard, vector in known.items() if vector}
            for shard, reply in zip(sorted([*here, *(shard for shard, _ in asked)]), replies, strict=True):
                seen[shard] = join((seen.get(shard, {}), position_in(reply)))
            for shard in far:
                session.lane(shard).was_named(seen.get(shard, {}))
            return encode(encode_token(dict(sorted(seen.items()))), session.protocol)

        if not here and not asked:
            session.reply(combined([]))
            return
        slot = GatherSlot(session, len(here) + len(asked), combined, lambda results: self._unnamed(asked, results))
        self._ask(session, here, [internal.POSITION], slot)
        for shard, node in asked:
            self._dispatcher.ask(shard, node, [internal.POSITION], slot, session.batch_us)

    def _unnamed(self, asked: list[tuple[ShardId, NodeId]], results: list[Result]) -> bytes:
        """Return the refusal of a token, some part of which is not known."""
        executors = self._server.executors
        for shard, node in asked:
            if shard in executors.routes and not executors.has_path(node):
                name, executor = executors.keyspace(shard).name, executors.name(node)
                problem = error("session_moved", name=name, node=self._server.config.name, executor=executor)
                return encode_error(problem.text)
        return _first_error(results)

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
        deadline_us = self._server.now.mono_us + timeout_ms * US_PER_MS if timeout_ms else NEVER_US
        wait = TokenWait(self._server, self._dispatcher, session, seen)
        self._waiting.until(session, deadline_us, wait.poll, when=lambda: wait.next_us)

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


def _first_error(results: list[Result]) -> bytes:
    """Return the first refusal among results, of which there is one."""
    refusals = (result for result in results if isinstance(result, bytes))
    replies = (result[0] for result in results if isinstance(result, list) and result[0][:1] == b"-")
    return next(chain(refusals, replies))
