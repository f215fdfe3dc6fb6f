"""Messages for people: one line each, as JSON or text."""

import json
from errno import ENOSPC
from io import StringIO

from trilemma.node.effects import Trace
from trilemma.runtime.trace import make_logger, write_trace


def test_a_message_is_one_json_line_that_names_the_node() -> None:
    out = StringIO()
    write_trace(make_logger("n1", "info", "json", out), Trace("leader", 1024, "n2 leads\nterm 3"))
    assert out.getvalue().count("\n") == 1
    line = json.loads(out.getvalue())
    assert (line["node"], line["event"], line["shard"], line["said"]) == ("n1", "leader", 1024, "n2 leads\nterm 3")
    assert line["level"] == "info"


def test_what_concerns_no_shard_names_none() -> None:
    out = StringIO()
    write_trace(make_logger("n1", "info", "json", out), Trace("links", -1, "up"))
    assert "shard" not in json.loads(out.getvalue())


def test_messages_below_the_level_are_not_written() -> None:
    out = StringIO()
    logger = make_logger("n1", "warning", "console", out)
    logger.info("small talk")
    logger.warning("few descriptors", allowed=3)
    assert "small talk" not in out.getvalue()
    assert "few descriptors" in out.getvalue()


class FullDisk(StringIO):
    """A file that takes nothing while it is full."""

    is_full = True

    def flush(self) -> None:
        if self.is_full:
            raise OSError(ENOSPC, "No space left on device")


def test_a_message_that_cannot_be_written_is_counted_and_the_next_one_says_so() -> None:
    out = FullDisk()
    logger = make_logger("n1", "info", "json", out)
    logger.info("a")
    logger.critical("b", exc_info=ValueError("x"))
    out.is_full = False
    logger.info("c")
    logger.info("d")
    lines = [json.loads(line) for line in out.getvalue().splitlines()[-2:]]
    assert [line.get("messages_lost") for line in lines] == [2, None]


def test_a_closed_file_raises_nothing_either() -> None:
    out = StringIO()
    logger = make_logger("n1", "info", "console", out)
    out.close()
    logger.info("a")
