"""The trace of a schedule: a line per event, who, what, why; its hash shows that two runs were the same."""

from hashlib import blake2b


class Trace:
    """Collects lines. Without `keep` only the hash is kept, which is cheaper."""

    def __init__(self, keep: bool = False) -> None:
        self.lines: list[str] = []
        self._keep = keep
        self._hash = blake2b(digest_size=16)

    def add(self, time_us: int, who: str, what: str, why: str = "") -> None:
        """Add a line."""
        line = f"{time_us / 1e6:11.6f} {who:8} {what:14} {why}"
        self._hash.update(line.encode("utf-8", "replace"))
        if self._keep:
            self.lines.append(line)

    def note(self, data: bytes) -> None:
        """Let bytes count for the hash without a line."""
        self._hash.update(data)

    @property
    def digest(self) -> str:
        """The hash of everything so far."""
        return self._hash.hexdigest()
