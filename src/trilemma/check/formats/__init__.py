"""File formats of histories: ours (JSON Lines), Jepsen's EDN, and the lines of Jepsen's log.

Readers take a binary stream that the caller opened and give Operations and Faults; they open nothing themselves. What
they read may be hostile: every length and depth has a bound, and a bad file is refused with line, column and reason.
Begin with `file.read_history`. Page: docs/histories.md.
"""
