"""Our own format, as it is read: JSON Lines. A header, then one object per operation or fault, in any order.

Members are named as the fields of `Operation`; those that are as by default are left out. A fault has the member
`fault` (its kind) instead. Lines that stand do not change, so a file can be written while a run goes on, and what a
crash leaves is whole up to the last line. Written by `writer`. Page, with golden lines: docs/histories.md.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, NoReturn

import msgspec

from trilemma.check.fault import Fault
from trilemma.check.formats.error import FormatError, column_of, shown
from trilemma.check.formats.recording import Recording
from trilemma.check.formats.repetition import check_members, refuse_repeated
from trilemma.check.formats.stream import Readable, decode_line, lines_of, pieces
from trilemma.check.formats.value import ValueFormatError, from_json, transaction_from_json
from trilemma.check.history import END_OF_TIME_US, Operation

NAME: Final = "jsonl"
MAGIC: Final = "trilemma-history"
VERSION: Final = 1
HEADER: Final = b'{"format":"trilemma-history","version":1}'

TRANSACTION: Final = "txn"

Time = Annotated[int, msgspec.Meta(ge=0, le=END_OF_TIME_US)]


class Header(msgspec.Struct, forbid_unknown_fields=True):
    """The first line."""

    format: Literal["trilemma-history"]
    version: int


class OperationLine(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A line that is an operation, its values still as they are in JSON."""

    process: int
    invoke_us: Time
    kind: str
    key: Any
    complete_us: Time | None = None
    argument: Any = None
    result: Any = None
    outcome: Literal["ok", "fail", "info"] = "ok"
    node: str = ""
    keyspace: str = ""
    mode: str = ""
    receipt: Any = None
    context: Any = None


class FaultLine(msgspec.Struct, forbid_unknown_fields=True):
    """A line that is a fault."""

    fault: str
    what: str
    from_us: Time
    until_us: Time = END_OF_TIME_US
    nodes: tuple[str, ...] = ()
    sides: tuple[tuple[str, ...], ...] = ()


DECODE_OPERATION: Final = msgspec.json.Decoder(OperationLine).decode
_DECODE_FAULT: Final = msgspec.json.Decoder(FaultLine).decode
_DECODE_HEADER: Final = msgspec.json.Decoder(Header).decode

_HALF_PAIR: Final = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.")
"""A whole surrogate pair, half of one (the group), or anything else that is escaped."""

DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a line can raise; `explain` says it with its place."""


def numbered_pieces(source: Readable) -> Iterator[tuple[int, bytes]]:
    """Yield the lines behind the header, many at a time (see `pieces`), each time with the number of the first.

    Raises:
        FormatError: the header is missing, or of a version that is not known.
    """
    number = 1
    for piece in pieces(source):
        found = piece
        if number == 1:
            header, _, found = piece.partition(b"\n")
            _check_header(header)
            number = 2
        if found:
            yield number, found
            number += found.count(b"\n")
    if number == 1:
        raise FormatError(1, 1, f"the file is empty; the first line must be {HEADER.decode()}")


def _check_header(line: bytes) -> None:
    try:
        header = _DECODE_HEADER(line)
    except DECODE_ERRORS as problem:
        raise FormatError(1, 1, f"the first line must be {HEADER.decode()}") from problem
    refuse_repeated(line, 1)
    if header.version != VERSION:
        raise FormatError(1, 1, f"the file is of version {header.version}; only {VERSION} is known")


def read(source: Readable) -> Recording:
    """Read a file.

    Raises:
        FormatError: it is not what this format asks for.
    """
    recording = Recording([], [], NAME)
    for line in stream(source):
        if isinstance(line, Operation):
            recording.operations.append(line)
        else:
            recording.faults.append(line)
    return recording


def stream(source: Readable) -> Iterator[Operation | Fault]:
    """Yield what the lines say, one after another; no more than a chunk of the file is held.

    Raises:
        FormatError: the file is not what this format asks for.
    """
    for first, piece in numbered_pieces(source):
        for number, line in enumerate(lines_of(piece), first):
            try:
                operation = DECODE_OPERATION(line)
                check_members(line, number, operation)
                yield operation_of(operation)
            except (*DECODE_ERRORS, ValueFormatError) as problem:
                other = other_than_operation(line, number, problem)
                if other is not None:
                    yield other


def operation_of(line: OperationLine) -> Operation:
    """Return the operation of a line.

    Raises:
        ValueFormatError: a value, or how its times and outcome go together, is wrong.
    """
    key = line.key
    key = key.encode() if key.__class__ is str else from_json(key)
    argument, result = line.argument, line.result
    if line.kind == TRANSACTION:
        argument, result = transaction_from_json(argument), transaction_from_json(result)
    else:
        argument = argument.encode() if argument.__class__ is str else from_json(argument)
        result = result.encode() if result.__class__ is str else from_json(result)
    complete_us = line.complete_us
    if complete_us is None:
        if line.outcome == "ok":
            raise ValueFormatError("an operation with outcome ok needs complete_us", "outcome")
    elif complete_us < line.invoke_us:
        raise ValueFormatError(
            f"it completed at {complete_us}, before it was invoked at {line.invoke_us}", "complete_us"
        )
    elif complete_us == END_OF_TIME_US and line.outcome == "ok":
        raise ValueFormatError("it is ok, so it completed before the end of time, which is 2^62", "complete_us")
    if not isinstance(key, bytes):
        raise ValueFormatError("the key is a string, or an object with the member hex", "key")
    return Operation(
        line.process,
        line.invoke_us,
        complete_us,
        line.kind,
        key,
        argument,
        result,
        line.outcome,
        line.node,
        line.keyspace,
        line.mode,
        None if line.receipt is None else from_json(line.receipt),
        None if line.context is None else from_json(line.context),
    )


def other_than_operation(line: bytes, number: int, problem: Exception) -> Fault | None:
    """Return the fault that a line is which is no operation; None for an empty line.

    Raises:
        FormatError: it is neither.
    """
    if not line.strip():
        return None
    if b'"fault"' not in line or isinstance(problem, ValueFormatError):
        explain(line, number, problem)
    try:
        found = _DECODE_FAULT(line)
    except DECODE_ERRORS as other:
        explain(line, number, other)
    refuse_repeated(line, number)
    if found.until_us < found.from_us:
        raise FormatError(number, _column(line, "until_us"), "the fault ends before it begins")
    return Fault(found.fault, found.what, found.from_us, found.until_us, found.nodes, found.sides)


def explain(line: bytes, number: int, problem: Exception) -> NoReturn:
    """Refuse a line: say where in it the problem is, and what it is."""
    text = decode_line(line, number)
    said = str(problem)
    if isinstance(problem, RecursionError):
        raise FormatError(number, 1, "values are nested too deep") from problem
    if isinstance(problem, ValueFormatError):
        raise FormatError(number, _column(line, problem.member or _bad_value(line)), said) from problem
    half = next((each for each in _HALF_PAIR.finditer(line) if each[1]), None)
    if half is not None and ("truncated" in said or "surrogate" in said):  # it is called truncated where none follows
        raise FormatError(
            number, column_of(line, half.start()), "half of a surrogate pair is no character"
        ) from problem
    if said == "Input data was truncated":
        raise FormatError(number, len(text) + 1, "the line ends in the middle of its JSON") from problem
    for find in (_at_byte, _at_member):
        found = find(line, said)
        if found is not None:
            raise FormatError(number, *found) from problem
    if not text.lstrip().startswith("{"):
        said = f"expected an object, not {shown(text)}"
    raise FormatError(number, 1, said) from problem


def _at_byte(line: bytes, said: str) -> tuple[int, str] | None:
    """Find the place in a message such as `JSON is malformed: expected ',' (byte 12)`."""
    reason, mark, rest = said.rpartition(" (byte ")
    if not mark or not rest[:-1].isdigit():
        return None
    return column_of(line, int(rest[:-1])), reason


def _at_member(line: bytes, said: str) -> tuple[int, str] | None:
    """Find the place in messages that name a member: `... - at `$.process``, `... unknown field `colour``."""
    reason, mark, path = said.partition(" - at `$.")
    if mark:
        name = path.rstrip("`").partition(".")[0].partition("[")[0]
        return _column(line, name), f"{name}: {reason}"
    reason, mark, name = said.partition("unknown field `")
    if mark:
        name = name.rstrip("`")
        return _column(line, name), f"there is no member {name!r}"
    return None


def _bad_value(line: bytes) -> str:
    """Return which member of an operation holds no value."""
    operation = DECODE_OPERATION(line)
    for name in ("key", "argument", "result", "receipt", "context"):
        try:
            from_json(getattr(operation, name))
        except ValueFormatError:
            return name
    return ""


def _column(line: bytes, name: str) -> int:
    return column_of(line, max(line.find(f'"{name}"'.encode()), 0))
