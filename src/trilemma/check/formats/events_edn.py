"""Jepsen's histories in EDN, as events: a vector or a list of maps, or one map after another. Written is the latter.

Members that are read: `:process :type :f :value :key :time :index :error`; others may stand there. A map may carry a
tag (`#jepsen.history.Op{...}`).
Source: Jepsen, jepsen.history; Knossos `data/`; Elle `histories/`; Porcupine `test_data/kv`.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from trilemma.check.formats.edn import Form, Parser
from trilemma.check.formats.edn_value import Map, Tagged, write
from trilemma.check.formats.error import FormatError, shown
from trilemma.check.formats.event import TYPES, Event
from trilemma.check.formats.micro import are_micro_operations
from trilemma.check.formats.stream import Readable

NAME: Final = "edn"

TIME_NS_MAX: Final = 1 << 62
"""Times beyond are none: 146 years."""

_ABSENT: Final = object()

_KEYWORD: Final = re.compile(r"[A-Za-z*!?_][A-Za-z0-9*!?_+.-]*")
"""What can stand behind the colon of a keyword wherever EDN is read."""


def events(source: Readable) -> Iterator[Event]:
    """Yield the events of a file.

    Raises:
        FormatError: it is no EDN, or no history.
    """
    for form in Parser(source).elements():
        yield _event(form)


def line(event: Event) -> str:
    """Return the map for an event, on one line, as Jepsen writes its history.edn."""
    members = [(":process", event.process), (":type", f":{event.type}"), (":f", _function_word(event.function))]
    if event.has_key:
        members.append((":key", event.key))
    members.append((":value", event.value))
    if event.error is not None:
        members.append((":error", event.error))
    members += [(":time", event.time_ns), (":index", event.number)]
    return "{" + ", ".join(f"{name} {write(value)}" for name, value in members) + "}"


def _function_word(function: str) -> str | bytes:
    """Return a keyword, or a string where the name can be none."""
    return f":{function}" if _KEYWORD.fullmatch(function) else function.encode()


def _event(form: Form) -> Event:
    members = form.value.value if isinstance(form.value, Tagged) else form.value
    if not isinstance(members, Map):
        raise FormatError(form.line, form.column, f"expected a map such as {{:process 0, ...}}, not {_show(members)}")
    kind = members.get(":type")
    kind = (kind.decode() if isinstance(kind, bytes) else str(kind)).removeprefix(":")
    if kind not in TYPES:
        wanted = ", ".join(f":{each}" for each in TYPES)
        raise FormatError(form.line, form.column, f":type is one of {wanted}, not {_show(members.get(':type'))}")
    key = members.get(":key", _ABSENT)
    value = members.get(":value")
    return Event(
        form.line,
        form.column,
        members.get(":process"),
        kind,
        _function(form, members.get(":f"), value),
        value,
        None if key is _ABSENT else key,
        key is not _ABSENT,
        _whole(form, members, ":time"),
        _whole(form, members, ":index"),
        members.get(":error"),
    )


def _function(form: Form, function: Any, value: Any) -> str:
    """Return the name of what was done; transactions may come without."""
    if isinstance(function, bytes):
        return function.decode()
    if isinstance(function, str):
        return function.removeprefix(":")
    if function is None and are_micro_operations(value):
        return "txn"
    raise FormatError(form.line, form.column, f":f is a keyword such as :read, not {_show(function)}")


def _whole(form: Form, members: Map, name: str) -> int | None:
    found = members.get(name)
    if found is None:
        return None
    if type(found) is not int or abs(found) > TIME_NS_MAX:
        raise FormatError(form.line, form.column, f"{name} is a whole number of at most 62 bits, not {_show(found)}")
    return found


def _show(value: Any) -> str:
    return shown(write(value))
