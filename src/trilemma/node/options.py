"""The options that CONFIG shows, under Redis' names. Most are fixed: they say what this server does."""

from collections.abc import Mapping

from trilemma.base.limits import VALUE_BYTES_MAX
from trilemma.base.time import US_PER_S
from trilemma.command.option_value import (
    UINT64_MAX,
    Kind,
    OptionValueError,
    choice,
    integer,
    memory,
    output_limits,
    save_points,
    text,
    yes_or_no,
)
from trilemma.node.config import TIMEOUT_S_MAX, NodeConfig

POLICIES = choice(
    "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
    "allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction",
)  # fmt: skip

KINDS: Mapping[str, Kind] = {
    "appendfsync": choice("everysec", "always", "no"),
    "appendonly": yes_or_no,
    "client-output-buffer-limit": output_limits,
    "maxclients": integer(1, (1 << 32) - 1),
    "maxmemory": memory(0, UINT64_MAX),
    "maxmemory-policy": POLICIES,
    "proto-max-bulk-len": memory(1 << 20, (1 << 63) - 1),
    "protected-mode": yes_or_no,
    "requirepass": text,
    "save": save_points,
    "timeout": integer(0, TIMEOUT_S_MAX),
}
"""What CONFIG SET takes, with Redis' bounds. Options that are not here are refused before (FIXED_AT_START)."""

CHANGEABLE = ("requirepass", "protected-mode", "timeout")

IMMUTABLE = "can't set immutable config"


class Options:
    """The node's options by name, as texts."""

    def __init__(self, config: NodeConfig) -> None:
        self.values: dict[str, str] = {
            "appendfsync": "always",
            "appendonly": "yes",
            "client-output-buffer-limit": f"normal {config.output_bytes_max} 0 0",
            "databases": "16",
            "enable-debug-command": "yes" if config.debug_commands else "no",
            "maxclients": str(config.clients_max),
            "maxmemory": "0",
            "maxmemory-policy": "noeviction",
            "proto-max-bulk-len": str(VALUE_BYTES_MAX),
            "protected-mode": "yes" if config.protected_mode else "no",
            "requirepass": config.requirepass,
            "save": "",
            "timeout": str(config.timeout_s),
        }
        self.idle_us = config.timeout_s * US_PER_S
        """After so long an idle client is closed; 0 for never."""

    def changeable(self) -> dict[str, str]:
        """Return the options that can change while the node runs, for CONFIG REWRITE."""
        return {name: self.values[name] for name in CHANGEABLE}

    def refusal(self, name: str, value: str) -> str | None:
        """Return why an option cannot have a value while the node runs, or None. What it has already is no change."""
        kind = KINDS[name]
        try:
            wanted = kind(value)
        except OptionValueError as problem:
            return str(problem)
        return None if name in CHANGEABLE or wanted == kind(self.values[name]) else IMMUTABLE

    def set(self, name: str, value: str) -> None:
        """Change an option, to a value that is not refused."""
        if name in CHANGEABLE:
            self.values[name] = str(KINDS[name](value))
            self.idle_us = int(self.values["timeout"]) * US_PER_S
