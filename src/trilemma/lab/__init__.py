"""The lab: faults on the links of a live cluster, for learning and for tests. Switched on by `lab = true` only.

Knows the peer transport's hook (`runtime.port.Laboratory`); the node under it cannot know that there is a lab.
"""
