"""What all targets made of redis-server share: how one is started, asked, and waited for.

Owns the settings that a server is given; see there for what they strengthen. Source: redis.conf of Redis 7.0.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from trilemma.target.machines import Machines, Place
from trilemma.target.port import NotSentError, TargetError
from trilemma.target.programs import find_binary
from trilemma.target.wire import RespConnection

SERVER_PACKAGE: Final = "redis-server"
START_S: Final = 20.0
POLL_S: Final = 0.05

DURABLE_LINES: Final = ("appendonly yes", "appendfsync everysec", 'save ""')
"""The append-only file, so that a killed server that starts again has all that it had acknowledged."""


def find_server() -> str:
    """Return the path of redis-server, or refuse."""
    return find_binary("redis-server", SERVER_PACKAGE)


def start_server(machines: Machines, node: str, name: str, place: Place, lines: tuple[str, ...]) -> None:
    """Write a server's configuration and start it."""
    home = machines.home(node, name)
    text = [f"port {place.port}", f"bind {place.host}", "protected-mode no", f"dir {home}", *DURABLE_LINES, *lines]
    config = home / "redis.conf"
    config.write_text("\n".join(text) + "\n")
    machines.run(node, name, [find_server(), str(config)])


def start_sentinel(machines: Machines, node: str, binary: str, place: Place, lines: tuple[str, ...]) -> Path:
    """Write a sentinel's configuration and start it; return its file, which the sentinel itself writes to."""
    home = machines.home(node, "sentinel")
    config = home / "sentinel.conf"
    text = [f"port {place.port}", f"bind {place.host}", "protected-mode no", f"dir {home}", *lines]
    config.write_text("\n".join(text) + "\n")
    machines.run(node, "sentinel", [binary, str(config)])
    return config


def ask(machines: Machines, place: Place, *words: str) -> Any:
    """Ask a server something on a connection of its own.

    Raises:
        NotSentError: no answer, or an error.
    """
    connection = RespConnection(machines.dial(place), patience_s=1.0)
    try:
        return connection.ask(*words)
    finally:
        connection.close()


def info(machines: Machines, place: Place, section: str) -> dict[str, str]:
    """Return a section of a server's INFO."""
    lines = ask(machines, place, "INFO", section).decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def holds_within(condition: Callable[[], bool], within_s: float) -> bool:
    """Wait until something holds; a server that does not answer yet counts as not yet. Return whether it did."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        with suppress(NotSentError):
            if condition():
                return True
        time.sleep(POLL_S)
    return False


def require(machines: Machines, condition: Callable[[], bool], what: str) -> None:
    """Wait until a target serves.

    Raises:
        TargetError: not within START_S; says what the programs said.
    """
    if not holds_within(condition, START_S):
        raise TargetError(f"{what} within {START_S:.0f} s. {machines.programs.explain()}")
