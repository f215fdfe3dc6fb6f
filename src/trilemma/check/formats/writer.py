"""Our own format, as it is written: a whole history at once, or operations and faults one by one while a run goes on.

Source: see `jsonlines`.
"""

from collections.abc import Iterable
from typing import Any, Final, Protocol

import msgspec

from trilemma.check.fault import Fault
from trilemma.check.formats.jsonlines import HEADER, TRANSACTION
from trilemma.check.formats.value import ValueFormatError, to_json, transaction_to_json
from trilemma.check.history import END_OF_TIME_US, Operation

_ENCODE: Final = msgspec.json.Encoder().encode


def operation_line(operation: Operation) -> bytes:
    """Return the line for an operation, without a line feed.

    Raises:
        HistoryError: it holds a value that has no form in the file, or times that are none.
    """
    values = transaction_to_json if operation.kind == TRANSACTION else to_json
    _check_times(operation.invoke_us, operation.complete_us)
    if operation.outcome == "ok" and operation.complete_us == END_OF_TIME_US:
        raise ValueFormatError("an ok operation completes before the end of time")
    members: dict[str, Any] = {"process": operation.process, "invoke_us": operation.invoke_us}
    for name in Operation._fields[2:]:
        value = getattr(operation, name)
        if name in ("kind", "key") or value != Operation._field_defaults.get(name):
            members[name] = value
    members["key"] = to_json(operation.key)
    for name in ("argument", "result"):
        if name in members:
            members[name] = values(members[name])
    for name in ("receipt", "context"):
        if name in members:
            members[name] = to_json(members[name])
    return _encode(members)


def fault_line(fault: Fault) -> bytes:
    """Return the line for a fault, without a line feed; one that lasts to the end of time has no `until_us`."""
    members: dict[str, Any] = {"fault": fault.kind, "what": fault.what, "from_us": fault.from_us}
    if fault.until_us != END_OF_TIME_US:
        members["until_us"] = fault.until_us
    if fault.nodes:
        members["nodes"] = fault.nodes
    if fault.sides:
        members["sides"] = fault.sides
    _check_times(fault.from_us, fault.until_us)
    return _encode(members)


def _check_times(begin_us: int, end_us: int | None) -> None:
    if not 0 <= begin_us <= (begin_us if end_us is None else end_us) <= END_OF_TIME_US:
        raise ValueFormatError(f"no history lasts from {begin_us} to {end_us}")


def _encode(members: dict[str, Any]) -> bytes:
    try:
        return _ENCODE(members)
    except (TypeError, ValueError, OverflowError) as problem:
        raise ValueFormatError(f"it has no form in JSON: {problem}") from problem


class Writable(Protocol):
    """What the writer needs of a file: `write`, as of a file opened in binary mode."""

    def write(self, data: bytes, /) -> object:
        """Take all of the bytes."""


class Writer:
    """Writes a history as it happens: an operation when its fate is known, a fault when it is over.

    What is still open at the end of a run is written then, as `info`.
    """

    __slots__ = ("_stream",)

    def __init__(self, stream: Writable) -> None:
        """Begin the file: write the header."""
        self._stream = stream
        stream.write(HEADER + b"\n")

    def operation(self, operation: Operation) -> None:
        """Write one operation."""
        self._stream.write(operation_line(operation) + b"\n")

    def fault(self, fault: Fault) -> None:
        """Write one fault."""
        self._stream.write(fault_line(fault) + b"\n")


def write(stream: Writable, operations: Iterable[Operation], faults: Iterable[Fault] = ()) -> None:
    """Write a whole history: header, faults, operations."""
    writer = Writer(stream)
    for fault in faults:
        writer.fault(fault)
    for operation in operations:
        writer.operation(operation)
