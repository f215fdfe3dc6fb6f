"""Which names of a Python source are clients of a Redis-speaking server, and whether a client retries by itself."""

import ast
from typing import NamedTuple

from trilemma.advise.syntax import DEFINITIONS

CONSTRUCTORS = frozenset(("Redis", "StrictRedis", "RedisCluster", "Valkey", "from_url", "FakeRedis"))
LIBRARIES = ("redis", "aioredis", "valkey", "fakeredis", "trilemma")
PIPELINES = frozenset(("pipeline", "transaction"))
CONVENTIONAL = frozenset(("r", "rc", "client", "pipe", "pipeline"))
"""Names that are taken for clients in a file that imports one of the libraries."""

# fmt: off
CLEAR_METHODS = frozenset((
    "setnx", "setex", "psetex", "incr", "incrby", "incrbyfloat", "decr", "decrby", "getset", "getdel", "getex",
    "mset", "msetnx", "setrange", "getrange", "setbit", "bitfield", "lpush", "rpush", "lpop", "rpop", "blpop",
    "brpop", "spop", "sadd", "zpopmin", "zpopmax", "zincrby", "hincrby", "expireat", "pexpire", "pexpireat",
    "renamenx", "randomkey", "dbsize", "execute_command",
))
# fmt: on
"""Methods that hardly any other object has: taken for commands whatever they are called on."""


def dotted(node: ast.expr) -> str:
    """Return a name or attribute as text, such as `self.redis`; other expressions as they are written."""
    return ast.unparse(node)


def last_name(node: ast.expr) -> str:
    """Return the last name of a dotted expression; empty where it ends in none."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _value(node: ast.expr | None) -> ast.expr | None:
    return node.value if isinstance(node, ast.Await) else node


def is_constructor(node: ast.expr | None) -> bool:
    """Say whether an expression makes a client."""
    return isinstance(node, ast.Call) and last_name(node.func) in CONSTRUCTORS


def _makes(node: ast.expr | None) -> str:
    """Return what an expression makes: client, pipeline, or nothing of the kind."""
    value = _value(node)
    if is_constructor(value):
        return "client"
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        if value.func.attr in PIPELINES:
            told = [*value.args[:1], *(each.value for each in value.keywords if each.arg == "transaction")]
            is_plain = any(map(_is_false, told))
            return "batch" if is_plain else "pipeline"
        if value.func.attr == "client":
            return "client"
    return ""


def _origin(value: ast.expr | None) -> str:
    """Return what a pipeline is made of; empty for anything else."""
    made = _value(value)
    if isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute) and made.func.attr in PIPELINES:
        return dotted(made.func.value)
    return ""


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


Scope = tuple[int, ...]
"""The functions and classes around a node, the outermost first."""

_PREFERRED = ("pipeline", "client", "batch")
"""What a name is taken for that is not of the same function, where it is several: what fewest rules speak against."""


class _Made(NamedTuple):
    """What a name is made, where, and of what: of a pipeline its client."""

    line: int
    kind: str
    origin: str


class Receivers:
    """The names of one file that commands are called on. A name is what its own function made it last, else what the
    functions and classes around it did, else what any other did."""

    def __init__(self, tree: ast.Module) -> None:
        self._imports = any(
            name.split(".")[0] in LIBRARIES
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        )
        self._made: dict[str, dict[Scope, list[_Made]]] = {}
        """By name and where it is made, in the order written."""
        self._scopes: dict[int, Scope] = {}
        """Where each expression stands."""
        self._walk(tree, ())

    def _walk(self, node: ast.AST, scope: Scope) -> None:
        if isinstance(node, ast.expr):
            self._scopes[id(node)] = scope
        self._look(node, scope)
        inner = (*scope, id(node)) if isinstance(node, DEFINITIONS) else scope
        for each in ast.iter_child_nodes(node):
            self._walk(each, inner)

    def _look(self, node: ast.AST, scope: Scope) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._note(target, _makes(node.value), node.value, scope)
        elif isinstance(node, ast.AnnAssign):
            self._note(node.target, _makes(node.value) or _annotated(node.annotation), node.value, scope)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._note(node.optional_vars, _makes(node.context_expr), node.context_expr, scope)
        elif isinstance(node, ast.arg) and node.annotation is not None:
            kind = _annotated(node.annotation)
            if kind:
                self._add(node.arg, scope, _Made(node.lineno, kind, ""))

    def _note(self, target: ast.expr, kind: str, value: ast.expr | None, scope: Scope) -> None:
        if kind:
            self._add(dotted(target), scope, _Made(target.lineno, kind, _origin(value)))

    def _add(self, name: str, scope: Scope, made: _Made) -> None:
        self._made.setdefault(name, {}).setdefault(scope, []).append(made)

    def _known(self, receiver: ast.expr) -> _Made | None:
        """Return what a receiver was made where it stands; None where that is not seen."""
        found = self._made.get(dotted(receiver))
        if not found:
            return None
        scope = self._scopes.get(id(receiver), ())
        if scope in found:
            before = [each for each in found[scope] if each.line <= receiver.lineno]
            return before[-1] if before else found[scope][0]
        around = next((found[scope[:depth]] for depth in range(len(scope) - 1, -1, -1) if scope[:depth] in found), None)
        others = around or [each for made in found.values() for each in made]
        return min(others, key=lambda each: _PREFERRED.index(each.kind))

    def client(self, receiver: ast.expr) -> str:
        """Return what sends the commands that are called on a receiver: of a pipeline its client; empty if unknown."""
        if self.kind(receiver) in ("pipeline", "batch"):
            known = self._known(receiver)
            return (known.origin if known else "") or _origin(receiver)
        return dotted(receiver)

    def line(self, receiver: ast.expr) -> int:
        """Return the line in which a receiver was made what it is; 0 where that is not seen."""
        known = self._known(receiver)
        return known.line if known else 0

    def kind(self, receiver: ast.expr) -> str:
        """Return what a receiver is: client, pipeline (queues, as one transaction), batch (queues), or nothing."""
        known = self._known(receiver)
        made = known.kind if known else _makes(receiver)
        if made:
            return made
        name = last_name(receiver)
        if "redis" in name.lower() or (self._imports and name in CONVENTIONAL):
            return "pipeline" if "pipe" in name else "client"
        return ""


def _annotated(annotation: ast.expr) -> str:
    text = ast.unparse(annotation)
    if "Pipeline" in text:
        return "pipeline"
    return "client" if any(name in text for name in ("Redis", "Valkey")) else ""


def retries(node: ast.Call) -> tuple[bool, bool]:
    """Return whether a client that is made here sends again by itself, and whether the source says so."""
    named = {each.arg: each.value for each in node.keywords}
    if any(name in named and not _is_nothing(named[name]) for name in ("retry_on_timeout", "retry_on_error")):
        return True, True
    if "retry" not in named:
        return True, False
    return not _is_no_retry(named["retry"]), True


def _is_nothing(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and not node.value) or (isinstance(node, ast.List) and not node.elts)


def _is_no_retry(node: ast.expr) -> bool:
    """Say whether an expression is None or Retry(…, 0)."""
    if isinstance(node, ast.Constant):
        return node.value is None
    counts = (
        node.args[1:2] + [each.value for each in node.keywords if each.arg == "retries"]
        if isinstance(node, ast.Call)
        else []
    )
    return any(isinstance(each, ast.Constant) and each.value == 0 for each in counts)
