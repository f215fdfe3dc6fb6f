"""The targets by name, as the command line takes them.

`trilemma`, `trilemma@HOST:PORT,...`, `redis`, `redis-wait`, `redis-cluster`, `etcd`, `etcd-serializable`,
`HOST:PORT[,...]` of anything that speaks Redis' protocol, or `package.module:Class` of a user's own subclass of
`port.Target`, which is made without arguments.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Final

from trilemma.target.address import Address
from trilemma.target.etcd import Etcd
from trilemma.target.port import PlanError, Target
from trilemma.target.redis_cluster import RedisCluster
from trilemma.target.redis_sentinel import RedisSentinel
from trilemma.target.trilemma import PROMISES, Trilemma

MODES: Final = (*PROMISES, "all")

_Make = Callable[[bool, int], Target]

_FOREIGN: Final[Mapping[str, _Make]] = {
    "redis": lambda has_links, seed: RedisSentinel(has_links=has_links, seed=seed),
    "redis-wait": lambda has_links, seed: RedisSentinel(wait=True, has_links=has_links, seed=seed),
    "redis-cluster": lambda has_links, seed: RedisCluster(has_links=has_links, seed=seed),
    "etcd": lambda has_links, seed: Etcd(has_links=has_links, seed=seed),
    "etcd-serializable": lambda has_links, seed: Etcd(is_serializable=True, has_links=has_links, seed=seed),
}

NAMES: Final = ("trilemma", *_FOREIGN)

_ADDRESSES = re.compile(r"[^,]*:[0-9]+(,[^,]*:[0-9]+)*")
_CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)


def make(name: str, mode: str = "all", *, has_links: bool = False, seed: int = 0) -> Target:
    """Return a target that has not been started.

    Args:
        mode: of Trilemma's keyspace: cp, ca or ap, or all of them.
        has_links: whether links will be disturbed; then foreign stores run in network namespaces.

    Raises:
        PlanError: there is no such target.
    """
    if mode not in MODES:
        raise PlanError(f"there is no mode {mode!r}; there are {', '.join(MODES)}")
    modes: Sequence[str] = tuple(PROMISES) if mode == "all" else (mode,)
    kind, _, addresses = name.partition("@")
    if kind == "trilemma":
        return Trilemma(modes, addresses.split(",") if addresses else ())
    if name in _FOREIGN:
        return _FOREIGN[name](has_links, seed)
    if _ADDRESSES.fullmatch(name):
        return Address(name.split(","))
    if _CLASS.fullmatch(name):
        return _import(name)
    raise PlanError(
        f"there is no target {name!r}; there are {', '.join(NAMES)}, trilemma@HOST:PORT,..., HOST:PORT,... and "
        "package.module:Class"
    )


def _import(name: str) -> Target:
    module, _, attribute = name.partition(":")
    try:
        made = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, SyntaxError) as problem:
        raise PlanError(f"{name} cannot be imported: {problem}") from problem
    except Exception as problem:  # the user's own module, while it was run
        raise PlanError(f"{name} cannot be imported: {type(problem).__name__}: {problem}") from problem
    try:
        found = made()
    except Exception as problem:  # whatever it is that was named
        raise PlanError(f"{name} cannot be made without arguments: {type(problem).__name__}: {problem}") from problem
    if not isinstance(found, Target):
        raise PlanError(f"{name} is no subclass of trilemma.target.port.Target")
    return found
