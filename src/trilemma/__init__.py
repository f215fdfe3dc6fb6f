"""Trilemma: a distributed key-value store in which the CAP trade-off is a setting of each keyspace."""

from typing import TYPE_CHECKING, Any

from trilemma.version import __version__

if TYPE_CHECKING:
    from trilemma.client.local import LocalCluster, local

__all__ = ["LocalCluster", "__version__", "local"]


def __getattr__(name: str) -> Any:
    """Import the cluster only when it is asked for: the checker alone needs none of the store's libraries."""
    if name in ("local", "LocalCluster"):
        from trilemma.client import local as module

        return getattr(module, name)
    raise AttributeError(f"module 'trilemma' has no attribute {name!r}")
