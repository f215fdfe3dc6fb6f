"""Inline commands: one line split into arguments, with Redis' quoting, and an argument quoted as Redis shows it.

Differs from redis-server in one intended point: a NUL byte is an ordinary byte, where C strings would end.
Source: sdssplitargs and sdscatrepr of redis-server 7.0 (sds.c).
"""

import re

_BLANKS = b" \t\n\v\f\r"
_QUOTES = b"\"'"
_BLANK_RUN = re.compile(rb"[ \t\n\v\f\r]*")
# Outside quotes a word ends at these; VT and FF separate words only after a blank or a quote.
_PLAIN_RUN = re.compile(rb"[^ \t\n\r\"']*")
_DOUBLE_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SINGLE_QUOTED = re.compile(rb"'((?:[^'\\]|\\'|\\(?!'))*)'", re.DOTALL)
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
_SPECIAL = re.compile(rb"[^ !#-\[\]-~]")
_SHOWN = (
    {bytes((byte,)): b"\\x%02x" % byte for byte in range(256)}
    | {byte: b"\\" + letter for letter, byte in _ESCAPED.items()}
    | {b'"': b'\\"', b"\\": b"\\\\"}
)


def quoted(word: bytes) -> bytes:
    """Return an argument in double quotes, all that is not printable ASCII escaped: `split_arguments` reads it back."""
    return b'"' + _SPECIAL.sub(lambda found: _SHOWN[found[0]], word) + b'"'


def split_arguments(line: bytes) -> list[bytes] | None:
    """Split `line` into arguments as the Redis command line does.

    Returns:
        the arguments, [] for a blank line, None where quotes are unbalanced.
    """
    if b'"' not in line and b"'" not in line and b"\v" not in line and b"\f" not in line:
        return line.split()
    arguments: list[bytes] = []
    position = _skip_blanks(line, 0)
    while position < len(line):
        taken = _take_word(line, position)
        if taken is None:
            return None
        word, position = taken
        arguments.append(word)
        position = _skip_blanks(line, position)
    return arguments


def _skip_blanks(line: bytes, position: int) -> int:
    run = _BLANK_RUN.match(line, position)
    return run.end() if run else position


def _take_word(line: bytes, position: int) -> tuple[bytes, int] | None:
    """Return the word that starts at `position` and where it ends; a quoted piece ends its word."""
    plain = _PLAIN_RUN.match(line, position)
    if plain is None or plain.end() == len(line) or line[plain.end()] not in _QUOTES:
        end = plain.end() if plain else position
        return line[position:end], end
    double = line[plain.end()] == _QUOTES[0]
    quoted = (_DOUBLE_QUOTED if double else _SINGLE_QUOTED).match(line, plain.end())
    if quoted is None:
        return None
    end = quoted.end()
    if end < len(line) and line[end] not in _BLANKS:
        return None
    inner = _ESCAPE.sub(_unescape, quoted[1]) if double else quoted[1].replace(b"\\'", b"'")
    return plain[0] + inner, end


def _unescape(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    if len(code) == 3:
        return bytes.fromhex(code[1:].decode("ascii"))
    return _ESCAPED.get(code, code)
