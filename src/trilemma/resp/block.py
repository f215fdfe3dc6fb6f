"""Whole blocks of requests at once: the fast path of request parsing, exact by construction.

One split at CRLF cuts a block into header and argument lines in C; a request is taken only where each header line is
the one that its argument would be sent with. What is declared is therefore never believed, nothing is allocated for it,
and whatever does not fit (an argument with CRLF inside, a long one, an inline command, a partial or wrong request) is
left over, untouched, for the strict parser. Requests with equally many arguments are verified column by column, which
halves the cost of a pipeline. Knows no limits: small counts and short arguments only, below any limit worth setting.

Why not a C parser of replies (hiredis): it believes declared counts, takes `+PING` or `=8` for an argument and does not
say how much it has consumed; with the checks that make it safe it costs as much as this and still is not exact.
"""

BLOCK_ARGUMENTS_MAX = 64
BLOCK_ARGUMENT_BYTES_MAX = 4096
# A block is held a second time as lines; beyond this the strict parser takes it piece by piece.
BLOCK_BYTES_MAX = 256 << 10

# "*3" -> lines that the request takes, its own header included.
_LINES = {b"*%d" % count: 1 + 2 * count for count in range(1, BLOCK_ARGUMENTS_MAX + 1)}
_HEADERS = [b"$%d" % length for length in range(BLOCK_ARGUMENT_BYTES_MAX + 1)]
_header_of = _HEADERS.__getitem__


def split_block(block: bytes) -> tuple[list[list[bytes]], bytes]:
    """Split a block that starts where a request starts.

    Returns:
        the requests at its beginning that are plain and complete, and the bytes after them.
    """
    lines = block.split(b"\r\n")
    requests, used = _take_uniform(lines) or _take_each(lines)
    return requests, b"\r\n".join(lines[used:])


def _take_uniform(lines: list[bytes]) -> tuple[list[list[bytes]], int] | None:
    """Take all whole requests if they have as many arguments as the first; None if not, or if one is not plain."""
    step = _LINES.get(lines[0])
    if step is None:
        return None
    whole = len(lines) - 1  # the last line has no end yet
    whole -= whole % step
    counts = lines[0:whole:step]
    if counts.count(lines[0]) != len(counts):
        return None
    columns = []
    try:
        for first in range(2, step, 2):
            column = lines[first:whole:step]
            if lines[first - 1 : whole : step] != list(map(_header_of, map(len, column))):
                return None
            columns.append(column)
    except IndexError:
        return None
    return list(map(list, zip(*columns, strict=True))), whole


def _take_each(lines: list[bytes]) -> tuple[list[list[bytes]], int]:
    """Take requests one by one up to the first that is not plain."""
    requests = []
    start = 0
    last = len(lines) - 1
    try:
        while start < last and (step := _LINES.get(lines[start])) is not None and start + step <= last:
            arguments = lines[start + 2 : start + step : 2]
            if lines[start + 1 : start + step : 2] != list(map(_header_of, map(len, arguments))):
                break
            requests.append(arguments)
            start += step
    except IndexError:
        pass  # an argument longer than any plain one: the rest is the strict parser's
    return requests, start
