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
        log_reaches: see Log.
        log_segment: the newest segment that it was called with in an earlier start, 0 for none.
    """

    def __init__(
        self, directory: Path, segment_bytes: int, log_reaches: Callable[[int], None], log_segment: int = 0
    ) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._log_reaches = log_reaches
        self._log_segment = log_segment
        self.log: Log
        self.engine: RocksEngine

    def open(self, persisted: Callable[[int], None], failed: Callable[[Exception], None]) -> Recovered:
        """See Storage."""
        log_path, rows_path = self._directory / "log", self._directory / "rows"
        log_path.mkdir(exist_ok=True)
        self.engine = RocksEngine(rows_path)
        try:
            self.log = Log(log_path, self._segment_bytes, persisted, failed, self._log_reaches, self._log_segment)
        except BaseException:
            self.engine.close()
            raise
        return self.log.recovered

    def close(self) -> None:
        """See Storage.

        Raises:
            CorruptRowsError, RowsFailedError: see RocksEngine.
            Exception: what `failed` was called with, before all else: whom it told of a failure in here may listen no
                more, and what the rows lack then is nowhere.
        """
        try:
            self._close()
        finally:
            if self.log.failed is not None:
                raise self.log.failed

    def _close(self) -> None:
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
