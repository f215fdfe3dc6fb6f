"""How a fault is carried out: it is told for how long, in microseconds, and strikes where it can."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

Strike: TypeAlias = Callable[[int], None]
Strikes: TypeAlias = Mapping[str, Strike]
