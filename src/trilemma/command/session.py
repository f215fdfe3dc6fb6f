"""What a session command sees and may change of its connection and its server."""

from collections.abc import Sequence
from typing import Protocol


class ClientState(Protocol):
    """One connection, as CLIENT shows it."""

    id: int
    name: bytes
    db: int
    protocol: int
    address: str
    local_address: str
    library_name: bytes
    library_version: bytes
    no_evict: bool
    authenticated: bool
    readonly: bool
    is_monitoring: bool
    created_us: int
    active_us: int
    last_command: str
    wrong_passwords: int
    closing: bool

    @property
    def queued(self) -> int:
        """The number of commands queued after MULTI, -1 outside of it."""
        ...

    @property
    def watched(self) -> int:
        """The number of keys watched."""
        ...

    def reset(self) -> None:
        """Go back to the state of a fresh connection."""
        ...

    def close(self, why: str = "") -> None:
        """End the connection once its replies so far have left; `why`: for the log, where the client is at fault."""
        ...


class SessionPort(Protocol):
    """The connection that a command came on, and the server around it."""

    @property
    def client(self) -> ClientState:
        """The connection."""
        ...

    @property
    def clients(self) -> Sequence[ClientState]:
        """All connections of this node, by id."""
        ...

    @property
    def mono_us(self) -> int:
        """Time that never steps."""
        ...

    @property
    def wall_us(self) -> int:
        """The wall clock."""
        ...

    @property
    def config(self) -> dict[str, str]:
        """The options that CONFIG shows, with their values."""
        ...

    def config_refusal(self, name: str, value: str) -> str | None:
        """Return why an option cannot have a value, or None."""
        ...

    def set_config(self, name: str, value: str) -> None:
        """Change an option, to a value that is not refused."""
        ...

    def info(self, sections: Sequence[str]) -> bytes:
        """Return INFO's text of these sections (none: the default ones)."""
        ...

    def cluster_info(self) -> bytes:
        """Return CLUSTER INFO's text."""
        ...

    def reset_statistics(self) -> None:
        """Set the counters of INFO to zero."""
        ...
