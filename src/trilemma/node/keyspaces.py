"""KEYSPACE CREATE, ALTER, DROP, LIST, INFO, HELP."""

import msgspec

from trilemma.base.errors import error, register
from trilemma.base.ids import NodeId, ShardId
from trilemma.command.keyspace import RESERVED, KeyspaceOptions, parse_alter, parse_create
from trilemma.keyspace import settings
from trilemma.keyspace.catalogue import ALTERABLE, Alter, Prepare
from trilemma.keyspace.settings import Keyspace, Mode
from trilemma.node import internal
from trilemma.node.change import ChangeSlot
from trilemma.node.dispatch import Dispatcher, NodeCommand
from trilemma.node.route import deadline_us
from trilemma.node.server import Server
from trilemma.node.session import Session
from trilemma.node.slot import Slot
from trilemma.node.unit import Path, Unit
from trilemma.resp.reply import MapReply, Reply, encode

register("keyspace_exists", "ERR keyspace '{keyspace}' exists already", "choose another name, or ALTER it")
register("no_node", "ERR no node '{name}': the nodes are {names}", "name one of them")
register(
    "no_leader",
    "ERR nobody leads keyspace '{keyspace}': on ap every replica takes writes",
    "name a cp or ca keyspace; an ap keyspace needs no hand-over",
)
register(
    "no_replica_there",
    "ERR {name} cannot lead keyspace '{keyspace}': its replicas are on {names}",
    "name one that does, see KEYSPACE INFO",
)
register(
    "keyspace_ids",
    "ERR keyspace '{keyspace}': no ids are left for further keyspaces; nothing was changed",
    "use those that there are: ids are never used twice, see limits.md",
)
register("keyspace_kept", "ERR keyspace '{keyspace}' cannot be dropped", "it takes every key that names no other one")


class Keyspaces:
    """The KEYSPACE command, and the changes under way that this node coordinates."""

    def __init__(self, server: Server, dispatcher: Dispatcher) -> None:
        self._server = server
        self._dispatcher = dispatcher
        self._changes: list[ChangeSlot] = []

    def commands(self) -> dict[str, NodeCommand]:
        """Return what this object drives, by command name."""
        return {
            "keyspace|create": self._create,
            "keyspace|alter": self._alter,
            "keyspace|drop": self._drop,
            "keyspace|lead": self._lead,
            "keyspace|list": self._list,
            "keyspace|info": self._info,
        }

    def advance(self) -> None:
        """Answer changes that every member has taken into use, or that took too long."""
        if self._changes:
            applied, mono_us = self._server.applied_everywhere(), self._server.now.mono_us
            self._changes = [change for change in self._changes if not change.advance(applied, mono_us)]

    @property
    def owes(self) -> bool:
        """Say whether a change is not answered."""
        return bool(self._changes)

    @property
    def next_deadline_us(self) -> int | None:
        """When `advance` has to be called, though nothing happens, for a change to be answered in time; None: never."""
        if not self._changes:
            return None
        return min((by_us for change in self._changes if (by_us := change.answer_by_us) is not None), default=None)

    def _named(self, name: bytes) -> Keyspace:
        if name == RESERVED:
            raise error("keyspace_reserved", name=name.decode())
        keyspace = self._server.router.named(name)
        if keyspace is None:
            raise error("no_keyspace", keyspace=name.decode("utf-8", "replace"))
        return keyspace

    def _create(self, session: Session, argv: list[bytes]) -> None:
        options = parse_create(argv)
        if self._server.router.named(options.name.encode()) is not None:
            raise error("keyspace_exists", keyspace=options.name)
        if self._server.system.catalogue.is_out_of_ids:
            raise error("keyspace_ids", keyspace=options.name)
        keyspace = settings.make(
            # A guess, as another change may come first: the id is given where the entry is applied.
            self._server.system.catalogue.next_id,
            options.name,
            Mode(options.mode),
            self._place(options),
            write=options.write,
            read=options.read,
            durability=options.durability,
            timeout_ms=options.timeout_ms,
        )
        hidden = self._server.router.named(b"default")
        shards = [] if hidden is None else hidden.shard_ids()
        self._begin(session, Prepare(keyspace, drops=False), shards)

    def _place(self, options: KeyspaceOptions) -> tuple[int, ...]:
        members = tuple(sorted(member.id for member in self._server.config.members))
        count = len(members) if options.replicas is None else options.replicas
        if not 1 <= count <= len(members):
            raise settings.refuse(options.name, f"REPLICAS is 1 to {len(members)}, the number of nodes, not '{count}'")
        return members[:count]

    def _alter(self, session: Session, argv: list[bytes]) -> None:
        options = parse_alter(argv)
        known = self._named(options.name.encode())
        named = {name: value for name in ALTERABLE if (value := getattr(options, name)) is not None}
        changed = msgspec.structs.replace(known, **named)
        settings.check(changed)
        self._begin(session, Alter(changed, tuple(named)), [])

    def _drop(self, session: Session, argv: list[bytes]) -> None:
        known = self._named(argv[2])
        if known.name == "default":
            raise error("keyspace_kept", keyspace=known.name)
        self._begin(session, Prepare(known, drops=True), [])

    def _begin(self, session: Session, change: Prepare | Alter, searched: list[ShardId]) -> None:
        def ask(slot: Slot, shard: ShardId, unit: Unit) -> None:
            self._dispatcher.send(session, shard, unit, slot)

        system = self._server.system.keyspace
        slot = ChangeSlot(session, change, system, searched, ask, deadline_us(system, session.batch_us))
        session.open(slot)
        self._changes.append(slot)
        slot.begin()

    def _lead(self, session: Session, argv: list[bytes]) -> None:
        """Begin to hand the leadership to a node; it leads a moment later."""
        known = self._named(argv[2])
        heir = self._heir(known, argv[3].decode("utf-8", "replace"))
        unit = Unit(Path.READ, 0, session.protocol, [internal.LEAD, b"%d" % heir])
        self._dispatcher.send(session, known.shard_ids()[0], unit, session.slot())

    def _heir(self, keyspace: Keyspace, wanted: str) -> NodeId:
        """Return the node of a name that could lead a keyspace; whether it can now, its leader judges."""
        config = self._server.config
        heir = next((member.id for member in config.members if member.name == wanted), None)
        if heir is None:
            raise error("no_node", name=wanted, names=", ".join(member.name for member in config.members))
        if keyspace.is_leaderless:
            raise error("no_leader", keyspace=keyspace.name)
        if heir not in keyspace.replicas:
            names = " and ".join(config.member_name(node) for node in keyspace.replicas)
            raise error("no_replica_there", keyspace=keyspace.name, name=wanted, names=names)
        return heir

    def _list(self, session: Session, _argv: list[bytes]) -> None:
        names: Reply = [keyspace.name.encode() for keyspace in self._server.router.keyspaces]
        session.reply(encode(names, session.protocol))

    def _info(self, session: Session, argv: list[bytes]) -> None:
        session.reply(encode(self._described(self._named(argv[2])), session.protocol))

    def _described(self, keyspace: Keyspace) -> MapReply:
        name = self._server.config.member_name
        return MapReply(
            (
                (b"name", keyspace.name.encode()),
                (b"id", keyspace.id),
                (b"mode", keyspace.mode.value.encode()),
                (b"replicas", [name(node).encode() for node in keyspace.replicas]),
                (b"shards", keyspace.shards),
                (b"write", keyspace.write.encode()),
                (b"read", keyspace.read.encode()),
                (b"durability", keyspace.durability.encode()),
                (b"timeout-ms", keyspace.timeout_ms),
                (b"leaders", self._leaders(keyspace)),
            )
        )

    def _leaders(self, keyspace: Keyspace) -> list[Reply]:
        """Return who leads each shard, nobody for an `ap` keyspace."""
        return [] if keyspace.is_leaderless else [self._leader(shard) for shard in keyspace.shard_ids()]

    def _leader(self, shard: ShardId) -> bytes | None:
        executors = self._server.executors
        target = executors.local_target(shard) or executors.remote_target(shard)
        return None if target is None else self._server.config.member_name(target[0]).encode()
