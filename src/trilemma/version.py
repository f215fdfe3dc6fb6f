"""The versions this package goes by: packaging, INFO and `--version` read them from here."""

__version__ = "0.1.0"

REDIS_VERSION = "7.0.15"
"""What clients that look at `redis_version` are told: the Redis whose replies and error texts these are."""
