"""Values of a Python source that are another each time: drawn at random, told by a clock, or counted by a loop.

What decides whether a token of CAP ONCE stays the same. Only known sources count, and what is plainly made of them; a
name only where nothing else is assigned to it in the round, and always. Not what functions of the program return.
"""

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator, Sequence

from trilemma.advise.syntax import DEFINITIONS, LOOPS

# fmt: off
MODULES = frozenset(("uuid", "secrets", "random", "time", "os", "datetime"))
SOURCES = frozenset((
    "uuid1", "uuid4", "uuid6", "uuid7", "token_hex", "token_bytes", "token_urlsafe", "randbits", "randbelow", "urandom",
    "random", "randbytes", "randint", "randrange", "getrandbits", "time", "time_ns", "monotonic", "monotonic_ns",
    "perf_counter", "perf_counter_ns", "now", "utcnow",
))
"""Functions of those modules; uuid3 and uuid5 give the same for the same."""

KEEPING = frozenset((
    "encode", "decode", "format", "hex", "join", "replace", "strip", "upper", "lower", "isoformat", "total_seconds",
))
"""Methods of whose result differs what they are called on, or given, where that differs."""
# fmt: on

CONVERSIONS = frozenset(("str", "repr", "bytes", "hex", "int"))
CONDITIONAL = (ast.If, ast.Match, *LOOPS, *DEFINITIONS)

Names = frozenset[str]


def is_new(value: ast.AST | None, names: Names = frozenset()) -> bool:
    """Say whether an expression surely is another value each time; `names`: those that are."""
    return _is_made(value, names, _draws)


def may_be_new(value: ast.AST | None, names: Names = frozenset()) -> bool:
    """Say whether an expression is given by a function that is told nothing, so that it may be another each time;
    `names`: those that may be."""
    return _is_made(value, names, _asks)


def _is_made(value: ast.AST | None, names: Names, is_source: Callable[[ast.Call], bool]) -> bool:
    """Say whether an expression is plainly made of one of some names, or of what a source gives."""

    def is_made(inner: ast.AST) -> bool:
        return _is_made(inner, names, is_source)

    match value:
        case ast.Name(id=name):
            return name in names
        case ast.Call():
            return is_source(value) or any(is_made(each) for each in _kept(value))
        case ast.AugAssign(op=ast.Add() | ast.Sub(), value=ast.Constant()):
            return is_source is _draws
        case ast.Await(value=inner) | ast.NamedExpr(value=inner) | ast.Attribute(value=inner):
            return is_made(inner)
        case ast.FormattedValue(value=inner, format_spec=None):
            return is_made(inner)
        case ast.Subscript(value=inner, slice=index):
            return is_made(inner) or is_made(index)
        case ast.JoinedStr(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts):
            return any(is_made(each) for each in parts)
        case ast.BinOp(left=left, op=ast.Add() | ast.Mult(), right=right):
            return is_made(left) or is_made(right)
        case ast.BinOp(left=ast.Constant(value=str()), op=ast.Mod(), right=right):
            return is_made(right)
        case _:
            return False


def _draws(call: ast.Call) -> bool:
    """Say whether a call draws, or asks a clock or an iterator."""
    match call.func:
        case ast.Name(id="next"):
            return bool(call.args) and isinstance(call.args[0], ast.Name | ast.Attribute)
        case ast.Name(id=name):
            return name in SOURCES
        case ast.Attribute(value=ast.Name(id=module) | ast.Attribute(attr=module), attr=name):
            return module in MODULES and name in SOURCES
        case _:
            return False


def _asks(call: ast.Call) -> bool:
    """Say whether a call is of a function that is not known, and told nothing."""
    return isinstance(call.func, ast.Name) and not (call.args or call.keywords or hasattr(builtins, call.func.id))


def _kept(call: ast.Call) -> list[ast.expr]:
    """Return that of what a call is of which makes its result another where it is another."""
    match call.func:
        case ast.Name(id=name) if name in CONVERSIONS:
            return call.args
        case ast.Attribute(value=value, attr=name) if name in KEEPING:
            return [value, *call.args]
        case _:
            return []


def names_made(statements: Sequence[ast.stmt], counted: Iterable[str] = ()) -> tuple[Names, Names]:
    """Return the names that are surely another value after each run of some statements, and those that may be.

    Args:
        statements: what is run again.
        counted: the names that a loop counts by.
    """
    made: dict[str, list[ast.AST]] = {}
    for target, value in _assigned(statements):
        made.setdefault(target, []).append(value)
    stored = [
        each.id
        for part in statements
        for each in ast.walk(part)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    ]
    new, maybe = frozenset(counted) - made.keys(), frozenset[str]()
    for _ in made:  # each name may be made of one that is found after it
        sure = {name for name, values in made.items() if len(values) == stored.count(name)}
        new |= {name for name in sure if all(is_new(each, new) for each in made[name])}
        maybe |= {name for name, values in made.items() if any(may_be_new(each, maybe) for each in values)}
    return new, maybe


def _assigned(statements: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    """Yield what is assigned to names whenever statements are run, handlers of errors included; what is added to one
    comes with its statement."""
    for each in statements:
        match each:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value
            case ast.AugAssign(target=ast.Name(id=name)):
                yield name, each
        if not isinstance(each, CONDITIONAL):
            for _, part in ast.iter_fields(each):
                inside = part if isinstance(part, list) else []
                yield from _assigned([one for one in inside if isinstance(one, ast.stmt)])
                for handler in inside:
                    if isinstance(handler, ast.ExceptHandler):
                        yield from _assigned(handler.body)
