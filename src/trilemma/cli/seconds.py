"""How long commands may be told to go on. Owns the bound; what is done in that time is not known here."""

from typing import Final

SECONDS_MAX: Final = 1_000_000.0
"""Eleven days. `inf` is no time: timers take none, and epoll waits for no more than 2**31 milliseconds at once."""
