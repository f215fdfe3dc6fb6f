"""The replies of one connection in the order of its commands, from when a command is begun until its reply leaves.

Owns the order, and how many may be under way: a client that asks for much, or sends much, waits. A reply leaves once it
is made and what it shows is durable, and all before it have left. How a reply is made is in node/slot.py.
"""

from collections import deque
from collections.abc import Callable

from trilemma.base.limits import KIB, MIB, limit
from trilemma.node.request import Request
from trilemma.node.slot import Slot

REPLIES_AHEAD_BYTES = limit(
    "client_replies_ahead_bytes",
    8 * MIB,
    "bytes",
    "what a client has asked for and not been sent is held in memory",
    "its next commands wait for earlier replies",
)
REPLIES_AHEAD_MAX = 16_384
"""Commands of one connection under way at once, however small their replies."""

REPLY_BYTES_EXPECTED = 256 * KIB
"""How big replies are taken to be until the first ones are known."""

_ERROR = b"-"
"""How an error begins, in either protocol."""

ARGUMENTS_AHEAD_BYTES = limit(
    "client_arguments_ahead_bytes",
    16 * MIB,
    "bytes",
    "what a client has sent and not been answered is held in memory",
    "its next commands wait until all before them are answered",
)


class Replies:
    """Places of replies in order, and what is pushed beside them."""

    def __init__(self) -> None:
        self.ready_bytes = 0
        """Bytes of replies that are made and have not left."""
        self.ahead_bytes = 0
        """Bytes received since no reply was outstanding: by so many commands' arguments may be held, at most."""
        self.on_error: Callable[[bytes], None] = lambda _: None
        """Told each error that leaves as a reply."""
        self._slots: deque[Slot] = deque()
        self._pushed: list[bytes] = []
        self._reply_bytes = REPLY_BYTES_EXPECTED

    def open(self, slot: Slot) -> None:
        """Put a special slot at the place of the next reply."""
        self._slots.append(slot)

    @property
    def pending(self) -> int:
        """The number of replies that have not left."""
        return len(self._slots)

    @property
    def is_answered(self) -> bool:
        """Say whether no command waits for its reply."""
        return not self._slots

    @property
    def is_full(self) -> bool:
        """Say whether no further command may begin, because what is under way is, or may come to, too many bytes."""
        if self.ready_bytes >= REPLIES_AHEAD_BYTES:
            return True
        if self._slots and self.ahead_bytes >= ARGUMENTS_AHEAD_BYTES:
            return True
        ahead = min(REPLIES_AHEAD_BYTES // self._reply_bytes, REPLIES_AHEAD_MAX)
        return len(self._slots) >= max(ahead, 1)

    def take_bytes(self, durable: int) -> bytes:
        """Return, in order, the replies that can leave: those that are made and wait for no token above this one."""
        parts: list[bytes] = []
        largest = 0
        slots = self._slots
        while slots:
            slot = slots[0]
            data = slot.data
            if data is None or slot.token > durable:
                break
            slots.popleft()
            parts.append(data)
            if data[:1] == _ERROR:
                self.on_error(data)
            self.ready_bytes -= len(data)
            largest = max(largest, len(data))
        if not slots:
            self.ahead_bytes = 0
        if parts:
            # A burst of small replies after a large one soon counts for what it is.
            self._reply_bytes = max(largest, self._reply_bytes >> 4, 1)
        if self._pushed:
            parts += self._pushed
            self._pushed = []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @property
    def awaited_token(self) -> int:
        """The token that the next reply waits for; 0 where it is not made yet, or there is none."""
        slots = self._slots
        return slots[0].token if slots and slots[0].data is not None else 0

    @property
    def reply_due_us(self) -> int:
        """When the time of the next reply is up, which is made."""
        return self._slots[0].due_us

    def waits_for_disk(self, durable: int) -> bool:
        """Say whether a reply is made, and shows what is not durable yet."""
        return any(slot.data is not None and slot.token > durable for slot in self._slots)

    def give_up_late(self, durable: int, now_us: int, told: Callable[[Request], bytes | None]) -> int | None:
        """Answer replies whose time is up, and that show what is not durable, with what `told` says of their requests.

        Returns: when the time of the next one is up, None where no further one is next to leave.
        """
        for slot in self._slots:
            if slot.data is None:
                return None
            if slot.token > durable:
                if slot.due_us > now_us:
                    return slot.due_us
                if not slot.give_up(durable, told):
                    return None
        return None

    def drop_replies(self) -> None:
        """Forget what nobody will read."""
        self.ready_bytes = 0
        self._slots.clear()
        self._pushed.clear()
