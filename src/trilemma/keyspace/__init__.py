"""Keyspaces: their settings and promises, the catalogue of them, and the way from a key to its shard.

Pure data and rules. Knows nothing of how the catalogue is replicated or how a shard keeps its promise.
"""
