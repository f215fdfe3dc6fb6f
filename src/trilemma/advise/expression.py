"""Expressions of a Python source as keys and option words of a command: what of them is known without running it."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeGuard

from trilemma.advise.binding import Bindings, Bound
from trilemma.advise.branch import spot_of
from trilemma.advise.key import Form, Key, Trail
from trilemma.advise.spot import Spot


class Names(NamedTuple):
    """The names that are seen where an expression stands."""

    bindings: Bindings
    path: tuple[ast.AST, ...]
    """The nodes around the expression, the outermost first."""

    def bound(self, name: str) -> Sequence[Bound]:
        """Return all that a name is bound to."""
        return self.bindings.bound(name, self.path)

    def value(self, name: str) -> ast.expr | None:
        """Return what a name stands for that is bound once."""
        bound = self.bound(name)
        return bound[0].value if len(bound) == 1 else None

    def last(self, name: str, spot: Spot) -> Bound | None:
        """Return what a name stands for at a spot, where it is bound once, or to the same each time."""
        bound = self.bound(name)
        if len(bound) > 1 and not _are_alike([each.value for each in bound]):
            return None
        before = [each for each in bound if _is_before(each, spot)]
        return next(reversed(before or list(bound)), None)

    def trail(self, name: str, spot: Spot) -> Trail:
        """Return where a name has been bound before a spot; a variable that is bound once is never bound anew."""
        bound = self.bound(name)
        is_fixed = len(bound) == 1 and name.isidentifier()
        before = [] if is_fixed else [each for each in bound if _is_before(each, spot)]
        last = (before[-1].value or before[-1].items) if before else None
        source = ast.unparse(last) if last else ""
        return Trail(self.bindings.scope(name, self.path), frozenset(each.spot for each in before), source)


def _is_before(bound: Bound, spot: Spot) -> bool:
    return bound.spot.position <= spot.position


def _are_alike(values: Sequence[ast.expr | None]) -> bool:
    """Say whether values are the same expression, and one that calls nothing, so that nobody gives another one."""
    texts = {None if each is None else ast.unparse(each) for each in values}
    return len(texts) == 1 and None not in texts and not _has_call(values[0])


def _has_call(value: ast.expr | None) -> bool:
    return value is not None and any(isinstance(each, ast.Call | ast.Await) for each in ast.walk(value))


FOLLOWED_MAX = 8
"""Names that are followed from one to the next."""

SET_POSITIONS = {2: "EX", 3: "PX", 4: "NX", 5: "XX"}
"""What the positional arguments of redis-py's `set(name, value, ex, px, nx, xx)` mean."""

KEYWORDS = frozenset(("nx", "xx", "get", "ex", "px", "exat", "pxat", "keepttl"))
"""Keyword arguments of redis-py that become words of the command."""

PLACEHOLDERS = ("%", "{")


def key_of(expression: ast.expr, names: Names) -> Key:
    """Return the key that an expression makes; of one with a star before it, whichever keys these are."""
    if isinstance(expression, ast.Starred):
        return replace(key_of(expression.value, names), is_several=True)
    forms = []
    spot = spot_of((*names.path, expression), (expression.lineno, expression.col_offset))
    for _ in range(FOLLOWED_MAX):
        forms.append(_form(expression, names, spot))
        made = names.last(expression.id, spot) if isinstance(expression, ast.Name) else None
        if made is None or made.value is None:
            break
        expression, names = made.value, Names(names.bindings, made.scopes)
        spot = made.spot._replace(position=(expression.lineno, expression.col_offset))
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str | bytes):
        text = expression.value
        return Key.literal(text if isinstance(text, str) else text.decode("utf-8", "backslashreplace"))
    beginning = _beginning(expression, names)
    prefix = beginning.partition(":")[0] if ":" in beginning else None
    return Key(forms[-1].text, prefix, forms=tuple(forms))


def _form(expression: ast.expr, names: Names, spot: Spot) -> Form:
    inside = {ast.unparse(each) for each in ast.walk(expression) if isinstance(each, ast.Name | ast.Attribute)}
    return Form(ast.unparse(expression), spot, tuple(names.trail(each, spot) for each in sorted(inside)))


def _beginning(expression: ast.expr, names: Names, followed_max: int = FOLLOWED_MAX) -> str:
    """Return the text that what an expression makes begins with, as far as it is known."""
    if followed_max == 0:  # names may be made of one another, in a loop
        return ""
    match expression:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            return text
        case ast.JoinedStr(values=[ast.FormattedValue(value=ast.Name(id=name)), *rest]) if value := names.value(name):
            known = _beginning(value, names, followed_max - 1)
            following = rest[0].value if rest and isinstance(rest[0], ast.Constant) else ""
            return known + str(following) if known and isinstance(value, ast.Constant) else known
        case ast.BinOp(left=left, op=ast.Add() | ast.Mod()):
            return _before_placeholder(_beginning(left, names, followed_max))
        case ast.Call(func=ast.Attribute(value=value, attr="format")):
            return _before_placeholder(_beginning(value, names, followed_max))
        case ast.Name(id=name) if isinstance(value := names.value(name), ast.Constant):
            return _beginning(value, names)
        case _:
            return ""


def _before_placeholder(text: str) -> str:
    ends = [text.index(mark) for mark in PLACEHOLDERS if mark in text]
    return text[: min(ends)] if ends else text


def keys_of_call(node: ast.Call, command: str, names: Names) -> list[Key]:
    """Return the keys among the arguments of a method of redis-py."""
    return [key_of(each, names) for each in _key_expressions(node, command)]


def _key_expressions(node: ast.Call, command: str) -> Iterator[ast.expr]:
    arguments = [each.value if _is_written_out(each) else each for each in node.args]
    named = {each.arg: each.value for each in node.keywords}
    if command in ("mset", "msetnx"):
        pairs = arguments[0] if arguments else named.get("mapping")
        if isinstance(pairs, ast.Dict):
            yield from (each for each in pairs.keys if each is not None)
    elif command in ("watch", "del", "unlink", "exists", "mget", "touch"):
        for each in arguments:
            yield from each.elts if isinstance(each, ast.List | ast.Tuple) else [each]
    elif command in ("rename", "renamenx", "copy", "lmove", "rpoplpush"):
        yield from arguments[:2]
    elif arguments:
        yield arguments[0]
    else:
        yield from (value for name, value in named.items() if name in ("name", "key", "keys"))


def _is_written_out(argument: ast.expr) -> TypeGuard[ast.Starred]:
    return isinstance(argument, ast.Starred) and isinstance(argument.value, ast.List | ast.Tuple)


def words_of_call(node: ast.Call, command: str) -> tuple[str, ...]:
    """Return the option words that a call of redis-py's `set`, or of any other method, adds to its command.

    Those of `lock(name, timeout)` are those of the SET that it sends.
    """
    if command == "lock":
        timeouts = [*node.args[1:2], *(each.value for each in node.keywords if each.arg == "timeout")]
        return ("NX", "PX") if any(not _is_off(each) for each in timeouts) else ("NX",)
    words = [
        each.arg.upper() for each in node.keywords if each.arg in KEYWORDS and not _is_off(each.value) and each.arg
    ]
    if command == "set":
        words += [
            word for place, word in SET_POSITIONS.items() if place < len(node.args) and not _is_off(node.args[place])
        ]
    return tuple(words)


def _is_off(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value in (None, False)
