"""The node's structured messages for people: one line per event, as text or as JSON. (*Log* is the replicated log.)"""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from trilemma.base.ids import SYSTEM_SHARD
from trilemma.node.effects import DEFECT, Trace


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
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=[
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
