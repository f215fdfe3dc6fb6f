"""Connections: a command about a connection itself is answered as that connection's history demands, whatever happens.

No fault of a cluster changes what MULTI, SELECT or ECHO are answered, nor what of a connection is forgotten by RESET:
it is all in one place, the node that answers. What was queued and given up is never executed; EXEC is aborted by a
write of one's own to a watched key, and by nothing where nothing is watched.

Operations: `session` (argument: the commands that were sent at once; result: per command that was answered, outcome and
reply). `walk` also tells what they did to registers: a `write`, `read` or, after READONLY on `cp`, `stale_read` for
each SET and GET; what was never executed is a `fail`. Keys of other databases than 0 begin with its number and a slash.
Source: redis.io, "Transactions", RESET, HELLO; the texts of Redis 7.0's networking.c.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from trilemma.check.connection_number import Life, find_shared
from trilemma.check.history import History, Operation, Outcome
from trilemma.check.refusal import is_refusal
from trilemma.check.verdict import Verdict, invalid, valid

CHECKER: Final = "connections"

Command = tuple[bytes, ...]

_AT_ONCE: Final = frozenset({b"MULTI", b"EXEC", b"DISCARD", b"WATCH", b"RESET", b"QUIT"})
"""Commands that MULTI does not queue."""

_UNANSWERED: Final[tuple[Outcome, Any]] = ("info", None)

_NO_ID: Final = "a number from 1 on"
"""What stands for a connection's number before it was told any."""

_GREETING: Final = {b"server": b"redis", b"mode": b"standalone", b"role": b"master", b"modules": ()}


class Walk(NamedTuple):
    """What connections did to registers, and whether each was told what it had to be told."""

    operations: list[Operation]
    verdict: Verdict


def walk(operations: Iterable[Operation], elsewhere: Collection[str] = ()) -> Walk:
    """Go through connections, each from its beginning.

    Args:
        elsewhere: nodes whose commands some other node executes, now this one, now that one, so that a write of one's
            own may not be known where EXEC looks at what is watched (`ap`).
    """
    done: list[Operation] = []
    wrong: list[tuple[str, Operation]] = []
    lives = []
    for process in History(operations).by_process().values():
        connection = _Connection(done, wrong, is_at_one_place=process[0].node not in elsewhere)
        for operation in process:
            connection.take(operation)
        lives.append(connection.life([each for each in process if each.result]))
    if wrong:
        return Walk(done, invalid(CHECKER, wrong[0][0], [wrong[0][1]]))
    shared = find_shared(lives)
    reason = "two connections that one node had without a restart between them were told one number"
    return Walk(done, invalid(CHECKER, reason, shared) if shared else valid(CHECKER))


class _Connection:
    """One connection: its state, as its commands leave it."""

    def __init__(self, done: list[Operation], wrong: list[tuple[str, Operation]], *, is_at_one_place: bool) -> None:
        self._done = done
        self._wrong = wrong
        self._is_at_one_place = is_at_one_place
        self._id: Any = None
        self._told_in: Operation | None = None
        self._has_quit = False
        self._forget()

    def life(self, answered: Sequence[Operation]) -> Life:
        """Return what is known of when this connection was there, and of its number."""
        return Life(answered[0].node if answered else "", answered, self._id, self._told_in)

    def _forget(self) -> None:
        self._db = b"0"
        self._protocol = 2
        self._name: bytes | None = None
        self._is_readonly = False
        self._end_transaction()

    def _end_transaction(self) -> None:
        self._queue: list[Command] | None = None
        self._spoiled: dict[bytes, bool] = {}
        """By watched key: whether this connection has surely changed it since."""

    def take(self, operation: Operation) -> None:
        """Go through the commands of a step. Of one that was given up, those not answered may not have come to be."""
        self._operation = operation
        told = operation.result or ()
        if len(told) > len(operation.argument):
            self._blame(f"{len(operation.argument)} commands were answered {len(told)} times")
        for place, command in enumerate(operation.argument):
            self._one(command, told[place] if place < len(told) else _UNANSWERED)

    def _one(self, command: Command, answer: tuple[Outcome, Any]) -> None:
        name = command[0]
        if self._has_quit:
            if answer != _UNANSWERED:
                self._blame(f"{command!r} was answered {answer[1]!r} behind QUIT")
            self._data(command, ("fail", None))
        elif self._queue is not None and name not in _AT_ONCE:
            self._queue.append(command)
            self._expect(command, answer, b"QUEUED")
        elif name in (b"GET", b"SET"):
            if answer[0] != "ok":
                self._refused(command, answer)
            self._data(command, answer)
        elif name == b"WATCH":
            self._watch(command, answer)
        elif name == b"EXEC":
            self._exec(answer)
        else:
            self._expect(command, answer, self._local(command))

    def _expect(self, command: Command, answer: tuple[Outcome, Any], expected: Any) -> None:
        told = answer[1]
        if answer == _UNANSWERED:
            return
        if command[0] == b"HELLO":
            pairs = _greeting(told, self._protocol)
            expected = _GREETING | {b"proto": self._protocol, b"id": self._known_id(pairs.get(b"id"))}
            # Of the version nobody can tell more than that there is one.
            told = {name: value for name, value in pairs.items() if name != b"version"}
            if not isinstance(pairs.get(b"version"), bytes):
                self._blame(f"{b' '.join(command)!r} was answered {answer[1]!r}, which names no version")
        elif command[:2] == (b"CLIENT", b"ID"):
            expected = self._known_id(told)
        if answer[0] != "ok" or told != expected:
            self._blame(f"{b' '.join(command)!r} was answered {told!r}, and not {expected!r}")

    def _known_id(self, told: Any) -> Any:
        """Return the connection's number: the one that it was told first."""
        if self._id is None and type(told) is int and told >= 1:
            self._id, self._told_in = told, self._operation
        return _NO_ID if self._id is None else self._id

    def _blame(self, reason: str) -> None:
        self._wrong.append((reason, self._operation))

    def _key(self, key: bytes) -> bytes:
        return key if self._db == b"0" else b"%s/%s" % (self._db, key)

    # What commands do

    def _local(self, command: Command) -> Any:
        """Carry out a command about the connection itself, and return what it must be answered."""
        match command:
            case (b"PING",):
                return b"PONG"
            case (b"PING" | b"ECHO", word):
                return word
            case (b"RESET",):
                self._give_up()
                self._forget()
                return b"RESET"
            case (b"CLIENT", b"GETNAME"):
                return self._name
            case (b"CLIENT", b"ID") | (b"HELLO",):
                return None
            case (b"HELLO", protocol, *words):
                self._protocol = int(protocol)
                self._name = words[-1] if words else self._name
                return None
        self._set_state(command)
        return b"OK"

    def _set_state(self, command: Command) -> None:
        match command:
            case (b"MULTI",):
                self._queue = []
            case (b"DISCARD" | b"UNWATCH",):
                self._give_up()
                self._end_transaction()
            case (b"SELECT", db):
                self._db = db
            case (b"READONLY" | b"READWRITE" as name,):
                self._is_readonly = name == b"READONLY"
            case (b"CLIENT", b"SETNAME", name):
                self._name = name
            case (b"QUIT",):
                self._has_quit = True

    def _give_up(self) -> None:
        for queued in self._queue or ():
            self._data(queued, ("fail", None))

    def _watch(self, command: Command, answer: tuple[Outcome, Any]) -> None:
        if answer[0] != "ok":
            self._refused(command, answer)
        elif answer[1] != b"OK":
            self._blame(f"{b' '.join(command)!r} was answered {answer[1]!r}")
        else:
            for key in command[1:]:
                self._spoiled.setdefault(self._key(key), False)

    def _refused(self, command: Command, answer: tuple[Outcome, Any]) -> None:
        """See that what was not carried out for certain was refused for what befalls the cluster, or never answered."""
        if answer != _UNANSWERED and not is_refusal(answer[1]):
            self._blame(f"{b' '.join(command)!r} was answered {answer[1]!r}, which is no refusal")

    def _exec(self, answer: tuple[Outcome, Any]) -> None:
        queue, spoiled = self._queue or [], self._spoiled
        self._end_transaction()
        outcome, told = answer
        if outcome == "ok" and told is None:
            if not spoiled:
                self._blame("EXEC was aborted, though nothing was watched")
            outcome = "fail"
        elif outcome != "ok":
            self._refused((b"EXEC",), answer)
        else:
            if self._is_at_one_place and any(spoiled.values()):
                self._blame("EXEC was carried out, though a watched key had changed before")
            if not isinstance(told, tuple) or len(told) != len(queue):
                self._blame(f"EXEC of {len(queue)} commands was answered {told!r}")
                outcome = "info"
        for place, queued in enumerate(queue):
            self._executed(queued, outcome, told[place] if outcome == "ok" else None)

    def _executed(self, queued: Command, outcome: Outcome, told: Any) -> None:
        if queued[0] in (b"GET", b"SET"):
            if isinstance(told, str):
                # EXEC is refused as a whole, and what is queued here has nothing of its own that could go wrong.
                self._blame(f"{b' '.join(queued)!r} inside EXEC was answered {told!r}")
            self._data(queued, ("info", None) if isinstance(told, str) else (outcome, told))
        elif outcome == "ok":
            self._expect(queued, ("ok", told), self._local(queued))

    def _data(self, command: Command, answer: tuple[Outcome, Any]) -> None:
        """Note what a GET or a SET did; anything else did nothing to any register."""
        outcome, told = answer
        if command[0] == b"GET":
            is_stale = self._is_readonly and self._operation.mode == "cp"
            self._note("stale_read" if is_stale else "read", command[1], None, told, outcome)
        elif command[0] == b"SET":
            if outcome == "ok" and told != b"OK":
                self._blame(f"SET was answered {told!r}")
            key = self._key(command[1])
            if outcome == "ok" and key in self._spoiled:
                self._spoiled[key] = True
            self._note("write", command[1], command[2], told, outcome)

    def _note(self, kind: str, key: bytes, argument: Any, result: Any, outcome: Outcome) -> None:
        known = self._operation._replace(kind=kind, key=self._key(key), argument=argument)
        self._done.append(known._replace(result=result if outcome == "ok" else None, outcome=outcome))


def _greeting(told: Any, protocol: int) -> dict[Any, Any]:
    """Return the pairs of a reply to HELLO, of a map (RESP3) or of a flat list; none of a reply of another form."""
    if not isinstance(told, tuple):
        return {}
    if protocol == 3:
        pairs = told if all(isinstance(each, tuple) and len(each) == 2 for each in told) else ()
    else:
        pairs = tuple(zip(told[::2], told[1::2], strict=True)) if len(told) % 2 == 0 else ()
    names = [name for name, _ in pairs if isinstance(name, bytes)]
    return dict(pairs) if len(set(names)) == len(pairs) else {}
