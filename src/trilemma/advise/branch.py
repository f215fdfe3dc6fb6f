"""Branches of a Python source: which of two calls in one function can come after the other.

Knows `if`, conditional expressions, `match`, and the handlers of a `try`; and that nothing follows a branch that
returns. Not that a condition holds twice, nor what `raise`, `break` and `continue` skip.
"""

import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise

from trilemma.advise.spot import Arm, Block, Spot
from trilemma.advise.syntax import COMPREHENSIONS, FUNCTIONS, LOOPS, TRIES

ROUNDS = (*LOOPS, *COMPREHENSIONS)
ALWAYS_RUN = frozenset(("test", "iter", "finalbody"))
"""The parts of a branch, loop or `try` that are run whenever it is."""


def spot_of(path: Sequence[ast.AST], position: tuple[int, int]) -> Spot:
    """Return where a node stands, or where in it something is bound.

    Args:
        path: the nodes around it, the outermost first, and the node itself.
        position: line and column.
    """
    return Spot(position, arms_of(path), frozenset(_blocks(path)))


def _blocks(path: Sequence[ast.AST]) -> Iterator[Block]:
    """Yield the parts around a node that may be left out; a `for` of no rounds binds nothing either."""
    for outer, inner in pairwise(path):
        if isinstance(inner, ast.ExceptHandler | ast.match_case):
            yield Block(id(inner), "", False)
        elif isinstance(outer, (*FUNCTIONS, *COMPREHENSIONS)):
            yield Block(id(outer), "", isinstance(outer, COMPREHENSIONS))
        elif isinstance(outer, (ast.If, ast.IfExp, *LOOPS, *TRIES)):
            part = _part(outer, inner)
            if part not in ALWAYS_RUN:
                yield Block(id(outer), part, isinstance(outer, LOOPS) and part == "body")
    if isinstance(path[-1], ast.For | ast.AsyncFor):
        yield Block(id(path[-1]), "body", True)


def _part(outer: ast.AST, inner: ast.AST) -> str:
    """Return the name of the part of a node that another one stands in."""
    for name, part in ast.iter_fields(outer):
        if part is inner or (isinstance(part, list) and any(each is inner for each in part)):
            return name
    raise ValueError("the one node is not in the other")


def arms_of(path: Sequence[ast.AST]) -> tuple[Arm, ...]:
    """Return the branches that a node stands in, of its own function.

    Args:
        path: the nodes around it, the outermost first, and the node itself.
    """
    return tuple(_arms(_in_function(path)))


def _in_function(path: Sequence[ast.AST]) -> Sequence[ast.AST]:
    first = max((place for place, node in enumerate(path[:-1]) if isinstance(node, FUNCTIONS)), default=0)
    return path[first:]


def _arms(path: Sequence[ast.AST]) -> Iterator[Arm]:
    is_repeated = has_finally = False
    for fork, inner in pairwise(path):
        is_repeated = is_repeated or isinstance(fork, ROUNDS)
        has_finally = has_finally or (isinstance(fork, ast.Try) and bool(fork.finalbody))
        for number, branch in enumerate(_branches(fork)):
            if any(each is inner for each in branch):
                yield Arm(id(fork), number, _returns(branch) and not has_finally, is_repeated)


def _branches(fork: ast.AST) -> list[Sequence[ast.AST]]:
    """Return the parts of a node of which only one is run at a time."""
    match fork:
        case ast.If():
            return [fork.body, fork.orelse]
        case ast.IfExp():
            return [[fork.body], [fork.orelse]]
        case ast.Match():
            return [[case] for case in fork.cases]
        case ast.Try():
            return [fork.orelse, *([handler] for handler in fork.handlers)]
        case _:
            return []


def _returns(branch: Sequence[ast.AST]) -> bool:
    last = branch[-1]
    if isinstance(last, ast.match_case | ast.ExceptHandler):
        return _returns(last.body)
    return isinstance(last, ast.Return)
