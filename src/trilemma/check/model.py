"""The sequential models by name, and what a model of one's own is made of: an initial state and a pure step.

Owns no model: `models` has one data type a file.
"""

from trilemma.check.models.base import Model, Reach, State, deterministic
from trilemma.check.models.collection import QUEUE, SET
from trilemma.check.models.counter import COUNTER
from trilemma.check.models.keys import KEY_SET
from trilemma.check.models.multi import MULTI_REGISTER, multi_registers
from trilemma.check.models.mutex import MUTEX
from trilemma.check.models.register import register
from trilemma.check.models.string import APPEND, STRING

__all__ = [
    "APPEND",
    "COUNTER",
    "KEY_SET",
    "MULTI_REGISTER",
    "MUTEX",
    "QUEUE",
    "SET",
    "STRING",
    "Model",
    "Reach",
    "State",
    "deterministic",
    "multi_registers",
    "register",
]
