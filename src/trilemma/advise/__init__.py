"""Use-safety: whether a program's commands get from their keyspaces what the program relies on.

Reads commands out of text, MONITOR's lines and Python sources, and judges them by the rules of command/safety.py. Pure:
what it reads is handed to it as text. Knows no network, no files and no cluster.
"""
