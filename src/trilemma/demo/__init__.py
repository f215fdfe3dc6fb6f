"""The demonstration: three real nodes, a cut, a crash, and the verdict on what each keyspace promised (PROMISES §2)."""
