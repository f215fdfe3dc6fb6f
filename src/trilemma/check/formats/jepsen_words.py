"""Operations in Jepsen's words: what is said when one begins, and when it ends. The inverse of `jepsen`.

What its words cannot tell so that it comes back is refused; what nobody judges by is left out, and named. Keys are told
as `jepsen.independent` does, in pairs of key and value, or else by the member `:key`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from trilemma.check.formats.edn_atom import DIGITS_MAX
from trilemma.check.formats.edn_value import Map
from trilemma.check.formats.event import Event, Pair
from trilemma.check.formats.failed_cas import FAILED, found_another
from trilemma.check.formats.jepsen import CHANGES, KINDS, LOCKS, TAKES, WHOLE, are_pairs_of_keys
from trilemma.check.formats.key import plain
from trilemma.check.formats.micro import NAMES
from trilemma.check.history import HistoryError, Operation
from trilemma.check.models.base import TOLD_NOTHING

UNTOLD: Final = ("node", "keyspace", "mode", "receipt", "context")
"""Members of operations that Jepsen's words do not have."""

_INTEGER_END: Final = 10**DIGITS_MAX
_MICRO_WORDS: Final = {name: f":{name}" for name in NAMES.values()}
_SILENT: Final = (*CHANGES, "transfer", "multi_write")
"""Kinds of which nothing is told but that it was done."""

_Words = tuple[str, Any, Any]
"""The function, the value of its invocation, and the value of its ok."""


class WordlessError(HistoryError):
    """A history holds what a format has no words for, so that nothing of it was written."""


def pairs_of(operations: Sequence[Operation]) -> list[Pair]:
    """Return how each operation began and how it ended, in events without places, times and numbers.

    Raises:
        WordlessError: an operation holds what does not come back as it was.
    """
    pairs = [_pair(each) for each in operations]
    keys = [_value(each, each.key) for each in operations]
    if all(key == WHOLE for key in keys) and not are_pairs_of_keys(pairs):
        return pairs
    split = _with_keys(pairs, keys, lambda event, key: event._replace(value=(key, event.value)))
    if are_pairs_of_keys(split):
        return split
    return _with_keys(pairs, keys, lambda event, key: event._replace(key=key, has_key=True))


def as_told(operation: Operation) -> Operation:
    """Return an operation as it comes back from what is told of it."""
    kind = KINDS.get(operation.kind, operation.kind)
    is_endless = operation.outcome == "fail" and operation.complete_us is None
    return operation._replace(
        complete_us=operation.invoke_us if is_endless else operation.complete_us,
        kind=kind,
        result=_told_result(operation, kind),
        **{name: Operation._field_defaults[name] for name in UNTOLD},
    )


def _told_result(operation: Operation, kind: str) -> Any:
    if operation.outcome != "ok":
        reason = _reason(operation)
        return None if reason is None else reason.decode()
    if kind in _SILENT:
        return None
    return plain(operation.result, lambda value: value) if kind == "read" else operation.result


def left_out(operations: Sequence[Operation]) -> Iterator[str]:
    """Yield what operations hold that is not told, each thing once."""
    for name in UNTOLD:
        if any(getattr(each, name) != Operation._field_defaults[name] for each in operations):
            yield name
    unsure = [each for each in operations if each.outcome != "ok" and each.result is not None]
    if any(not isinstance(each.result, str) for each in unsure):
        yield "results of operations that are not ok"
    if any(isinstance(each.result, str) and _reason(each) is None for each in unsure):
        yield "errors of operations without an end"


def _with_keys(pairs: list[Pair], keys: list[bytes], told: Callable[[Event, bytes], Event]) -> list[Pair]:
    return [
        pair._replace(begin=told(pair.begin, key), end=None if pair.end is None else told(pair.end, key))
        for pair, key in zip(pairs, keys, strict=True)
    ]


def _pair(operation: Operation) -> Pair:
    told = as_told(operation)
    function, asked, answered = _words(operation)
    begin = Event(0, 0, operation.process, "invoke", function, asked)
    end = None
    if told.complete_us is not None:
        outcome = operation.outcome
        end = begin._replace(type=outcome, value=answered if outcome == "ok" else asked, error=_error(operation))
        if operation.kind == "cas" and operation.outcome == "ok" and operation.result is False:
            end = end._replace(type="fail")
    return Pair(operation.process, begin, end, operation.invoke_us, told.complete_us)


def _error(operation: Operation) -> Any:
    reason = _reason(operation)
    if operation.outcome == "fail" and operation.kind == "cas" and found_another(reason):
        return FAILED if reason is None else (FAILED, reason)
    return reason


def _reason(operation: Operation) -> bytes | None:
    """Return the text of the error of an operation that is not ok; None where it has none, or no line to tell it."""
    is_open = operation.outcome == "info" and operation.complete_us is None
    if operation.outcome == "ok" or is_open or not isinstance(operation.result, str):
        return None
    return operation.result.encode(errors="replace")


def _words(operation: Operation) -> _Words:
    kind = KINDS.get(operation.kind, operation.kind)
    if kind in _SHAPES:
        return _SHAPES[kind](operation)
    if kind in (*TAKES, *LOCKS):
        if operation.argument is not None:
            raise _wordless(operation, f"a {kind} has no argument")
        return kind, None, _answer(operation)
    asked = _value(operation, operation.argument)
    if kind in CHANGES:
        _refuse_answer(operation)
        return kind, asked, asked
    return kind, asked, _answer(operation)


def _answer(operation: Operation) -> Any:
    return _value(operation, operation.result) if operation.outcome == "ok" else None


def _refuse_answer(operation: Operation) -> None:
    if operation.outcome == "ok" and operation.result not in TOLD_NOTHING:
        raise _wordless(operation, f"what a {operation.kind} returned is not told")


# --- kinds whose values have a shape ------------------------------------------------------------------------------


def _cas(operation: Operation) -> _Words:
    if operation.outcome == "ok" and not isinstance(operation.result, bool):
        raise _wordless(operation, "a cas that was answered says whether it swapped, true or false")
    asked = tuple(_value(operation, each) for each in _parts(operation, operation.argument, 2))
    return "cas", asked, asked


def _transfer(operation: Operation) -> _Words:
    _refuse_answer(operation)
    parts = [_value(operation, each) for each in _parts(operation, operation.argument, 3)]
    asked = Map(zip((":from", ":to", ":amount"), parts, strict=True))
    return "transfer", asked, asked


def _txn(operation: Operation) -> _Words:
    asked = _micros(operation, operation.argument)
    return "txn", asked, _micros(operation, operation.result) if operation.outcome == "ok" else None


def _multi_read(operation: Operation) -> _Words:
    keys = _parts(operation, operation.argument)
    told = None
    if operation.outcome == "ok":
        values = _parts(operation, operation.result, len(keys))
        told = _micros(operation, tuple(("r", *each) for each in zip(keys, values, strict=True)))
    return "txn", _micros(operation, tuple(("r", key, None) for key in keys)), told


def _multi_write(operation: Operation) -> _Words:
    _refuse_answer(operation)
    pairs = [_parts(operation, each, 2) for each in _parts(operation, operation.argument)]
    asked = _micros(operation, tuple(("w", *each) for each in pairs))
    return "txn", asked, asked


_SHAPES: Final[dict[str, Callable[[Operation], _Words]]] = {
    "cas": _cas,
    "transfer": _transfer,
    "txn": _txn,
    "multi_read": _multi_read,
    "multi_write": _multi_write,
}


def _micros(operation: Operation, value: Any) -> tuple[Any, ...]:
    made = []
    for each in _parts(operation, value):
        name, key, content = _parts(operation, each, 3)
        if not isinstance(name, str) or name not in _MICRO_WORDS or not isinstance(key, bytes):
            raise _wordless(operation, f"no micro-operation is like {each!r}")
        made.append((_MICRO_WORDS[name], _value(operation, key), _value(operation, content)))
    return tuple(made)


def _parts(operation: Operation, value: Any, count: int | None = None) -> tuple[Any, ...]:
    if not isinstance(value, tuple) or (not value if count is None else len(value) != count):
        wanted = "something" if count is None else f"{count} parts"
        raise _wordless(operation, f"{value!r} does not consist of {wanted}")
    return value


def _value(operation: Operation, value: Any) -> Any:
    """Return a value of a history as EDN has it.

    Raises:
        WordlessError: it would come back as another.
    """
    if isinstance(value, bytes):
        try:
            value.decode()
        except UnicodeDecodeError as problem:
            raise _wordless(operation, f"{value!r} is not UTF-8") from problem
        return value
    if isinstance(value, tuple):
        return tuple(_value(operation, each) for each in value)
    if isinstance(value, frozenset) and operation.kind in ("read", "get", "drain"):
        return frozenset(_value(operation, each) for each in value)
    if isinstance(value, dict) and operation.kind in ("read", "get"):
        return Map((_value(operation, key), _value(operation, held)) for key, held in value.items())
    is_number = isinstance(value, int) and abs(value) < _INTEGER_END
    if value is None or is_number or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise _wordless(operation, f"{type(value).__name__} {value!r} would come back as something else")


def _wordless(operation: Operation, reason: str) -> WordlessError:
    return WordlessError(f"it cannot be told in Jepsen's words: {reason}: {operation.describe()}")
