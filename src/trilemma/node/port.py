"""The session port: one connection, and the node around it, as the commands of command/ see them."""

from collections.abc import Callable, Sequence

from trilemma.base.time import Now
from trilemma.node.options import Options
from trilemma.node.session import Session


class Port:
    """See command/session.py. Made anew for each command: two pointers."""

    __slots__ = ("_hub", "client")

    def __init__(self, hub: "Hub", session: Session) -> None:
        self._hub = hub
        self.client = session

    @property
    def clients(self) -> Sequence[Session]:
        """All connections of this node, by id."""
        return sorted(self._hub.sessions.values(), key=lambda session: session.id)

    @property
    def mono_us(self) -> int:
        """Time that never steps."""
        return self._hub.now().mono_us

    @property
    def wall_us(self) -> int:
        """The wall clock."""
        return self._hub.now().wall_us

    @property
    def config(self) -> dict[str, str]:
        """The options that CONFIG shows."""
        return self._hub.options.values

    def config_refusal(self, name: str, value: str) -> str | None:
        """Return why an option cannot have a value, or None."""
        return self._hub.options.refusal(name, value)

    def set_config(self, name: str, value: str) -> None:
        """Change an option, to a value that is not refused."""
        self._hub.options.set(name, value)

    def info(self, sections: Sequence[str]) -> bytes:
        """Return INFO's text."""
        return self._hub.info(sections)

    def cluster_info(self) -> bytes:
        """Return CLUSTER INFO's text."""
        return self._hub.cluster_info()

    def reset_statistics(self) -> None:
        """Set the counters of INFO to zero."""
        self._hub.reset_statistics()


class Hub:
    """What all ports of a node share."""

    def __init__(
        self,
        sessions: dict[int, Session],
        options: Options,
        now: Callable[[], Now],
        info: Callable[[Sequence[str]], bytes],
        cluster_info: Callable[[], bytes],
        reset_statistics: Callable[[], None],
    ) -> None:
        self.sessions = sessions
        self.options = options
        self.now = now
        self.info = info
        self.cluster_info = cluster_info
        self.reset_statistics = reset_statistics

    def port(self, session: Session) -> Port:
        """Return the port of one connection."""
        return Port(self, session)
