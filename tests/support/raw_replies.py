"""The bytes of replies: cut apart, and read."""

from trilemma.resp.decode import ReplyDecoder
from trilemma.resp.reply import Reply


def decode(raw: bytes) -> Reply:
    decoder = ReplyDecoder()
    decoder.feed(raw)
    return decoder.replies()[0]


def split(raw: bytes) -> list[bytes]:
    """Cut a byte stream into its replies."""
    replies = []
    start = 0
    while start < len(raw):
        end = _end(raw, start)
        replies.append(raw[start:end])
        start = end
    return replies


def parts(raw: bytes) -> list[bytes]:
    """Cut an array's reply into those of its items."""
    return split(raw[raw.index(b"\r\n") + 2 :])


def _end(raw: bytes, start: int) -> int:
    line = raw.index(b"\r\n", start)
    mark, text = raw[start : start + 1], raw[start + 1 : line]
    position = line + 2
    if mark in b"$=" and int(text) >= 0:
        return position + int(text) + 2
    if mark in b"*~>%":
        for _ in range(max(int(text), 0) * (2 if mark == b"%" else 1)):
            position = _end(raw, position)
    return position
