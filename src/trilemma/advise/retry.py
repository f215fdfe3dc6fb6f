"""Retries in a Python source: which call is sent again after an error that may hide that it happened.

Knows loops around a `try` (`loop` tells which send again), decorators that retry, and a command that a handler, or what
only a handler leads on to, sends once more. Not what a function that is called does, nor flags that remember an error.
"""

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from trilemma.advise.client import last_name
from trilemma.advise.fresh import is_new, may_be_new, names_made
from trilemma.advise.loop import sends_again, targets_of
from trilemma.advise.syntax import FUNCTIONS, LOOPS, TRIES

RETRYING_DECORATORS = ("retry", "backoff")
LEAVES = (ast.Raise, ast.Return, ast.Break)
ENDS = (*LEAVES, ast.Continue)
WHOLE = ("del", "unlink", "set")

# fmt: off
DEFINITE = frozenset((
    "WatchError", "ExecAbortError", "NoScriptError", "ReadOnlyError", "AuthenticationError", "AuthorizationError",
    "NoPermissionError", "OutOfMemoryError", "BusyLoadingError", "DataError", "MovedError", "AskError",
    "TryAgainError", "ClusterDownError", "MasterDownError", "ClusterCrossSlotError", "MaxConnectionsError",
    "ConnectionRefusedError",
))
"""Errors that say that nothing happened. ResponseError is none of them: UNCERTAIN is one."""

LOST = frozenset((
    "RedisError", "ValkeyError", "ConnectionError", "TimeoutError", "ResponseError", "InvalidResponse",
    "RedisClusterException", "ClusterError", "CancelledError", "timeout", "error",
))
"""Errors after which it may have happened; so are those of the operating system, and Exception."""
# fmt: on


class Reach(Enum):
    """Whether an error that may hide that a command happened reaches a handler."""

    NO = False
    MAYBE = None
    YES = True


Form = tuple[str, ...]
"""What a call sends, as written: the command and its arguments."""


class Sending(NamedTuple):
    """What a call sends, and by which client."""

    client: str
    form: Form
    token: ast.expr | None = None
    """The token of CAP ONCE; None where there is none."""


Sent = Callable[[ast.Call], Sending | None]
"""Gives what a call sends; None of what sends no command."""
Asks = Callable[[ast.AST], bool]
"""Whether a node reads from a server."""


def is_retried(node: ast.Call, around: Sequence[ast.AST], sent: Sent, asks: Asks) -> bool | None:
    """Say whether an error makes a source send a call again; None where that cannot be seen.

    Args:
        node: the call.
        around: the nodes around it, the outermost first.
        sent: what a call sends.
        asks: whether a node is a read of a server: who asks first does not repeat blindly.
    """
    mine = sent(node)
    repeated = _is_repeated(node, around, asks, None if mine is None else mine.token)
    if repeated:
        return True
    again = _is_sent_again([*around, node], mine, sent, asks)
    return None if again is False and repeated is None else again


def _is_repeated(node: ast.Call, around: Sequence[ast.AST], asks: Asks, token: ast.expr | None) -> bool | None:
    """Say whether a loop around a try, or a decorator, sends the call again, and not with the same token; None where
    that cannot be seen."""
    tried: ast.Try | ast.TryStar | None = None
    inner: ast.AST = node
    for place, outer in reversed(list(enumerate(around))):
        if isinstance(outer, TRIES) and inner in outer.body and not _leaves_on_error(outer, asks):
            tried = outer
        elif isinstance(outer, LOOPS) and tried is not None:
            goes_round = all(isinstance(each.body[-1], ast.Continue) for each in _blind(tried, asks))
            again = sends_again(around[place:], node, outer, tried, goes_round)
            return _both(again, _is_another(token, outer.body, targets_of(outer)))
        elif isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            return any(_is_retrying(each) for each in outer.decorator_list) and _is_another(token, outer.body)
        inner = outer
    return False


def _both(one: bool | None, other: bool | None) -> bool | None:
    """Say whether both are so; None where one of them cannot be seen and the other is not false."""
    return False if False in (one, other) else None if None in (one, other) else True


def _blind(tried: ast.Try | ast.TryStar, asks: Asks) -> list[ast.ExceptHandler]:
    """Return the handlers of an error that may hide that a command happened, but for those that ask first."""
    return [each for each in tried.handlers if _reach(each) is not Reach.NO and not _has_asked(each.body, asks)]


def _leaves_on_error(tried: ast.Try | ast.TryStar, asks: Asks) -> bool:
    """Say whether no handler goes on blindly after such an error."""
    return all(isinstance(handler.body[-1], LEAVES) for handler in _blind(tried, asks))


def _is_another(token: ast.expr | None, statements: Sequence[ast.stmt], counted: Iterable[str] = ()) -> bool | None:
    """Say whether a token is another each time that statements are run, as no token is; None where that cannot be
    seen."""
    if token is None:
        return True
    new, maybe = names_made(statements, counted)
    if is_new(token, new):
        return True
    return None if may_be_new(token, maybe) else False


def _is_retrying(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = ast.unparse(called).lower()
    return any(word in name for word in RETRYING_DECORATORS) or "retry" in last_name(called).lower()


# After a handler


def _is_sent_again(path: Sequence[ast.AST], mine: Sending | None, sent: Sent, asks: Asks) -> bool | None:
    """Say whether what a try had sent is sent once more by its handler, or by what only a handler leads on to."""
    call = path[-1]
    first = max((place for place, each in enumerate(path[:-1]) if isinstance(each, FUNCTIONS)), default=0)
    found: bool | None = False
    for outer, inner in pairwise(path[first:]):
        for tried, handler, between in _handlers_before(outer, inner):
            before = list(_before(between, call))
            again = _same_before(tried, mine, sent, before) if mine is not None else False
            if mine is None or again is False or _has_asked(between, asks, call) or _sets_anew(between, mine, sent):
                continue
            sure = again is True and _reach(handler) is Reach.YES and not _depends(between, call, handler.name)
            found = True if sure else found or None
    return found


def _handlers_before(
    outer: ast.AST, inner: ast.AST
) -> Iterator[tuple[ast.Try | ast.TryStar, ast.ExceptHandler, Sequence[ast.stmt]]]:
    """Yield tries whose error alone leads to a node, with the handler, and the statements from there on to the node."""
    if isinstance(outer, TRIES) and isinstance(inner, ast.ExceptHandler):
        if _reach(inner) is not Reach.NO and not isinstance(inner.body[-1], ast.Raise):
            yield outer, inner, inner.body
        return
    for _, part in ast.iter_fields(outer):
        if isinstance(part, list) and inner in part and isinstance(inner, ast.stmt):
            for place, tried in enumerate(part[: part.index(inner)]):
                if isinstance(tried, TRIES) and isinstance((tried.orelse or tried.body)[-1], ENDS):
                    for handler in tried.handlers:
                        if _reach(handler) is not Reach.NO and not isinstance(handler.body[-1], ENDS):
                            yield tried, handler, [*handler.body, *part[place + 1 : part.index(inner) + 1]]


def _same_before(tried: ast.Try | ast.TryStar, mine: Sending, sent: Sent, between: Sequence[ast.stmt]) -> bool | None:
    """Say whether the body of a try sends the same, but for CAP ONCE with the same token; None where by another client,
    which may be of another server, or where the tokens may be the same."""
    others = [sent(each) for part in tried.body for each in _run_here(part) if isinstance(each, ast.Call)]
    found: bool | None = False
    for other in others:
        if other is None or other.form != mine.form:
            continue
        differs = _differ(other.token, mine.token, between)
        if differs and other.client == mine.client:
            return True
        found = found if differs is False else None
    return found


def _differ(earlier: ast.expr | None, token: ast.expr | None, between: Sequence[ast.stmt]) -> bool | None:
    """Say whether two attempts are not of one token, given what is assigned between them; None where that cannot be
    seen."""
    if earlier is None or token is None or is_new(earlier):
        return True
    another = _is_another(token, between)
    if another is False and ast.unparse(earlier) != ast.unparse(token):
        made = any(isinstance(each, ast.Call) for one in (earlier, token) for each in ast.walk(one))
        return None if made else True
    return another


def _before(statements: Sequence[ast.stmt], call: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements that are run before a call in one of them."""
    for each in statements:
        if not _holds(each, call):
            yield each
            continue
        for _, part in ast.iter_fields(each):
            inside = [one for one in part if isinstance(one, ast.AST)] if isinstance(part, list) else []
            for one in inside:
                if isinstance(one, ast.ExceptHandler | ast.match_case) and _holds(one, call):
                    yield from _before(one.body, call)
            if any(_holds(one, call) for one in inside):
                yield from _before([one for one in inside if isinstance(one, ast.stmt)], call)
        return


def _holds(node: ast.AST, other: ast.AST) -> bool:
    return any(each is other for each in ast.walk(node))


def _run_here(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and what is in it, but for functions that are only defined there."""
    if isinstance(node, FUNCTIONS):
        return
    yield node
    for each in ast.iter_child_nodes(node):
        yield from _run_here(each)


def _reach(handler: ast.ExceptHandler) -> Reach:
    """Say whether a handler is for errors after which a command may have happened."""
    if handler.type is None:
        return Reach.YES
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    found = [_reach_of(last_name(each)) for each in types]
    return next((each for each in (Reach.YES, Reach.MAYBE) if each in found), Reach.NO)


def _reach_of(name: str) -> Reach:
    if name in DEFINITE:
        return Reach.NO
    if name in LOST:
        return Reach.YES
    known = getattr(builtins, name, None)
    if isinstance(known, type):
        return Reach.YES if issubclass(known, OSError) or known in (Exception, BaseException) else Reach.NO
    # "RedisConnectionError", as it is often imported.
    return Reach.YES if name.endswith(("ConnectionError", "TimeoutError", "RedisError")) else Reach.MAYBE


def _has_asked(between: Sequence[ast.stmt], asks: Asks, call: ast.AST | None = None) -> bool:
    """Say whether a server was read, and the reply used for more than to show it, before a call among statements."""
    for part in between:
        for each in _run_here(part):
            if each is call:
                return False
            shows = isinstance(each, ast.Expr)
            own = list(_own(each)) if isinstance(each, ast.stmt) and not shows else []
            if call not in own and any(asks(one) for one in own):
                return True
    return False


def _own(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield the expressions of a statement that are not of a statement inside it."""
    for each in ast.iter_child_nodes(statement):
        if isinstance(each, ast.expr):
            yield from _run_here(each)


def _depends(between: Sequence[ast.stmt], call: ast.AST, error: str | None) -> bool:
    """Say whether a condition on the way to a call looks at the error, or asks what cannot be seen."""
    for part in between:
        for each in _run_here(part):
            if each is call:
                return False
            if isinstance(each, ast.If | ast.While | ast.IfExp) and _looks(each.test, error) and _turns(each, call):
                return True
    return False


def _turns(condition: ast.AST, call: ast.AST) -> bool:
    return any(each is call or isinstance(each, ENDS) for each in ast.walk(condition))


def _looks(test: ast.expr, error: str | None) -> bool:
    return any(
        isinstance(each, ast.Call) or (isinstance(each, ast.Name) and each.id == error) for each in ast.walk(test)
    )


def _sets_anew(between: Sequence[ast.stmt], mine: Sending, sent: Sent) -> bool:
    """Say whether the key is deleted or written whole on the way: then nothing of the first attempt is left."""
    found = [sent(each) for part in between for each in _run_here(part) if isinstance(each, ast.Call)]
    return any(each is not None and each.form[0] in WHOLE and each.form[1:2] == mine.form[1:2] for each in found)
