"""Loops around a `try` of a Python source: whether they go round to send a call again, or to go on with the next item.

A loop surely sends again where success ends it: by `break` or `return` behind the call, or by a flag that is set there
and asked by a condition. Where it may end otherwise, only the program knows; one that goes on after a success as after
an error does not send again. Items are what a `for` goes through, and what a round takes from a call.
"""

import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

from trilemma.advise.client import last_name
from trilemma.advise.syntax import FUNCTIONS, LOOPS
from trilemma.command.wrapping import WRAPPED_AT

ENDS = (ast.Break, ast.Return)
COUNTS = frozenset(("range", "count", "repeat"))
"""What a `for` goes through whose rounds are attempts, and no items."""

Loop: TypeAlias = ast.For | ast.AsyncFor | ast.While
Tried: TypeAlias = ast.Try | ast.TryStar


def targets_of(loop: Loop) -> set[str]:
    """Return the names that a loop gives a value each round."""
    return set() if isinstance(loop, ast.While) else _names(loop.target)


def sends_again(path: Sequence[ast.AST], call: ast.Call, loop: Loop, tried: Tried, goes_round: bool) -> bool | None:
    """Say whether a loop sends a call again that had an error; None where that cannot be seen.

    Args:
        path: the loop, and the nodes down to the call.
        call: what is sent; of CAP ONCE the token counts only to tell an item from another.
        loop: the loop.
        tried: the `try` on the way whose error the loop survives.
        goes_round: whether every handler of such an error goes round, and runs nothing that stands behind the `try`.
    """
    path = [*path, call]
    items = _items(loop, call)
    told = [*call.args, *(each.value for each in call.keywords)]
    is_counted = isinstance(loop, ast.For) and _called(loop.iter) in COUNTS
    followed = [*_behind(path, tried), *(_after(path, tried) if goes_round else ())]
    is_over = any(isinstance(each, ENDS) for each in followed) or _ends_by_flag(loop, _flags(followed))
    if is_over is None:
        return None
    if is_over:
        start = WRAPPED_AT["cap|once"] if told and isinstance(told[0], ast.Constant) and told[0].value == "CAP" else 0
        is_other = not is_counted and any(_names(each) & items for each in told[start:])
        return None if is_other else True
    may_end = any(isinstance(each, ENDS) for part in loop.body for each in _of_loop(part))
    goes_on = any(_names(part) & items for part in (*tried.body, *tried.orelse))
    if any(_names(each) & items for each in told) or (goes_on and not may_end):
        return False
    is_asking = isinstance(loop, ast.While) and not isinstance(loop.test, ast.Constant)
    return None if may_end or is_counted or is_asking else False


def _behind(path: Sequence[ast.AST], tried: Tried) -> Iterator[ast.stmt]:
    """Yield the statements of a `try` that follow a call which succeeded; of a loop inside only what ends the other."""
    first = next(place for place, each in enumerate(path) if each is tried)
    is_inner = False
    for outer, inner in pairwise(path[first:]):
        is_inner = is_inner or isinstance(outer, LOOPS)
        for each in _from(outer, inner):
            if not (is_inner and isinstance(each, ast.Break)):
                yield each
    yield from tried.orelse


def _after(path: Sequence[ast.AST], tried: Tried) -> Iterator[ast.stmt]:
    """Yield the statements of a loop behind a `try`."""
    last = next(place for place, each in enumerate(path) if each is tried)
    for outer, inner in pairwise(path[: last + 1]):
        yield from _from(outer, inner)[1:]


def _from(outer: ast.AST, inner: ast.AST) -> list[ast.stmt]:
    """Return the statements of a node from one of them on; none where that is in no block of its."""
    for _, part in ast.iter_fields(outer):
        if isinstance(part, list):
            place = next((place for place, each in enumerate(part) if each is inner), None)
            if place is not None:
                return [each for each in part[place:] if isinstance(each, ast.stmt)]
    return []


def _flags(statements: Sequence[ast.stmt]) -> dict[str, bool]:
    """Return the names and attributes that are set to a constant, and whether that is true."""
    return {
        ast.unparse(target): bool(each.value.value)
        for each in statements
        if isinstance(each, ast.Assign) and isinstance(each.value, ast.Constant)
        for target in each.targets
    }


def _ends_by_flag(loop: Loop, flags: dict[str, bool]) -> bool | None:
    """Say whether a loop ends by a condition on a flag as it was set; None where it asks for more than that."""
    ends: list[bool | None] = []
    if isinstance(loop, ast.While) and _names_flag(loop.test, flags):
        ends.append(_opposite(_truth(loop.test, flags)))
    for part in loop.body:
        for each in _of_loop(part):
            if isinstance(each, ast.If) and _names_flag(each.test, flags):
                truth = _truth(each.test, flags)
                ends += [truth] if _has_end(each.body) else []
                ends += [_opposite(truth)] if _has_end(each.orelse) else []
    return True if True in ends else None if None in ends else False


def _names_flag(test: ast.expr, flags: dict[str, bool]) -> bool:
    return any(isinstance(each, ast.Name | ast.Attribute) and ast.unparse(each) in flags for each in ast.walk(test))


def _has_end(block: Sequence[ast.stmt]) -> bool:
    return any(isinstance(each, ENDS) for each in block)


def _truth(test: ast.expr, flags: dict[str, bool]) -> bool | None:
    """Return what a condition is, given its flags; None where they do not decide it."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _opposite(_truth(test.operand, flags))
    if isinstance(test, ast.BoolOp):
        decides = isinstance(test.op, ast.Or)  # one that is true makes all true; of `and`, one that is false
        parts = [_truth(each, flags) for each in test.values]
        return decides if decides in parts else None if None in parts else not decides
    return flags.get(ast.unparse(test))


def _opposite(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def _items(loop: Loop, call: ast.Call) -> set[str]:
    """Return the names that a loop gives, and those that a round assigns from them or from another call."""
    items = targets_of(loop)
    made: list[tuple[ast.expr, ast.expr]] = []
    for part in [loop.test, *loop.body] if isinstance(loop, ast.While) else loop.body:
        for each in _of_loop(part):
            if isinstance(each, ast.Assign):
                made += [(target, each.value) for target in each.targets]
            elif isinstance(each, ast.AnnAssign | ast.NamedExpr) and each.value is not None:
                made.append((each.target, each.value))
    for _ in made:  # each may be made of one that is found after it
        for target, value in made:
            inside = list(ast.walk(value))
            is_called = any(isinstance(each, ast.Call) for each in inside) and not any(each is call for each in inside)
            if is_called or _names(value) & items:
                items |= _names(target)
    return items


def _of_loop(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and what is in it, but for handlers, functions, and what ends a loop inside it."""
    if isinstance(node, (ast.ExceptHandler, ast.ClassDef, *FUNCTIONS)):
        return
    yield node
    for each in ast.iter_child_nodes(node):
        for inner in _of_loop(each):
            if not (isinstance(node, LOOPS) and isinstance(inner, ast.Break)):
                yield inner


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _called(node: ast.expr) -> str:
    """Return the name of the function that is called; nothing of anything else."""
    return last_name(node.func) if isinstance(node, ast.Call) else ""
