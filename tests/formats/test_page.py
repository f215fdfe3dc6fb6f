"""The page of formats says what the code does: fixed layouts as they are packed, versions as they are written."""

import pytest

from trilemma.cli import layouts
from trilemma.cli.formats import formats
from trilemma.cli.layouts import Layout
from trilemma.datatype import once, plain_rows
from trilemma.replication.raft import entry
from trilemma.runtime import directory, framing, handshake
from trilemma.storage import rowkey, segment

CRC = "I"


@pytest.mark.parametrize(
    ("layout", "packed"),
    [
        (layouts.SEGMENT, segment._SEGMENT.format + CRC),
        (layouts.GROUP, segment._GROUP.format),
        (layouts.RECORD, segment._RECORD.format),
        (layouts.ENTRY, entry._HEADER.format),
        (layouts.ROW_HEAD, rowkey._HEAD.format),
        (layouts.PLAIN_VALUE, plain_rows.HEADER.format),
        (layouts.ONCE_VALUE, once._ROW.format),
        (layouts.PEER_FRAME, framing._HEADER.format),
    ],
    ids=lambda value: value.name if isinstance(value, Layout) else "",
)
def test_a_layout_is_what_the_code_packs(layout: Layout, packed: str) -> None:
    assert layout.format == packed


@pytest.mark.parametrize(
    ("what", "version"),
    [
        ("a log segment", segment.VERSION),
        ("a data directory", directory.FORMAT),
        ("the peer protocol", handshake.PROTOCOL_VERSION),
    ],
)
def test_a_version_is_the_codes(what: str, version: int) -> None:
    (line,) = [line for line in formats().splitlines() if line.startswith(f"| {what} |")]
    assert line.split("|")[3].strip() == str(version)
