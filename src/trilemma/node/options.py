"""The options that CONFIG shows, under Redis' names. Most are fixed: they say what this server does."""

from trilemma.base.limits import VALUE_BYTES_MAX
from trilemma.node.config import NodeConfig


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
            "timeout": "0",
        }

    def changeable(self) -> dict[str, str]:
        """Return the options that can change while the node runs, for CONFIG REWRITE."""
        return {name: self.values[name] for name in ("requirepass", "protected-mode")}

    def set(self, name: str, value: str) -> str | None:
        """Change an option while the node runs; return why it cannot be, or None."""
        if name == "requirepass":
            self.values[name] = value
            return None
        if name == "protected-mode" and value in ("yes", "no"):
            self.values[name] = value
            return None
        if value == self.values[name]:
            return None
        return "can't set immutable config"
