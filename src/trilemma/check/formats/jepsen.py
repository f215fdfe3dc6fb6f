"""What Jepsen's operations mean: pairs of events as Operations, in the words of the models.

| `:f` | kind, argument, result |
|---|---|
| `:read` (`:get`), `:write` (`:put`) | `read` (what the ok says), `write` (the value) |
| `:cas [old new]` | `cas`, (old, new), True; False where it failed for finding another value |
| `:add`, `:remove`, `:append`, `:enqueue` | that kind, the value; their results are not told |
| `:dequeue`, `:drain` | that kind; what came out |
| `:acquire`, `:release` | that kind, no lease; what the ok says: a fencing token (of a map its `:fence` or `:token`) |
| `:transfer {:from :to :amount}` | `transfer`, (from, to, amount) |
| `:txn`, or any of micro-operations | `txn`; where each only reads or only writes `multi_read`, `multi_write` |
| others | that kind, the value of the invocation; the value of the ok |

Of a release an ok that repeats what its invocation said, which is who asks, tells nothing.
Of what failed, or is in doubt, the result is the text of its `:error`, if it has one, as that of an error reply is.

Source: Jepsen `tests/`, `checker.clj`, `independent.clj`; Knossos `model.clj`; Porcupine `models/`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from trilemma.check.formats.balances import with_accounts
from trilemma.check.formats.conventions import Conventions
from trilemma.check.formats.edn_value import Map, write
from trilemma.check.formats.error import FormatError, shown
from trilemma.check.formats.event import Event, Pair
from trilemma.check.formats.failed_cas import FAILED, as_text, error_of, found_another
from trilemma.check.formats.key import Names
from trilemma.check.formats.micro import are_micro_operations, micro_operations
from trilemma.check.history import Operation

KINDS: Final = {"get": "read", "put": "write"}
"""Other names of the same."""

CHANGES: Final = ("write", "add", "remove", "append", "enqueue")
TAKES: Final = ("read", "dequeue", "drain")
LOCKS: Final = ("acquire", "release")
_TOKENS: Final = (":fence", ":token")

WHOLE: Final = b""
"""The key of operations that name none."""


def operations(pairs: Sequence[Pair], conventions: Conventions) -> list[Operation]:
    """Return what was done, in order of invocation.

    Raises:
        FormatError: a value is not what its `:f` asks for.
    """
    names = Names()
    split = conventions.keys == "split" or (conventions.keys == "auto" and are_pairs_of_keys(pairs))
    if not split and conventions.keys == "auto":
        _refuse_locks_of_keys(pairs)
    pure = not any(_is_mixed(_value(pair.begin, split)) for pair in pairs)
    balances = with_accounts(pairs, lambda event: _value(event, split))
    found = [_operation(pair, conventions, names, split, pure) for pair in pairs]
    for place, told in balances.items():
        found[place] = found[place]._replace(result=names.value(told))
    return found


def _value(event: Event, split: bool) -> Any:
    """Return the value of an event without its key."""
    return _half(event, 1) if split and event.value is not None else event.value


# --- whose values are pairs of key and value ----------------------------------------------------------------------


def are_pairs_of_keys(pairs: Sequence[Pair]) -> bool:
    """Say whether every value can only be a pair of key and value: also a read's, which else begins without one."""
    certain = False
    for pair in pairs:
        begin = pair.begin
        value = begin.value
        if begin.has_key or not (isinstance(value, tuple) and len(value) == 2) or are_micro_operations(value):
            return False
        kind = KINDS.get(begin.function, begin.function)
        if kind == "cas":
            if not (isinstance(value[1], tuple) and len(value[1]) == 2):
                return False
            certain = True
        certain |= (kind in (*TAKES, *LOCKS) and value[1] is None) or are_micro_operations(value[1])
    return certain


def _refuse_locks_of_keys(pairs: Sequence[Pair]) -> None:
    """Refuse to take several locks for one: `[key nil]` names a lock, though other values are no pairs."""
    for pair in pairs:
        value = pair.begin.value
        if pair.begin.function in LOCKS and isinstance(value, tuple) and len(value) == 2 and value[1] is None:
            reason = f"{_show(value)} looks like a key and a value, which others do not: --keys split or whole says"
            raise _problem(pair.begin, reason)


def _is_mixed(value: Any) -> bool:
    """Whether a transaction appends, or both reads and writes: then all stay transactions."""
    if not are_micro_operations(value):
        return False
    names = {micro[0].removeprefix(":")[0] for micro in value}
    return names not in ({"r"}, {"w"})


# --- one operation ------------------------------------------------------------------------------------------------


def _operation(pair: Pair, conventions: Conventions, names: Names, split: bool, pure: bool) -> Operation:
    begin, end = pair.begin, pair.end
    key, asked = (names.of(begin.key) if begin.has_key else WHOLE), begin.value
    if split:
        key, asked = names.of(_half(begin, 0)), _half(begin, 1)
    told = _value(end, split) if end is not None and end.type == "ok" else None
    outcome = "info" if end is None else end.type
    source = begin if told is None or end is None else end
    kind, argument, result = _meaning(begin, source, asked, told, outcome, names, pure)
    complete_us = pair.complete_us
    if end is not None and outcome != "ok":
        error = _error(kind, asked, end, split, _half(begin, 0) if split else None)
        result = _reason(kind, error)
        if outcome == "fail" and kind == "cas" and conventions.failed_cas == "mismatch" and found_another(error):
            outcome, result = "ok", False
    return Operation(
        pair.process, pair.invoke_us, complete_us, kind, key, argument, result, outcome  # type: ignore[arg-type]
    )  # fmt: skip


def _half(event: Event, index: int) -> Any:
    if not (isinstance(event.value, tuple) and len(event.value) == 2):
        raise _problem(event, f"expected a pair of key and value, not {_show(event.value)}")
    return event.value[index]


def _error(kind: str, asked: Any, end: Event, split: bool, key: Any) -> Any:
    """Return the error that an end tells; of a compare-and-set also one in place of its value."""
    if kind != "cas" or end.type != "fail":
        return end.error
    told = end.value
    if split and isinstance(told, tuple) and len(told) == 2 and told[0] == key:
        told = told[1]
    return error_of(asked, told, end.error)


def _reason(kind: str, error: Any) -> str | None:
    """Return the text of an error; None where there is none."""
    if kind == "cas" and isinstance(error, tuple) and len(error) == 2 and error[0] == FAILED:
        error = error[1]
    return None if error is None or (kind == "cas" and error == FAILED) else as_text(error)


def _meaning(
    begin: Event, source: Event, asked: Any, told: Any, outcome: str, names: Names, pure: bool
) -> tuple[str, Any, Any]:
    """Return kind, argument and result. `source` is the event whose value counts, and is wrong where that is."""
    if are_micro_operations(asked):
        return _transaction(source, asked, told, outcome == "ok", names, pure)
    kind = KINDS.get(begin.function, begin.function)
    if kind == "drain" and isinstance(told, frozenset):  # in no order: that of a tuple would be made up
        return kind, None, frozenset(names.value(each) for each in told)
    if kind in TAKES:
        return kind, None, names.value(told)
    if kind in CHANGES:
        return kind, names.value(asked if told is None else told), None
    if kind in LOCKS:  # who asks, as their invocation may say, the process says too
        return kind, None, None if kind == "release" and told == asked else names.value(_token(told))
    shape = _SHAPES.get(kind)
    if shape is None:
        return kind, names.value(asked), names.value(told)
    result = True if kind == "cas" and outcome == "ok" else None
    return kind, shape(source, asked if told is None else told, names), result


def _token(told: Any) -> Any:
    """Return the fencing token of a map that has one; all else as it was told."""
    if not isinstance(told, Map):
        return told
    return next((told[name] for name in _TOKENS if name in told), None)


def _cas(source: Event, value: Any, names: Names) -> tuple[Any, Any]:
    if not (isinstance(value, tuple) and len(value) == 2):
        raise _problem(source, f":cas takes [old new], not {_show(value)}")
    return names.value(value[0]), names.value(value[1])


def _transfer(source: Event, value: Any, names: Names) -> tuple[Any, Any, Any]:
    if not (isinstance(value, Map) and {":from", ":to", ":amount"} <= value.keys()):
        raise _problem(source, f":transfer takes {{:from a, :to b, :amount n}}, not {_show(value)}")
    return names.value(value[":from"]), names.value(value[":to"]), names.value(value[":amount"])


_SHAPES: Final[dict[str, Callable[[Event, Any, Names], Any]]] = {"cas": _cas, "transfer": _transfer}


def _transaction(source: Event, asked: Any, told: Any, known: bool, names: Names, pure: bool) -> tuple[str, Any, Any]:
    if known and told is not None and not _fits(asked, told):
        raise _problem(source, f"its ok tells of other micro-operations than it began with: {_show(told)}")
    done = asked if told is None else told
    argument = micro_operations(done, names, results=False)
    result = micro_operations(done, names, results=True) if known else None
    if not pure:
        return "txn", argument, result
    if argument[0][0] == "w":
        return "multi_write", tuple((key, value) for _, key, value in argument), None
    return "multi_read", tuple(key for _, key, _ in argument), result and tuple(value for _, _, value in result)


def _fits(asked: Any, told: Any) -> bool:
    if not are_micro_operations(told) or len(asked) != len(told):
        return False
    return all(one[:2] == other[:2] for one, other in zip(asked, told, strict=True))


def _problem(event: Event, reason: str) -> FormatError:
    return FormatError(event.line, event.column, reason)


def _show(value: Any) -> str:
    return shown(write(value))
