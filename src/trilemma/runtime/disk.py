"""A node's storage as the shell opens it: files and RocksDB under a data directory, or the in-memory twins."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from trilemma.runtime.log import Log
from trilemma.runtime.room import NoRoomError
from trilemma.runtime.rows import RocksEngine
from trilemma.storage.memory import MemoryEngine, MemoryLog
from trilemma.storage.port import LogWrite, Recovered


class DiskStorage:
    """The log and the rows below one directory.

    Args:
        log_begins: called when the log is known to hold a segment, before anything in it is called durable; called
            again with every token, on the log's thread.
        log_has_begun: it was called in an earlier start.
    """

    def __init__(
        self, directory: Path, segment_bytes: int, log_begins: Callable[[], None], log_has_begun: bool = False
    ) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._log_begins = log_begins
        self._log_has_begun = log_has_begun
        self.log: Log
        self.engine: RocksEngine

    def open(self, persisted: Callable[[int], None], failed: Callable[[Exception], None]) -> Recovered:
        """See Storage."""
        log_path, rows_path = self._directory / "log", self._directory / "rows"
        log_path.mkdir(exist_ok=True)
        self.engine = RocksEngine(rows_path)
        try:
            reporting = self._reporting(persisted)
            self.log = Log(log_path, self._segment_bytes, reporting, failed, self._log_has_begun)
        except BaseException:
            self.engine.close()
            raise
        try:
            if self.log.recovered.segments:
                self._log_begins()
        except BaseException:
            self.close()
            raise
        return self.log.recovered

    def _reporting(self, persisted: Callable[[int], None]) -> Callable[[int], None]:
        def report(token: int) -> None:
            self._log_begins()
            persisted(token)

        return report

    def close(self) -> None:
        """See Storage."""
        try:
            self.log.close()
            if self.log.failed is None:
                with suppress(NoRoomError):  # the log keeps what was not flushed: the next start replays it
                    self.engine.flush()
        finally:
            # Left to the collector of garbage, RocksDB is closed at any moment, and holds everything up for seconds.
            self.engine.close()


class _PromptLog(MemoryLog):
    """A memory log that calls every write durable at once."""

    def __init__(self) -> None:
        super().__init__()
        self.persisted: Callable[[int], None] = lambda _: None

    def append(self, write: LogWrite) -> None:
        """See DurableLog."""
        super().append(write)
        self.sync(write.token)
        self.persisted(write.token)


class MemoryStorage:
    """Storage that lasts as long as this object: it may be closed and opened again."""

    def __init__(self) -> None:
        self.log = _PromptLog()
        self.engine = MemoryEngine()

    def open(self, persisted: Callable[[int], None], failed: Callable[[Exception], None]) -> Recovered:
        """See Storage."""
        self.log.persisted = persisted
        return self.log.recover()

    def close(self) -> None:
        """See Storage."""
        self.engine.flush()
