"""Models of the user's own: `FILE.py:NAME` or `module:NAME`, a Model or a function that makes one.

The user's code is run, as it is in the user's own tests.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from trilemma.check.model import Model


class ModelError(Exception):
    """There is no such model."""


def load_model(reference: str, initial: Any = None) -> Model[Any]:
    """Return the model that a reference leads to.

    Args:
        initial: handed to a function that makes the model, unless it is None.

    Raises:
        ModelError: it leads nowhere, or to something else.
    """
    place, _, name = reference.rpartition(":")
    module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    found = getattr(module, name, None)
    if callable(found) and not isinstance(found, Model):
        try:
            found = found() if initial is None else found(initial)
        except TypeError as problem:
            raise ModelError(f"{reference}: {problem}") from problem
    if not isinstance(found, Model):
        raise ModelError(f"{place} has no trilemma.check.model.Model named {name!r}")
    return found


def _load_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (OSError, SyntaxError, ImportError) as problem:
        raise ModelError(f"{path}: {problem}") from problem
    return module


def _load_module(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except (ImportError, SyntaxError, ValueError) as problem:
        raise ModelError(f"{name}: {problem}") from problem
    finally:
        sys.path.pop(0)
