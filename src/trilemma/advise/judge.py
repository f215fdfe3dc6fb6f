"""The judge: calls in order, the rules of command/safety.py, findings. Remembers a little of every connection."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from trilemma.advise.call import Call, Program, Receiver
from trilemma.advise.key import Key, surest
from trilemma.advise.modes import Home, Modes
from trilemma.command.safety import has_words, names_use, rules_of
from trilemma.command.safety_rows import NOT_REPEATABLE
from trilemma.command.safety_rule import Gravity, Guard, Pattern, Rule

LOOK_BACK_CALLS = 32
"""How far back the first of two commands may lie: what a connection did long before belongs to other work."""

CONNECTIONS_MAX = 1_024
"""Connections that are remembered; the one that was quiet longest is forgotten for a new one."""

ENDS_OF_WATCHING = ("exec", "unwatch", "discard", "reset")


class Finding(NamedTuple):
    """A rule that a call breaks, and where."""

    place: str
    shown: str
    rule: Rule
    gravity: Gravity
    keyspace: str
    mode: str

    @property
    def is_unsafe(self) -> bool:
        """Whether it is more than a hint."""
        return self.gravity is Gravity.UNSAFE


@dataclass(slots=True)
class _Connection:
    """What one connection did lately."""

    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=LOOK_BACK_CALLS))
    watched: dict[tuple[Receiver, Key], Call] = field(default_factory=dict)
    """The keys that are watched, each with its first WATCH. One that stands for several may be any."""

    def watch(self, call: Call) -> None:
        """Take note of a WATCH."""
        for key in call.keys:
            self.watched.setdefault((call.receiver, key), call)

    def forget(self, receiver: Receiver) -> None:
        """Take note that a receiver watches nothing any more, and that what comes belongs to other work."""
        self.watched = {each: watch for each, watch in self.watched.items() if not each[0].is_one_with(receiver)}
        self.calls.clear()

    def may_watch_since_before(self, key: Key, write: Call, since: list[Call]) -> bool | None:
        """Say whether what a write is called on may watch a key then, and did before any of some calls; None where that
        depends on the way that the program takes, or on what its names stand for."""
        return surest(
            _both(True if watched.is_several else key.is_same(watched), receiver.is_one_with(write.receiver))
            for (receiver, watched), watch in self.watched.items()
            if watch.number >= write.receiver.since and not any(each is watch for each in since)
        )


class Judge:
    """Takes calls one by one."""

    def __init__(self, modes: Modes) -> None:
        self._modes = modes
        self._connections: dict[str, _Connection] = {}

    def take(self, call: Call) -> list[Finding]:
        """Return what a call breaks, given what its connection did before."""
        connection = self._connection(call.who)
        found = [finding for key in call.keys for finding in self._about(call, key, connection)]
        if not call.keys:
            found = [
                self._finding(call, rule, home, rule.gravity)
                for home in self._modes.everywhere()
                for rule in rules_of(call.name, home.mode)
                if not rule.takes_keys and rule.pattern is Pattern.ALONE
            ]
        self._remember(call, connection)
        return _each_rule_once(found)

    def _connection(self, who: str) -> _Connection:
        connection = self._connections.pop(who, None) or _Connection()
        if len(self._connections) >= CONNECTIONS_MAX:
            del self._connections[next(iter(self._connections))]
        self._connections[who] = connection
        return connection

    @staticmethod
    def _remember(call: Call, connection: _Connection) -> None:
        if call.name == "watch":
            connection.watch(call)
        elif call.name in ENDS_OF_WATCHING:
            connection.forget(call.receiver)
        connection.calls.append(call)

    def _about(self, call: Call, key: Key, connection: _Connection) -> Iterable[Finding]:
        for home in self._modes.of(key):
            for rule in rules_of(call.name, home.mode):
                if not has_words(rule, call.words):
                    continue
                gravity = self._gravity(rule, call, key, connection)
                if gravity is not None:
                    is_sure = home.is_sure and names_use(rule, key.text)
                    yield self._finding(call, rule, home, gravity if is_sure else Gravity.HINT)

    def _gravity(self, rule: Rule, call: Call, key: Key, connection: _Connection) -> Gravity | None:
        """Return how grave it is that a call of these words breaks a rule; None where it does not."""
        match rule.pattern:
            case Pattern.ALONE:
                return rule.gravity
            case Pattern.REPLY_USED:
                return _if_seen(call.is_reply_used, rule)
            case Pattern.RETRIED:
                return _if_seen(call.is_retried, rule)
            case Pattern.IN_MULTI:
                return rule.gravity if call.in_multi else None
            case Pattern.AFTER:
                return _after(rule, call, key, connection)
            case Pattern.CLIENT_RETRIES:
                return None

    @staticmethod
    def _finding(call: Call, rule: Rule, home: Home, gravity: Gravity) -> Finding:
        return Finding(call.place, call.shown, rule, gravity, home.keyspace, home.mode)


def _if_seen(seen: bool | None, rule: Rule) -> Gravity | None:
    """Return a rule's gravity where what it asks for was seen; what cannot be seen is a hint."""
    if seen is None:
        return Gravity.HINT
    return rule.gravity if seen else None


def _after(rule: Rule, call: Call, key: Key, connection: _Connection) -> Gravity | None:
    """Return how grave it is that one of a rule's first commands came before, on the same key, without what would guard
    the two; None where none did. Two clients may be of two servers, a loop may never take both branches, and two keys
    may be one only at times: a hint."""
    found: Gravity | None = None
    is_sure = True
    since: list[Call] = []
    for earlier in reversed(connection.calls):
        since.append(earlier)
        can_follow = call.follows(earlier)
        is_same = surest(key.is_same(each) for each in earlier.keys)
        if is_same is False or can_follow is False:
            continue
        if earlier.name in rule.after:
            is_guarded = _is_guarded(rule.guard, earlier, call, connection.may_watch_since_before(key, call, since))
            if is_guarded:
                return found
            is_bare = is_guarded is False and not _differ(earlier.client, call.client)
            if is_sure and is_same and can_follow and is_bare:
                return rule.gravity
            found = Gravity.HINT
        elif earlier.name == call.name:
            # As in command/safety.py: what was read before that is no longer built upon.
            if is_same:
                return found
            is_sure = False
    return found


def _both(one: bool | None, other: bool | None) -> bool | None:
    return False if False in (one, other) else None if None in (one, other) else True


def _differ(client: str, other: str) -> bool:
    return bool(client and other) and client != other


def _is_guarded(guard: Guard, earlier: Call, call: Call, is_watched: bool | None) -> bool | None:
    """Say whether two commands are guarded; `is_watched`: whether the key may have been watched before the first, None
    where that is not known."""
    if guard is Guard.WATCH:
        return earlier.in_multi or (is_watched if call.in_multi else False)
    if guard is Guard.MULTI:
        return earlier.in_multi and call.in_multi
    return False


def _each_rule_once(found: list[Finding]) -> list[Finding]:
    """Return the gravest finding of each rule: several keys of one call, or several keyspaces, say it once."""
    kept: dict[str, Finding] = {}
    for finding in found:
        known = kept.get(finding.rule.name)
        if known is None or (finding.is_unsafe and not known.is_unsafe):
            kept[finding.rule.name] = finding
    return list(kept.values())


def judge(program: Program, modes: Modes) -> list[Finding]:
    """Return all that a program breaks, in the order of its calls; what its clients do comes last."""
    one = Judge(modes)
    found = [finding for call in program.calls for finding in one.take(call)]
    return found + _about_clients(program, modes)


def _about_clients(program: Program, modes: Modes) -> list[Finding]:
    """Judge clients that send again by themselves, where there is a command that must not be."""
    doubtful = [call for call in program.calls if call.name in NOT_REPEATABLE]
    if not doubtful:
        return []
    home = modes.everywhere()[0]
    return [
        Finding(
            client.place, client.shown, rule, rule.gravity if client.is_told else Gravity.HINT, home.keyspace, home.mode
        )
        for client in program.clients
        if client.retries
        for rule in rules_of(doubtful[0].name, home.mode)
        if rule.pattern is Pattern.CLIENT_RETRIES
    ]
