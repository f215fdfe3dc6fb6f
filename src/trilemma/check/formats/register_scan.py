"""Linearizability of registers straight from the lines of our own format, without an Operation for each.

What is kept of a history are the zones of each key. Only a problem makes it be read a second time, for the operations
that show it. Lines as they are usually written are taken many at once (`plain_groups`), others one by one. Values stay
as they are in JSON, which tells them apart just as well, but for truths and broken numbers: see `distinct`.
Source: see `register` and `jsonlines`. Twin: `jsonlines.read` and `check_register`, in the tests.
"""

from collections import defaultdict
from typing import Any, Final, Protocol

from trilemma.check.distinct import MIXED, Distinct, distinct, told_apart, unwrapped
from trilemma.check.formats.jsonlines import (
    DECODE_ERRORS,
    DECODE_OPERATION,
    OperationLine,
    numbered_pieces,
    operation_of,
    other_than_operation,
)
from trilemma.check.formats.plain_lines import PlainLine, plain_groups, plain_lines
from trilemma.check.formats.repetition import check_members
from trilemma.check.formats.stream import Source, lines_of
from trilemma.check.formats.value import ValueFormatError, from_json, to_json
from trilemma.check.history import END_OF_TIME_US, Operation
from trilemma.check.register import CHECKER, Problem, Zones, explain
from trilemma.check.verdict import NOTHING_HAPPENED, Verdict, unknown, valid

_NESTED: Final = (list, dict)


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
    """Return the zones of each key, and how many operations are ok."""
    keys: dict[Any, Zones] = defaultdict(lambda: Zones(initial))
    answered = 0
    for first, piece in numbered_pieces(Source(file)):
        groups = plain_groups(piece)
        if groups is None:
            answered += _take_apart(keys, first, lines_of(piece))
            continue
        for key, group in groups.items():
            keys[key].add(group)
            answered += sum([each.outcome == "ok" for each in group])
    return keys, answered


def _take_apart(keys: dict[Any, Zones], first: int, lines: list[bytes]) -> int:
    """Take lines one by one; return how many operations are ok."""
    answered = 0
    for number, line in enumerate(lines, first):
        try:
            operation = DECODE_OPERATION(line)
            check_members(line, number, operation)
            key = operation.key
            if key.__class__ is not str or not _is_simple(operation):
                operation_of(operation)  # refuses what is wrong
                key = _comparable(key)
        except (*DECODE_ERRORS, ValueFormatError) as problem:
            other_than_operation(line, number, problem)
            continue
        if operation.kind not in ("read", "write"):
            raise _ForeignError
        operation.argument, operation.result = _comparable(operation.argument), _comparable(operation.result)
        keys[key].add((operation,))
        answered += operation.outcome == "ok"
    return answered


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
    for _, piece in numbered_pieces(Source(file)):
        plain = plain_lines(piece)
        if plain is not None and not any(each.key == key and _held(each) in problem.values for each in plain):
            continue
        for line in lines_of(piece):
            try:
                operation = DECODE_OPERATION(line)
            except DECODE_ERRORS:
                continue  # no operation: the first reading took it for a fault, or for empty
            if _comparable(operation.key) == key and _comparable(_held(operation)) in problem.values:
                found.append(operation_of(operation))
    values = tuple(_value(each) for each in problem.values)
    return unwrapped(explain(problem._replace(values=values), [*told_apart(found)]))


def _held(line: OperationLine | PlainLine) -> Any:
    """Return what a line wrote or read."""
    return line.argument if line.kind == "write" else line.result
