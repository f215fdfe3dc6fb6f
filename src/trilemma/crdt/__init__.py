"""Conflict-free replicated values as pure functions over plain data. Knows no keys, rows, messages or clocks.

Sources: Shapiro, Preguica, Baquero, Zawirski, "Conflict-free replicated data types", SSS 2011; Almeida, Shoker,
Baquero, "Delta state replicated data types", 2018; PROTOCOLS §5.
"""
