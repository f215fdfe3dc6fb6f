"""The node's structured messages for people: one line per event, as text or as JSON. (*Log* is the replicated log.)

A message is never worth more than what it tells of: where a line cannot be written (a full disk, a pipe that nobody
reads), it is counted and the node goes on; the next line that can be says how many were lost.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from trilemma.base.ids import SYSTEM_SHARD
from trilemma.node.effects import DEFECT, Trace


class Lines:
    """Writes lines and never raises: the innermost part of a logger, in structlog's words."""

    def __init__(self, file: TextIO) -> None:
        self.lost = 0
        """Lines that could not be written since the last one that was."""
        self._file = file

    def _write(self, line: str) -> None:
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except (OSError, ValueError):  # ValueError: the file was closed
            self.lost += 1
        else:
            self.lost = 0

    debug = info = warning = error = critical = _write

    def note_lost(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Add to an event how many were lost before it; a processor of structlog's."""
        if self.lost:
            event["messages_lost"] = self.lost
        return event


def make_logger(node: str, level: str, style: str, file: TextIO | None = None) -> FilteringBoundLogger:
    """Return a logger that names the node in every line.

    Args:
        level: the least severe level that is written: debug, info, warning, error.
        style: `console` or `json`.
        file: where to; standard error by default.
    """
    out = sys.stderr if file is None else file
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=out.isatty(), sort_keys=False)
    )
    lines = Lines(out)
    logger: FilteringBoundLogger = structlog.wrap_logger(
        lines,
        processors=[
            lines.note_lost,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        node=node,
    )
    return logger


def write_trace(logger: FilteringBoundLogger, trace: Trace) -> None:
    """Write what the node said in a turn."""
    write = logger.error if trace.what == DEFECT else logger.info
    if trace.shard < SYSTEM_SHARD:
        write(trace.what, said=trace.text)
    else:
        write(trace.what, shard=trace.shard, said=trace.text)
