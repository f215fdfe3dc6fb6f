"""Models of the user's own: `FILE.py:NAME` or `module:NAME`, a Model or a function that makes one.

The user's code is run, as it is in the user's own tests.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.judgement import DEFAULT_TERMS, Terms
from trilemma.check.linearizable import check_linearizable
from trilemma.check.model import Model
from trilemma.check.verdict import NOTHING_HAPPENED, Verdict, unknown

FAILURES: Final = (Exception, SystemExit)
"""How the user's code may fail: also by ending the program, which would take an exit status that is a verdict's."""


class ModelError(Exception):
    """There is no such model, or it does not work."""


class OutOfTimeError(Exception):
    """The time limit came before reading, or judging without a search, had ended. No model of a user's catches it."""


def load_model(reference: str, terms: Terms = DEFAULT_TERMS) -> Model[Any]:
    """Return the model that a reference leads to, which begins with the initial value where that was said.

    Args:
        terms: what it is asked to judge by. The initial value is handed to a function that makes the model; of a model
            it takes the place of the initial state.

    Raises:
        ModelError: it leads nowhere, or to something else; or a term says nothing to a model of one's own.
    """
    if terms.promise:
        raise ModelError(f"the model {reference} judges linearizability only, so there is no promise to choose")
    if terms.clock_error_us:
        raise ModelError(f"the model {reference} knows no deadlines, so no clock that may be wrong about them")
    initial = terms.initial
    place, _, name = reference.rpartition(":")
    module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    found = getattr(module, name, None)
    if callable(found) and not isinstance(found, Model):
        try:
            found = found() if initial is None else found(initial)
        except FAILURES as problem:  # the user's code may fail in any way
            raise ModelError(f"{reference}: {_told(problem)}") from problem
    elif isinstance(found, Model) and initial is not None:
        found = replace(found, initial=initial)
    if not isinstance(found, Model):
        raise ModelError(f"{place} has no trilemma.check.model.Model named {name!r}")
    return found


def judge_by(model: Model[Any], name: str, operations: Sequence[Operation], terms: Terms) -> Verdict:
    """Judge a history by a model of the user's own.

    Args:
        name: what the user called it.

    Returns:
        `unknown` where no operation is `ok`: nothing was judged.

    Raises:
        ModelError: the model's own code failed, or gave something that is no answer.
    """
    if not any(each.outcome == "ok" for each in operations):
        return unknown(f"linearizable {model.name}", NOTHING_HAPPENED)
    own = replace(model, step=_guarded(model.step, name))
    try:
        return check_linearizable(operations, own, terms.steps_max, terms.deadline)
    except (ModelError, OutOfTimeError):
        raise
    except FAILURES as problem:  # of its other functions, or of a state that cannot be remembered
        hint = " (states must be hashable)" if "unhashable" in str(problem) else ""
        raise ModelError(f"the model {name} cannot judge: {_told(problem)}{hint}") from problem


def _guarded(step: Callable[[Any, Operation], Any], name: str) -> Callable[[Any, Operation], tuple[bool, Any]]:
    def guarded(state: Any, operation: Operation) -> tuple[bool, Any]:
        try:
            answer = step(state, operation)
        except OutOfTimeError:
            raise
        except FAILURES as problem:  # the user's code may fail in any way
            raise ModelError(f"the model {name} failed at {operation.describe()}: {_told(problem)}") from problem
        if not (isinstance(answer, tuple | list) and len(answer) == 2):
            raise ModelError(
                f"the model {name} answered {answer!r} to {operation.describe()}; a step returns whether that is "
                "possible, and the state after it"
            )
        return bool(answer[0]), answer[1]

    return guarded


def _told(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}"


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
    except FAILURES as problem:  # the user's code may fail in any way
        raise ModelError(f"{path}: {_told(problem)}") from problem
    return module


def _load_module(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except (ImportError, SyntaxError, ValueError) as problem:
        raise ModelError(f"{name}: {problem}") from problem
    except FAILURES as problem:  # the user's code may fail in any way
        raise ModelError(f"{name}: {_told(problem)}") from problem
    finally:
        sys.path.pop(0)
