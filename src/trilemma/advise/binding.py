"""What the names of a Python source are bound to where they stand, by scopes: functions, lambdas and comprehensions.

Tells which are surely clients, for subscripts, which dicts have too: a name that is bound to anything else as well is
none; attributes such as `self.redis` count where all that the file assigns to them are clients. And which stand for one
expression, because they are bound once. Not in which order, nor whether, what binds them is run.
"""

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from trilemma.advise.branch import spot_of
from trilemma.advise.client import LIBRARIES, PIPELINES, dotted, is_constructor, last_name
from trilemma.advise.spot import Spot
from trilemma.advise.syntax import COMPREHENSIONS, DEFINITIONS, FUNCTIONS

SCOPES = (ast.Module, *FUNCTIONS, *COMPREHENSIONS)
CLASSES = frozenset(("Redis", "StrictRedis", "RedisCluster", "Valkey", "ValkeyCluster", "FakeRedis"))
FOLLOWED_MAX = 8
"""Names that are followed from one to the next."""


class Bound(NamedTuple):
    """What a name is bound to, the scopes around, and where; no value where that is not seen."""

    value: ast.expr | None
    annotation: ast.expr | None
    scopes: tuple[ast.AST, ...]
    spot: Spot = Spot()
    items: ast.expr | None = None
    """What a loop goes through that binds it each round."""


class Bindings:
    """What the names of one file are bound to."""

    def __init__(self, tree: ast.Module) -> None:
        self._bound: dict[tuple[int, str], list[Bound]] = {}
        """By scope and name; attributes are of the module."""
        self._declared: dict[tuple[int, str], tuple[ast.AST, ...]] = {}
        """Where a scope binds the names that it declares `global` or `nonlocal`."""
        self._module = tree
        self._path: list[ast.AST] = []
        """The nodes around the one that is looked at, the outermost first, and itself."""
        self._walk(tree, (tree,))

    def bound(self, name: str, around: Sequence[ast.AST]) -> Sequence[Bound]:
        """Return all that a name is bound to which is seen within some nodes, the outermost first."""
        return self._seen(name, self._scopes(around))

    def scope(self, name: str, around: Sequence[ast.AST]) -> int:
        """Return which scope binds a name that is seen within some nodes; 0 where none does."""
        return self._scope(name, self._scopes(around))

    def _seen(self, name: str, scopes: tuple[ast.AST, ...]) -> Sequence[Bound]:
        return self._bound.get((self._scope(name, scopes), name), [])

    def _scope(self, name: str, scopes: tuple[ast.AST, ...]) -> int:
        inward = reversed(scopes) if name.isidentifier() else [self._module]
        return next((id(scope) for scope in inward if (id(scope), name) in self._bound), 0)

    def _scopes(self, around: Sequence[ast.AST]) -> tuple[ast.AST, ...]:
        return tuple(each for each in around if isinstance(each, SCOPES)) or (self._module,)

    def is_client(self, node: ast.expr, around: Sequence[ast.AST]) -> bool:
        """Say whether an expression is surely a client, or a pipeline of one.

        Args:
            node: the expression.
            around: the nodes around it, the outermost first.
        """
        return self._is_client(node, self._scopes(around), FOLLOWED_MAX)

    def _is_client(self, node: ast.expr | None, scopes: tuple[ast.AST, ...], depth: int) -> bool:
        value = node.value if isinstance(node, ast.Await) else node
        if depth == 0 or value is None:
            return False
        if isinstance(value, ast.Name | ast.Attribute):
            return self._is_bound_to_client(value, scopes, depth - 1)
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in PIPELINES:
            return self._is_client(value.func.value, scopes, depth - 1)
        return is_constructor(value) and isinstance(value, ast.Call) and self._is_of_library(value.func)

    def _is_bound_to_client(self, node: ast.Name | ast.Attribute, scopes: tuple[ast.AST, ...], depth: int) -> bool:
        found = self._seen(dotted(node), scopes)
        return bool(found) and all(
            _is_client_type(each.annotation) if each.annotation else self._is_client(each.value, each.scopes, depth)
            for each in found
        )

    def _is_of_library(self, function: ast.expr) -> bool:
        """Say whether a constructor, or the module or class that it is called on, is of a library that is known."""
        text = dotted(function)
        return text in CLASSES or any(name in text.lower() for name in LIBRARIES) or text == "from_url"

    def _walk(self, node: ast.AST, scopes: tuple[ast.AST, ...], in_class: bool = False) -> None:
        self._path.append(node)
        if isinstance(node, DEFINITIONS):
            if not in_class:  # a method is no name of the scope around its class
                self._bind(node.name, Bound(None, None, scopes, self._spot(node)))
        else:
            for name, bound in _bindings(node, scopes):
                holding = _holding(scopes) if isinstance(node, ast.NamedExpr) else scopes
                self._bind(name, bound._replace(spot=self._spot(node)), holding)
        inner = (*scopes, node) if isinstance(node, SCOPES) and node is not self._module else scopes
        if isinstance(node, FUNCTIONS):
            self._declare(node, inner)
        for each in ast.iter_child_nodes(node):
            self._walk(each, inner, isinstance(node, ast.ClassDef))
        self._path.pop()

    def _spot(self, node: ast.AST) -> Spot:
        return spot_of(self._path, _position(node))

    def _bind(self, name: str, bound: Bound, scopes: tuple[ast.AST, ...] = ()) -> None:
        scope = (scopes or bound.scopes)[-1] if name.isidentifier() else self._module
        for each in self._declared.get((id(scope), name), (scope,)):
            self._bound.setdefault((id(each), name), []).append(bound)

    def _declare(self, function: ast.AST, scopes: tuple[ast.AST, ...]) -> None:
        """Note the names that a function binds elsewhere: `nonlocal` ones in any of the functions around it."""
        for each in _own(function):
            if isinstance(each, ast.Global | ast.Nonlocal):
                around = scopes[1:-1] if isinstance(each, ast.Nonlocal) else (self._module,)
                self._declared |= {(id(function), name): around for name in each.names}


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is in a node, but for what is in functions and classes inside it."""
    for each in ast.iter_child_nodes(node):
        yield each
        if not isinstance(each, (*FUNCTIONS, ast.ClassDef)):
            yield from _own(each)


def _holding(scopes: tuple[ast.AST, ...]) -> tuple[ast.AST, ...]:
    """Return the scopes around a comprehension: `:=` binds there."""
    return _holding(scopes[:-1]) if isinstance(scopes[-1], COMPREHENSIONS) else scopes


def _position(node: ast.AST) -> tuple[int, int]:
    """Return where what a node binds holds from: behind the value. In a comprehension it stands behind its use."""
    match node:
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.NamedExpr():
            value: ast.stmt | ast.expr = node
        case ast.For() | ast.AsyncFor():
            value = node.iter
        case ast.withitem():
            value = node.context_expr
        case _:
            return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
    return value.end_lineno or value.lineno, value.end_col_offset or value.col_offset


def _bindings(node: ast.AST, scopes: tuple[ast.AST, ...]) -> Iterator[tuple[str, Bound]]:
    """Yield the names that a node itself binds."""
    match node:
        case ast.Assign():
            for target in node.targets:
                yield from _targets(target, Bound(node.value, None, scopes))
        case ast.AnnAssign():
            yield from _targets(node.target, Bound(node.value, node.annotation, scopes))
        case ast.NamedExpr():
            yield from _targets(node.target, Bound(node.value, None, scopes))
        case ast.withitem(optional_vars=ast.expr() as target):
            yield from _targets(target, Bound(node.context_expr, None, scopes))
        case ast.arg():
            yield node.arg, Bound(None, node.annotation, scopes)
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            yield from _targets(node.target, Bound(None, None, scopes, items=node.iter))
        case ast.AugAssign():
            yield from _targets(node.target, Bound(None, None, scopes))
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name, Bound(None, None, scopes)
        case ast.MatchMapping(rest=str(name)):
            yield name, Bound(None, None, scopes)
        case ast.Import() | ast.ImportFrom():
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], Bound(None, None, scopes)


def _targets(target: ast.expr, bound: Bound) -> Iterator[tuple[str, Bound]]:
    if isinstance(target, ast.Name | ast.Attribute):
        yield dotted(target), bound
    elif isinstance(target, ast.Starred):
        yield from _targets(target.value, bound._replace(value=None))
    elif isinstance(target, ast.Tuple | ast.List):
        values = bound.value.elts if isinstance(bound.value, ast.Tuple | ast.List) else []
        for place, each in enumerate(target.elts):
            value = values[place] if len(values) == len(target.elts) else None
            yield from _targets(each, bound._replace(value=value))


def _is_client_type(annotation: ast.expr | None) -> bool:
    """Say whether an annotation is a client, or a client or None; never a dict or list of them."""
    match annotation:
        case ast.Constant(value=str(text)):
            return text.split("[")[0].rpartition(".")[2] in CLASSES
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            sides = [each for each in (left, right) if not (isinstance(each, ast.Constant) and each.value is None)]
            return all(_is_client_type(each) for each in sides)
        case ast.Subscript(value=value, slice=inner) if last_name(value) == "Optional":
            return _is_client_type(inner)
        case ast.Subscript(value=value):
            return last_name(value) in CLASSES
        case ast.Name() | ast.Attribute():
            return last_name(annotation) in CLASSES
        case _:
            return False
