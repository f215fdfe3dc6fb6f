"""Commands out of a Python source: calls of redis-py's methods, in the order written, without running anything.

What is seen: the method and its option words, the beginning of the key, whether the reply is used, whether a loop sends
the command again after an error, and pipelines with their WATCH. A function keeps an order of its own: what one reads
and another writes is not brought together.
"""

import ast
from collections.abc import Sequence

from trilemma.advise.branch import arms_of
from trilemma.advise.call import Call, Client, Key, Program
from trilemma.advise.client import CLEAR_METHODS, Receivers, is_constructor, last_name, retries
from trilemma.advise.expression import FOLLOWED_MAX, key_of, keys_of_call, single_assignments, words_of_call
from trilemma.advise.text import UNKEYED, WRAPPED
from trilemma.command.safety import BY_COMMAND
from trilemma.command.safety_rows import VALUE_READS

METHODS = {"delete": "del", "execute": "exec", "immediate_execute_command": "execute_command"}
"""Methods of redis-py that are not called as their commands are."""

KNOWN = (
    frozenset(BY_COMMAND) | frozenset(VALUE_READS) | {"multi", "exec", "unwatch", "discard", "execute_command", "lock"}
)
"""Commands that some rule speaks of; no other call is looked at."""

RETRYING_DECORATORS = ("retry", "backoff")
SHOWN_CHARACTERS_MAX = 80
LEAVES = (ast.Raise, ast.Return, ast.Break)


def read_python(source: str, name: str) -> Program:
    """Return the commands of a Python source.

    Raises:
        SyntaxError: it is no Python.
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
        self._names = single_assignments(tree)
        self._receivers = Receivers(tree)
        self._around: list[ast.AST] = []
        self._watching: set[tuple[str, str]] = set()
        """Pipelines that execute at once: after WATCH, until MULTI."""

    def visit(self, node: ast.AST) -> None:
        """See NodeVisitor: what is inside comes first, as it is evaluated first."""
        self._around.append(node)
        self.generic_visit(node)
        self._around.pop()
        if isinstance(node, ast.Call):
            self._call(node)

    def _call(self, node: ast.Call) -> None:
        if is_constructor(node):
            does_retry, is_told = retries(node)
            self.clients.append(Client(self._place(node), _shown(node), does_retry, is_told))
        elif isinstance(node.func, ast.Attribute):
            self._method(node, node.func)

    def _method(self, node: ast.Call, method: ast.Attribute) -> None:
        command = METHODS.get(method.attr, method.attr)
        kind = self._receivers.kind(method.value)
        if command not in KNOWN or not (kind or method.attr in CLEAR_METHODS):
            return
        words: Sequence[str] = words_of_call(node, command)
        is_retried: bool | None = self._is_retried(node)
        keys = keys_of_call(node, command, self._names) if command not in UNKEYED else []
        if command == "execute_command":
            raw = self._raw(node)
            if raw is None:
                return
            command, keys, words, is_once = raw
            is_retried = is_retried and not is_once
        elif command == "lock":
            words = (
                ("NX", "PX") if any(each.arg == "timeout" for each in node.keywords) or len(node.args) > 1 else ("NX",)
            )
            command = "set"
        elif command == "incr" and (len(node.args) > 1 or any(each.arg == "amount" for each in node.keywords)):
            command = "incrby"
        in_multi = self._in_multi(command, kind, ast.unparse(method.value))
        is_reply_used = None if kind in ("pipeline", "batch") else self._is_used()
        call = Call(
            self._place(node), self._who, command, tuple(keys), tuple(words), _shown(node), in_multi, is_reply_used,
            is_retried, arms_of([*self._around, node]), self._receivers.client(self._followed(method.value)),
        )  # fmt: skip
        self.calls.append(call)

    def _followed(self, receiver: ast.expr) -> ast.expr:
        """Return what a name was assigned from, where that is only another name of the same."""
        for _ in range(FOLLOWED_MAX):
            other = self._names.get(receiver.id) if isinstance(receiver, ast.Name) else None
            if not isinstance(other, ast.Name | ast.Attribute):
                break
            receiver = other
        return receiver

    def _raw(self, node: ast.Call) -> tuple[str, list[Key], tuple[str, ...], bool] | None:
        """Return command, keys, words and whether it is CAP ONCE, of execute_command("SET", key, …)."""
        arguments = list(node.args)
        texts = [str(each.value).upper() if isinstance(each, ast.Constant) else "" for each in arguments]
        if len(texts) == 1:
            return None
        is_once = False
        if texts[:1] == ["CAP"]:
            start = WRAPPED.get(texts[1].lower()) if len(texts) > 1 else None
            if start is None:
                return None
            is_once = start == WRAPPED["once"]
            arguments, texts = arguments[start:], texts[start:]
        if not texts or not texts[0]:
            return None
        command = texts[0].lower()
        keys = [key_of(arguments[1], self._names)] if len(arguments) > 1 and command not in UNKEYED else []
        return command, keys, tuple(texts[3:]), is_once

    def _in_multi(self, command: str, kind: str, receiver: str) -> bool:
        """Say whether a command is queued for EXEC; follow WATCH and MULTI of a pipeline."""
        place = (self._who, receiver)
        if command == "watch":
            self._watching.add(place)
            return False
        if command in ("multi", "exec", "unwatch"):
            self._watching.discard(place)
            return False
        return kind == "pipeline" and place not in self._watching

    # Around a call

    @property
    def _who(self) -> str:
        """The function that a call stands in, with its classes."""
        names = [
            each.name
            for each in self._around
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]
        return ".".join([self._source, *names])

    def _place(self, node: ast.expr) -> str:
        return f"{self._source}:{node.lineno}"

    def _is_used(self) -> bool:
        """Say whether the value of the call that was just left is used."""
        inner = self._around[-1]
        if isinstance(inner, ast.Await) and len(self._around) > 1:
            inner = self._around[-2]
        return not isinstance(inner, ast.Expr)

    def _is_retried(self, node: ast.Call) -> bool:
        """Say whether an error makes the source send the call again: a loop around a try, or a decorator."""
        tried: ast.Try | None = None
        inner: ast.AST = node
        for around in reversed(self._around):
            if isinstance(around, ast.Try) and inner in around.body and not _leaves_on_error(around):
                tried = around
            elif isinstance(around, ast.For | ast.AsyncFor | ast.While) and tried is not None:
                return _repeats(around, tried)
            elif isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
                return any(_is_retrying(each) for each in around.decorator_list)
            inner = around
        return False


def _leaves_on_error(tried: ast.Try) -> bool:
    return all(handler.body and isinstance(handler.body[-1], LEAVES) for handler in tried.handlers)


def _repeats(loop: ast.For | ast.AsyncFor | ast.While, tried: ast.Try) -> bool:
    """Say whether a loop goes round to do the same again, and not to go on with the next item."""
    inside = [each for part in (*tried.body, *tried.orelse) for each in ast.walk(part)]
    ends_on_success = any(isinstance(each, ast.Break | ast.Return) for each in inside)
    if isinstance(loop, ast.While):
        return ends_on_success or not isinstance(loop.test, ast.Constant)
    targets = {each.id for each in ast.walk(loop.target) if isinstance(each, ast.Name)}
    return ends_on_success or not any(isinstance(each, ast.Name) and each.id in targets for each in inside)


def _is_retrying(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = ast.unparse(called).lower()
    return any(word in name for word in RETRYING_DECORATORS) or "retry" in last_name(called).lower()


def _shown(node: ast.expr) -> str:
    return ast.unparse(node)[:SHOWN_CHARACTERS_MAX]
