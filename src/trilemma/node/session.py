"""One client connection: its settings, its MULTI, what it watches, what it has sent. Its replies are in `replies`."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from trilemma.base.ids import ConnId, ShardId
from trilemma.base.limits import MIB, limit
from trilemma.command.table import CommandSpec
from trilemma.node.replies import Replies
from trilemma.node.request import Lane
from trilemma.node.slot import Slot
from trilemma.node.unit import Watch
from trilemma.resp.request import RequestParser

INPUT_PAUSE_BYTES = limit(
    "client_input_pause_bytes",
    MIB,
    "bytes",
    "commands that cannot be begun yet are held in memory",
    "nothing more is read from the client until they are begun",
)


THIS_TURN_US = -1
"""In place of a time: this turn's, which is not known while its inputs are taken in (node/clients.py puts it in)."""


@dataclass(slots=True)
class Queued:
    """One command queued after MULTI."""

    spec: CommandSpec
    argv: list[bytes]


@dataclass(slots=True)
class Multi:
    """A transaction being queued. `aborted`: EXEC will answer EXECABORT."""

    queue: list[Queued] = field(default_factory=list)
    bytes: int = 0
    aborted: bool = False


class Session(Replies):
    """A connection's state. `touched` tells the node that it has something to send or to go on with."""

    def __init__(self, conn: ConnId, address: str, local_address: str, on_touch: Callable[["Session"], None]) -> None:
        super().__init__()
        self.id = conn
        self.address = address
        self.local_address = local_address
        self.db = 0
        self.protocol = 2
        self.name = b""
        self.library_name = b""
        self.library_version = b""
        self.no_evict = False
        self.readonly = False
        self.created_us = 0
        self.active_us = 0
        self.received_us: int | None = None
        """When the first byte came that the parser was not asked about yet; None where there is none."""
        self.batch_us = 0
        """When the commands that are being dispatched were received: TIMEOUT counts from here."""
        self.begun_us: int | None = None
        """When the last byte came of a request that has not come whole; None where there is no such request."""
        self.last_command = ""
        self.wrong_passwords = 0
        """Given since the last right one."""
        self.is_spare = False
        """Whether it is one more connection than `maxclients` (node/spare.py)."""
        self.closing = False
        """Close once the replies so far have left; nothing more is read."""
        self.why_closed = ""
        """What the log says of it; empty where the client, or an administrator, wants it closed."""
        self.has_ended = False
        """Whether the client sends nothing more; it may still read."""
        self.is_gone = False
        """Whether the connection has ended."""
        self.parser = RequestParser()
        self.commands: deque[list[bytes]] = deque()
        """Parsed, not yet dispatched."""
        self.writes_ahead: bool | None = None
        """Whether a write is among `commands`; None where nobody has looked."""
        self.blocked = False
        """Whether a command must be answered before the next one may begin."""
        self.is_waiting = False
        """Whether the next command has to wait until some reply is filled in."""
        self.multi: Multi | None = None
        self.watches: list[tuple[ShardId, Watch]] = []
        self.lanes: dict[ShardId, Lane] = {}
        self.explained: dict[tuple[int, bytes], tuple[str, ...]] = {}
        """By db and key, the commands that CAP EXPLAIN was asked about lately."""
        self.last_write_shard: ShardId | None = None
        self.is_touched = False
        self.is_stalled = False
        """Whether the client does not read its replies: no further command of it is begun."""
        self.is_paused = False
        """Whether nothing is read from the client for now."""
        self.is_monitoring = False
        """Whether it is sent what the node's clients send (node/monitor.py)."""
        self.input_bytes = 0
        """Bytes received since no command was waiting to be begun."""
        self.on_reset: Callable[[Session], None] = lambda _: None
        self.on_defect: Callable[[str], None] = lambda _: None
        """Told what broke while a reply was made."""
        self.registered_token = 0
        """By which token the session is to be looked at again, because its next reply waits for it; 0 for none."""
        self._on_touch = on_touch

    @property
    def authenticated(self) -> bool:
        """Whether the client has proven itself; until then requests are parsed under tight bounds."""
        return self.parser.authenticated

    @authenticated.setter
    def authenticated(self, proven: bool) -> None:
        self.parser.authenticated = proven

    @property
    def queued(self) -> int:
        """The number of commands queued after MULTI, -1 outside of it."""
        return -1 if self.multi is None else len(self.multi.queue)

    @property
    def watched(self) -> int:
        """The number of keys watched."""
        return len(self.watches)

    def reset(self) -> None:
        """Go back to the state of a fresh connection; whoever owns it decides anew whether it is authenticated."""
        self.multi = None
        self.watches.clear()
        self.explained.clear()
        for lane in self.lanes.values():
            lane.forget()
        self.db, self.protocol = 0, 2
        self.name = b""
        self.readonly = self.no_evict = False
        self.on_reset(self)

    def begin_waiting(self, mono_us: int) -> None:
        """Count TIMEOUT from now on for what has come.

        It bounds how long the store keeps a client waiting; until now the client wanted that, or kept itself waiting.
        """
        self.batch_us = mono_us
        if self.received_us is not None:
            self.received_us = mono_us

    def close(self, why: str = "") -> None:
        """End the connection once its replies so far have left; `why`: see `why_closed`."""
        self.closing = True
        self.why_closed = why
        self.touched()

    def touched(self) -> None:
        """Ask for a turn: a reply was filled in, or a command may go on."""
        if not self.is_touched:
            self.is_touched = True
            self._on_touch(self)

    def lane(self, shard: ShardId) -> Lane:
        """Return what this session has under way on a shard."""
        lane = self.lanes.get(shard)
        if lane is None:
            lane = self.lanes[shard] = Lane()
        return lane

    @property
    def has_under_way(self) -> bool:
        """Say whether a data command is not answered yet."""
        return not all(lane.is_idle for lane in self.lanes.values())

    def slot(self) -> Slot:
        """Open the place of the next reply."""
        slot = Slot(self)
        self._slots.append(slot)
        return slot

    @property
    def can_go_on(self) -> bool:
        """Say whether the next command could begin now."""
        waits = self.is_waiting and bool(self._slots)  # at the latest until no reply is left to wait for
        return not (self.blocked or waits or self.is_stalled or self.is_full)

    @property
    def has_input(self) -> bool:
        """Say whether something was received that may hold a command not begun yet."""
        return bool(self.commands) or self.parser.is_behind

    @property
    def is_exhausted(self) -> bool:
        """Say whether the client sends nothing more and all that it sent has been begun."""
        return self.has_ended and not self.has_input and not self.is_stalled

    def reply(self, data: bytes) -> None:
        """Answer the next command at once."""
        self.slot().fill(data)

    def push(self, data: bytes) -> None:
        """Send something that answers no command: after the replies that leave this turn, and waiting for no other."""
        self._pushed.append(data)
        self.touched()

    def abandon(self, pending: int, data: bytes) -> None:
        """Answer the command that was begun when `pending` replies had not left, and read no further ones."""
        while len(self._slots) > pending:
            self.ready_bytes -= len(self._slots.pop().data or b"")
        self.multi, self.blocked = None, False
        self.reply(data)
        self.close()

    def judge_input(self) -> bool | None:
        """Say whether reading from the client is to go on (True) or to pause (False) from now; None for no change."""
        has_input = self.has_input
        if not has_input:
            self.input_bytes = 0
        if self.is_paused and not has_input:
            self.is_paused = False
            return True
        if not self.is_paused and self.input_bytes > INPUT_PAUSE_BYTES:
            self.is_paused = True
            return False
        return None
