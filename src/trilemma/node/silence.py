"""Which connections are closed because nothing comes from them: a request that was begun, idle clients.

Owns three bounds on silence: of who has sent a part of a request; Redis' option `timeout`, off by default, of who has
nothing under way; of who has the place that is kept for administrators. Not idle is who waits for a reply, does not
read, or monitors. Judged at a turn's end, so that what came while a node stood still counts.
"""

from collections.abc import Iterator

from trilemma.base.ids import ConnId
from trilemma.base.limits import limit
from trilemma.base.time import NEVER_US, US_PER_S
from trilemma.node.options import Options
from trilemma.node.session import Session
from trilemma.node.spare import SparePlace

REQUEST_US = US_PER_S * limit(
    "client_request_s",
    60,
    "s",
    "a request that was begun holds memory and a connection; a client sends it without a pause",
    "who has sent a part of a request, and nothing more for so long, is closed",
)
SPARE_US = US_PER_S * limit(
    "spare_client_idle_s",
    60,
    "s",
    "the place that is kept for administrators when maxclients is reached must not be held in silence",
    "the connection in that place is closed",
)
LOOK_US = US_PER_S
"""How often idle clients are looked for, where any may be closed."""


class Silence:
    """What is known of the silence of a node's clients. Cost: a look at each connection a second, with `timeout`."""

    def __init__(self, sessions: dict[ConnId, Session], options: Options, spare: SparePlace) -> None:
        self._sessions = sessions
        self._options = options
        self._spare = spare
        self._begun: dict[ConnId, int] = {}
        """By connection, since when nothing has come after a part of a request; the longest first."""
        self._look_us = 0

    def note_begun(self, session: Session, since_us: int) -> None:
        """Take note that a part of a request is the last that has come."""
        if self._begun.get(session.id) != since_us:
            self._begun.pop(session.id, None)
            self._begun[session.id] = since_us

    def forget(self, conn: ConnId) -> None:
        """Take note that a connection is gone."""
        self._begun.pop(conn, None)

    def due(self, now_us: int) -> Iterator[tuple[Session, str]]:
        """Yield the sessions to be closed now, each with the reason."""
        yield from self._in_the_midst(now_us)
        if now_us >= self._look_us and self._looks:
            self._look_us = now_us + LOOK_US
            yield from self._idle(now_us)

    def _in_the_midst(self, now_us: int) -> Iterator[tuple[Session, str]]:
        while self._begun:
            conn, since_us = next(iter(self._begun.items()))
            session = self._sessions[conn]
            has_stayed = session.begun_us == since_us
            if has_stayed and since_us + REQUEST_US > now_us:
                return
            del self._begun[conn]
            if has_stayed and not session.closing:
                yield session, f"it sent a part of a request, and nothing more for {REQUEST_US // US_PER_S} s"

    def _idle(self, now_us: int) -> Iterator[tuple[Session, str]]:
        idle_us = self._options.idle_us
        if idle_us:
            since_us = now_us - idle_us
            for session in self._sessions.values():
                if session.active_us <= since_us and not session.is_monitoring and _has_nothing_under_way(session):
                    yield session, f"it was idle for {idle_us // US_PER_S} s, the option timeout"
        spare = self._spare.session
        if spare is not None and spare.active_us + SPARE_US <= now_us and _has_nothing_under_way(spare):
            yield spare, f"it was idle for {SPARE_US // US_PER_S} s in the place that is kept for administrators"

    @property
    def _looks(self) -> bool:
        return self._options.idle_us > 0 or self._spare.session is not None

    @property
    def next_deadline_us(self) -> int:
        """When somebody may have to be closed, or idle clients are looked for again."""
        begun_us = next(iter(self._begun.values())) + REQUEST_US if self._begun else NEVER_US
        return min(begun_us, self._look_us) if self._looks else begun_us


def _has_nothing_under_way(session: Session) -> bool:
    return session.is_answered and not (session.has_input or session.is_stalled or session.closing)
