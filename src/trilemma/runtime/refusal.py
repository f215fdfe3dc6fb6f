"""What is wrong with a node's data or its configuration, in one sentence for the operator."""

from trilemma.base.invariant import DiskRollback
from trilemma.runtime.config import ConfigError, ServerConfig
from trilemma.runtime.durable_files import WHOLE, DirectoryRefused
from trilemma.runtime.log import LogFailedError
from trilemma.runtime.room import NoRoomError
from trilemma.runtime.row_problems import CorruptRowsError, RowsFailedError
from trilemma.runtime.segment_files import SegmentRefusedError, StraySegmentError
from trilemma.storage.segment import CorruptLogError

STORAGE_PROBLEMS = (CorruptRowsError, LogFailedError, RowsFailedError)
"""What the storage of a node that ran may raise as it is closed."""


class DataDamaged(Exception):  # noqa: N818 - the sentence says what was found
    """What the directory holds turned out damaged while a node ran on it, or its disk failed the log or the rows; the
    text says where, and what to do."""


def refusal(config: ServerConfig, problem: BaseException) -> str | None:
    """Return the sentence for what a start met; None for a defect, and for what is a sentence already."""
    if isinstance(problem, (ConfigError, DirectoryRefused, NoRoomError, SegmentRefusedError, StraySegmentError)):
        return str(problem)
    if isinstance(problem, (LogFailedError, RowsFailedError)):
        return f"{config.dir}: {problem}"
    if isinstance(problem, (CorruptLogError, CorruptRowsError)):
        return f"{config.dir}: {problem}; {WHOLE}"
    if isinstance(problem, DiskRollback):
        return f"{config.dir} is an older copy of what this node had: {problem}; {WHOLE}"
    if isinstance(problem, OSError):
        return f"{problem.filename or config.name}: {problem.strerror or problem}"
    return None


def as_damage(config: ServerConfig, problem: Exception) -> Exception:
    """Return what ends a node that ran: DataDamaged where what it holds is broken or old, or its disk fails it; else
    the problem itself."""
    is_damage = isinstance(problem, (*STORAGE_PROBLEMS, CorruptLogError, DiskRollback))
    return DataDamaged(refusal(config, problem)) if is_damage else problem
