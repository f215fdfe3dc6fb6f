"""What every other package may rely on: identifiers, time, errors, limits, invariants, the hybrid logical clock.

Knows nothing of Redis, replication, storage or I/O.
"""
