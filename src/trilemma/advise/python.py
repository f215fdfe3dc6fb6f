"""Commands out of a Python source: redis-py's methods and subscripts, in the order written, without running anything.

What is seen: the method and its option words, the beginning of the key, whether the reply is used, whether the command
is sent again after an error, and pipelines with their WATCH. A function keeps an order of its own: what one reads
and another writes is not brought together.
"""

import ast
from collections.abc import Sequence

from trilemma.advise.binding import Bindings
from trilemma.advise.branch import arms_of
from trilemma.advise.call import Call, Client, Program, Receiver
from trilemma.advise.client import CLEAR_METHODS, Receivers, dotted, is_constructor, retries
from trilemma.advise.expression import FOLLOWED_MAX, Names, key_of, keys_of_call, words_of_call
from trilemma.advise.key import Key
from trilemma.advise.pipelines import QUEUEING, Named, Pipelines
from trilemma.advise.retry import Sending, is_retried
from trilemma.advise.syntax import DEFINITIONS
from trilemma.advise.text import UNKEYED
from trilemma.command.safety import BY_COMMAND
from trilemma.command.safety_rows import VALUE_READS
from trilemma.command.wrapping import WRAPPED_AT

METHODS = {"delete": "del", "execute": "exec", "immediate_execute_command": "execute_command"}
"""Methods of redis-py that are not called as their commands are."""

KNOWN = (
    frozenset(BY_COMMAND) | frozenset(VALUE_READS) | {"multi", "exec", "unwatch", "discard", "execute_command", "lock"}
)
"""Commands that some rule speaks of; no other call is looked at."""

# fmt: off
READS = frozenset(VALUE_READS) | frozenset((
    "lrange", "llen", "lindex", "lpos", "smembers", "sismember", "scard", "hexists", "hmget", "hlen", "zscore",
    "zrank", "zcard", "zrange", "xlen", "xrange",
))
# fmt: on
"""Methods that tell whether a write has happened."""

SHOWN_CHARACTERS_MAX = 80


def read_python(source: str | bytes, name: str) -> Program:
    """Return the commands of a Python source.

    Args:
        source: as bytes, it may say itself how it is encoded (PEP 263, a byte order mark); else it is UTF-8.
        name: what the source is called in what is said about it.

    Raises:
        SyntaxError: it is no Python.
        ValueError: it holds a zero byte.
        RecursionError, MemoryError: an expression in it is too deep.
    """
    tree = ast.parse(source)
    reader = _Reader(tree, name)
    reader.visit(tree)
    return Program(tuple(reader.calls), tuple(reader.clients))


class _Reader(ast.NodeVisitor):
    """Walks through a source with the nodes around the current one at hand."""

    def __init__(self, tree: ast.Module, source: str) -> None:
        self.calls: list[Call] = []
        self.clients: list[Client] = []
        self._source = source
        self._receivers = Receivers(tree)
        self._bindings = Bindings(tree)
        self._around: list[ast.AST] = []
        self._pipelines = Pipelines()

    def visit(self, node: ast.AST) -> None:
        """See NodeVisitor: what is inside comes first, as it is evaluated first."""
        self._around.append(node)
        for each in _as_evaluated(node):
            self.visit(each)
        self._around.pop()
        if isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
            self._subscript(node)
        elif isinstance(node, ast.Compare):
            for key, operator, holder in zip((node.left, *node.comparators), node.ops, node.comparators, strict=False):
                if isinstance(operator, ast.In | ast.NotIn):
                    self._like_method(node, "exists", holder, key, True)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                self._reset(node, item.optional_vars or item.context_expr)

    def _call(self, node: ast.Call) -> None:
        if is_constructor(node):
            does_retry, is_told = retries(node)
            self.clients.append(Client(self._place(node), _shown(node), does_retry, is_told))
        elif isinstance(node.func, ast.Attribute):
            self._method(node, node.func)

    def _method(self, node: ast.Call, method: ast.Attribute) -> None:
        command = METHODS.get(method.attr, method.attr)
        kind = self._receivers.kind(method.value)
        if command == "reset":
            self._reset(node, method.value)
        if command not in KNOWN or not (kind or method.attr in CLEAR_METHODS):
            return
        words: Sequence[str] = words_of_call(node, command)
        again = is_retried(node, self._around, self._sent, self._asks)
        keys = keys_of_call(node, command, self._names(node)) if command not in UNKEYED else []
        if command == "execute_command":
            raw = self._raw(node)
            if raw is None:
                return
            command, keys, words, _ = raw
        elif command == "lock":
            command = "set"
        elif command == "incr" and (len(node.args) > 1 or any(each.arg == "amount" for each in node.keywords)):
            command = "incrby"
        in_multi = self._pipelines.in_multi(self._named(method.value), command, kind)
        is_reply_used = None if kind in QUEUEING else self._is_used()
        call = Call(
            self._place(node), self._who, command, tuple(keys), tuple(words), _shown(node), in_multi, is_reply_used,
            again, arms_of([*self._around, node]), self._receivers.client(self._followed(method.value)),
            self._receiver(node, method.value), len(self.calls),
        )  # fmt: skip
        self.calls.append(call)

    def _subscript(self, node: ast.Subscript) -> None:
        """Take a subscript of a client for GET, SET or DEL, as redis-py does; `+=` is read and then written."""
        inner = self._around[-1] if self._around else None
        if isinstance(node.ctx, ast.Load) or (isinstance(inner, ast.AugAssign) and inner.target is node):
            self._like_method(node, "get", node.value, node.slice, self._is_used())
        if not isinstance(node.ctx, ast.Load):
            command = "del" if isinstance(node.ctx, ast.Del) else "set"
            self._like_method(node, command, node.value, node.slice, False)

    def _like_method(self, node: ast.expr, command: str, client: ast.expr, key: ast.expr, is_used: bool) -> None:
        """Note what an operator of Python sends, where it is surely a client's."""
        if not self._bindings.is_client(client, self._around):
            return
        in_multi = self._pipelines.in_multi(self._named(client), command, self._receivers.kind(client))
        keys = (key_of(key, self._names(node)),)
        call = Call(
            self._place(node), self._who, command, keys, (), _shown(node), in_multi, is_used,
            False, arms_of([*self._around, node]), self._receivers.client(self._followed(client)),
            self._receiver(node, client), len(self.calls),
        )  # fmt: skip
        self.calls.append(call)

    def _followed(self, receiver: ast.expr) -> ast.expr:
        """Return what a name was assigned from, where that is only another name of the same."""
        for _ in range(FOLLOWED_MAX):
            other = self._names(receiver).value(receiver.id) if isinstance(receiver, ast.Name) else None
            if not isinstance(other, ast.Name | ast.Attribute):
                break
            receiver = other
        return receiver

    def _raw(self, node: ast.Call) -> tuple[str, list[Key], tuple[str, ...], ast.expr | None] | None:
        """Return command, keys, words and the token of CAP ONCE, of execute_command("SET", key, …)."""
        arguments = list(node.args)
        texts = [str(each.value).upper() if isinstance(each, ast.Constant) else "" for each in arguments]
        if len(texts) == 1:
            return None
        token = None
        if texts[:1] == ["CAP"]:
            start = WRAPPED_AT.get(f"cap|{texts[1].lower()}") if len(texts) > 1 else None
            if start is None:
                return None
            token = arguments[2] if start == WRAPPED_AT["cap|once"] and len(arguments) > start else None
            arguments, texts = arguments[start:], texts[start:]
        if not texts or not texts[0]:
            return None
        command = texts[0].lower()
        keys = [key_of(arguments[1], self._names(node))] if len(arguments) > 1 and command not in UNKEYED else []
        return command, keys, tuple(texts[3:]), token

    def _named(self, receiver: ast.expr) -> Named:
        return Named(self._who, dotted(self._followed(receiver)))

    def _receiver(self, node: ast.expr, receiver: ast.expr) -> Receiver:
        """Return what a call is called on, as it is then."""
        which = self._named(receiver)
        since = self._pipelines.watches_since(which, arms_of([*self._around, node]))
        return Receiver(which.name, self._receivers.line(self._followed(receiver)), since)

    def _reset(self, node: ast.AST, receiver: ast.expr) -> None:
        """Take note that a pipeline watches nothing any more: it was reset, or a `with` of it has ended."""
        if self._receivers.kind(receiver) in QUEUEING:
            self._pipelines.reset(self._named(receiver), len(self.calls), arms_of([*self._around, node]))

    # Around a call

    def _names(self, node: ast.expr) -> Names:
        """Return the names that are seen in a node that was just left."""
        return Names(self._bindings, (*self._around, node))

    @property
    def _who(self) -> str:
        """The function that a call stands in, with its classes."""
        names = [each.name for each in self._around if isinstance(each, DEFINITIONS)]
        return ".".join([self._source, *names])

    def _place(self, node: ast.expr) -> str:
        return f"{self._source}:{node.lineno}"

    def _is_used(self) -> bool:
        """Say whether the value of the call that was just left is used."""
        inner = self._around[-1]
        if isinstance(inner, ast.Await) and len(self._around) > 1:
            inner = self._around[-2]
        return not isinstance(inner, ast.Expr)

    # Of calls elsewhere

    def _sent(self, node: ast.Call) -> Sending | None:
        """Return what a call sends, as written; None of what sends no command."""
        if not isinstance(node.func, ast.Attribute):
            return None
        receiver, method = node.func.value, node.func.attr
        if not (self._receivers.kind(receiver) or method in CLEAR_METHODS):
            return None
        command, arguments = METHODS.get(method, method), [*node.args, *(each.value for each in node.keywords)]
        token = None
        if command == "execute_command":
            raw = self._raw(node)
            if raw is None:
                return None
            command, _, _, token = raw
            arguments = arguments[1 if token is None else WRAPPED_AT["cap|once"] + 1 :]
        form = (command, *map(ast.unparse, arguments))
        return Sending(self._receivers.client(self._followed(receiver)), form, token and self._kept(token))

    def _kept(self, token: ast.expr) -> ast.expr:
        """Return what a token was assigned from; itself where that is called, for it is called where it is assigned."""
        followed = self._followed(token)
        return token if any(isinstance(each, ast.Call) for each in ast.walk(followed)) else followed

    def _asks(self, node: ast.AST) -> bool:
        """Say whether a node is a read of a server."""
        if isinstance(node, ast.Subscript):
            return isinstance(node.ctx, ast.Load) and self._bindings.is_client(node.value, self._around)
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            return False
        return node.func.attr in READS and bool(self._receivers.kind(node.func.value))


def _as_evaluated(node: ast.AST) -> list[ast.AST]:
    """Return what is in a node in the order in which Python runs it: what is assigned before where to."""
    inside = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
        return [node.value, *(each for each in inside if each is not node.value)]
    return inside


def _shown(node: ast.expr) -> str:
    return ast.unparse(node)[:SHOWN_CHARACTERS_MAX]
