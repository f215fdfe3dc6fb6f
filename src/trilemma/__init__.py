"""Trilemma: a distributed key-value store in which the CAP trade-off is a setting of each keyspace."""

from trilemma.version import __version__

__all__ = ["__version__"]
