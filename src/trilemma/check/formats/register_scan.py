"""Linearizability of registers straight from the lines of our own format, without an Operation for each.

What is kept of a history are the zones of each key. Only a problem makes it be read a second time, for the operations
that show it. Values stay as they are in JSON, which tells them apart just as well, but for truths and broken numbers:
see `distinct`.
Source: see `register` and `jsonlines`. Twin: `jsonlines.read` and `check_register`, in the tests.
"""

from typing import Any, Final, Protocol

from trilemma.check.distinct import MIXED, Distinct, distinct, told_apart, unwrapped
from trilemma.check.formats.jsonlines import (
    DECODE_ERRORS,
    DECODE_OPERATION,
    OperationLine,
    numbered,
    operation_of,
    other_than_operation,
)
from trilemma.check.formats.repetition import check_members
from trilemma.check.formats.stream import Source
from trilemma.check.formats.value import ValueFormatError, from_json, to_json
from trilemma.check.history import END_OF_TIME_US, Operation
from trilemma.check.register import CHECKER, Problem, Zones, explain
from trilemma.check.verdict import NOTHING_HAPPENED, Verdict, unknown, valid

_NESTED: Final = (list, dict)
_SPECIAL: Final = (*_NESTED, *MIXED)


class Rewindable(Protocol):
    """A stream that can be read again from its beginning."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""

    def seek(self, offset: int, /) -> object:
        """Go to a place."""


class _ForeignError(Exception):
    """An operation is neither read nor write."""


def check_register_lines(file: Rewindable, initial: Any = None) -> Verdict | None:
    """Judge whether the reads and writes of every key in a file of our own format are linearizable.

    Args:
        file: at its beginning.
        initial: what a key holds before its first write.

    Returns:
        As `check_register` on the file's operations; None where some are neither reads nor writes.

    Raises:
        FormatError: the file is bad.

    Cost: O(n log n); memory for the distinct values only.
    """
    try:
        keys, answered = _scan(file, _comparable(to_json(initial)))
    except _ForeignError:
        return None
    if not answered:
        return unknown(CHECKER, NOTHING_HAPPENED)
    undecided: tuple[Any, Problem] | None = None
    for key, zones in keys.items():
        problem = zones.problem()
        if problem is None:
            continue
        if problem.kind != "twice":
            return _explain(file, key, problem)
        undecided = undecided or (key, problem)
    return _explain(file, *undecided) if undecided else valid(CHECKER, f"{len(keys)} keys")


def _scan(file: Rewindable, initial: Any) -> tuple[dict[Any, Zones], int]:
    """Return the zones of each key, and how many are ok. One loop: a million turns of it take seconds."""
    keys: dict[Any, Zones] = {}
    answered = 0
    decode = DECODE_OPERATION
    for first, lines in numbered(Source(file)):
        for number, line in enumerate(lines, first):
            try:
                operation = decode(line)
                check_members(line, number, operation)
                key = operation.key
                if key.__class__ is not str or not _is_simple(operation):
                    operation_of(operation)  # refuses what is wrong
                    key = _comparable(key)
            except (*DECODE_ERRORS, ValueFormatError) as problem:
                other_than_operation(line, number, problem)
                continue
            zones = keys.get(key)
            if zones is None:
                zones = keys[key] = Zones(initial)
            if operation.kind == "read":
                if operation.outcome == "ok":
                    answered += 1
                    value = operation.result
                    if value.__class__ in _SPECIAL:
                        value = _comparable(value)
                    zones.read(value, operation.invoke_us, operation.complete_us)  # type: ignore[arg-type]
            elif operation.kind == "write":
                value = operation.argument
                if value.__class__ in _SPECIAL:
                    value = _comparable(value)
                if operation.outcome == "ok":
                    answered += 1
                    end_us = operation.complete_us
                else:
                    end_us = END_OF_TIME_US
                zones.write(value, operation.invoke_us, end_us, operation.outcome == "fail")  # type: ignore[arg-type]
            else:
                raise _ForeignError
    return keys, answered


def _is_simple(operation: OperationLine) -> bool:
    """Say whether nothing about an operation can be wrong that `operation_of` would refuse."""
    return (
        operation.complete_us is not None
        and operation.invoke_us <= operation.complete_us < END_OF_TIME_US
        and operation.argument.__class__ not in _NESTED
        and operation.result.__class__ not in _NESTED
        and operation.receipt is None
        and operation.context is None
    )


def _comparable(form: Any) -> Any:
    """Return what stands for a value in JSON so that it can be compared: nested forms by what they stand for.

    Bytes may be spelled in two ways, plain and as hex: those that are UTF-8 are the plain string, however spelled.
    """
    if form.__class__ in MIXED:
        return Distinct(form)
    if form.__class__ not in _NESTED:
        return form
    value = from_json(form)
    spelled = to_json(value) if value.__class__ is bytes else None
    return spelled if spelled.__class__ is str else (distinct(value),)


def _value(comparable: Any) -> Any:
    if comparable.__class__ is Distinct:
        return comparable
    return comparable[0] if comparable.__class__ is tuple else from_json(comparable)


def _explain(file: Rewindable, key: Any, problem: Problem) -> Verdict:
    """Read again what touches a problem's values."""
    file.seek(0)
    found: list[Operation] = []
    for _, lines in numbered(Source(file)):
        for line in lines:
            try:
                operation = DECODE_OPERATION(line)
            except DECODE_ERRORS:
                continue  # no operation: the first reading took it for a fault, or for empty
            if _comparable(operation.key) != key:
                continue
            held = operation.argument if operation.kind == "write" else operation.result
            if _comparable(held) in problem.values:
                found.append(operation_of(operation))
    values = tuple(_value(each) for each in problem.values)
    return unwrapped(explain(problem._replace(values=values), [*told_apart(found)]))
