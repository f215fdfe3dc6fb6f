"""`trilemma check history`: what a recorded history says about the store it was recorded of.

Exit status: as `judging` says.
"""

import json
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any, BinaryIO, Final, NoReturn

import typer

from trilemma.check.deadline import Deadline
from trilemma.check.formats import edn, jsonlines
from trilemma.check.formats.conventions import FAILED_CAS, KEYS, NIL_READS, ORDERS, Conventions
from trilemma.check.formats.error import FormatError
from trilemma.check.formats.file import FORMATS, read_history, recognise
from trilemma.check.formats.key import Names
from trilemma.check.formats.recording import Recording
from trilemma.check.formats.register_scan import check_register_lines
from trilemma.check.formats.stream import Source
from trilemma.check.formats.writer import operation_line
from trilemma.check.guesses import shows_only
from trilemma.check.hierarchy import stand
from trilemma.check.history import HistoryError, Operation
from trilemma.check.judgement import Judgement, Terms
from trilemma.check.judges import JUDGES, Judge, guess_judge, judge, names
from trilemma.check.linearizable import STEPS_MAX
from trilemma.check.report.data import EXIT_STATUS
from trilemma.check.verdict import Verdict, combine, unknown
from trilemma.cli.check_model import ModelError, OutOfTimeError, judge_by, load_model
from trilemma.cli.console import AsJson, console, print_json
from trilemma.cli.history_file import CasFail, FileFormat, HistoryFile, Keys, Order, one_of, opened
from trilemma.cli.judging import refuse
from trilemma.cli.seconds import SECONDS_MAX

STEPS_PER_S: Final = STEPS_MAX // 10
"""How fast the search is at best: a bound on its steps, so on its memory, that goes with the time limit."""

SEARCHING: Final = 0.9
"""The part of the time limit after which searches give up by themselves, and so can say what they did find."""

AGAIN_S: Final = 0.5
"""How long after the time limit a judge that goes on all the same is told again."""

US_PER_S: Final = 1_000_000

REGISTER: Final = "register"


def history(
    file: HistoryFile,
    file_format: FileFormat = "",
    model: Annotated[str, typer.Option(help=f"{names()}, or FILE.py:NAME, module:NAME; else guessed.")] = "",
    initial: Annotated[str, typer.Option(help="What each key holds at first: nil, 0, abc, '\"0\"'.")] = "",
    nil: Annotated[str, typer.Option(help="A read of nil means absent, or unknown.")] = "absent",
    cas_fail: CasFail = "mismatch",
    keys: Keys = "auto",
    order: Order = "time",
    keyspace: Annotated[str, typer.Option(help="Judge the operations on this keyspace only.")] = "",
    promise: Annotated[
        str,
        typer.Option(help="Of many models that are judged, the one that counts: serializable, causal convergence, …"),
    ] = "",
    clock_error: Annotated[
        float,
        typer.Option(
            min=0.0, max=SECONDS_MAX, help="Seconds by which the clock that deadlines go by may be wrong (expiry)."
        ),
    ] = 0.0,
    time_limit: Annotated[
        float, typer.Option(min=0.001, max=SECONDS_MAX, help="Seconds until the verdict is unknown.")
    ] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Judge a recorded history: ours in JSON Lines, Jepsen's in EDN, or lines of Jepsen's log.

    Exit status: 0 valid, 1 invalid, 2 unknown, 64 for a bad file or a bad option.
    """
    conventions = Conventions(
        one_of("--nil", nil, NIL_READS),
        one_of("--cas-fail", cas_fail, FAILED_CAS),
        one_of("--keys", keys, KEYS),
        one_of("--order", order, ORDERS),
    )
    if file_format:
        one_of("--format", file_format, FORMATS)
    try:
        deadline = Deadline.after(time_limit * SEARCHING, time.monotonic)
        steps_max = max(1, int(time_limit * STEPS_PER_S))
        terms = Terms(_initial(initial), steps_max, deadline, int(clock_error * US_PER_S), promise)
        with opened(file) as stream:
            found = file_format or recognise(Source(stream).peek())
            case = _Case(stream, found, conventions, model, terms, keyspace)
            stream.seek(0)
            judgement = case.judged_within(time_limit)
    except OSError as problem:
        refuse(f"{file}: {problem.strerror or problem}")
    except FormatError as problem:
        refuse(f"{file}: {problem}")
    except (HistoryError, ModelError) as problem:
        refuse(str(problem))
    verdict = combine(judgement.verdicts)
    if as_json:
        print_json(_as_json(case, verdict, judgement))
    else:
        _print(case, verdict, judgement)
    raise typer.Exit(EXIT_STATUS[verdict.validity])


def _initial(text: str) -> Any:
    try:
        return Names().value(edn.parse(text)) if text else None
    except FormatError as problem:
        raise HistoryError(f"--initial {text!r}: {problem.reason}") from problem


class _Case:
    """One file and who judges it."""

    def __init__(
        self,
        stream: BinaryIO,
        file_format: str,
        conventions: Conventions,
        model: str,
        terms: Terms,
        keyspace: str,
    ) -> None:
        self.format = file_format
        self.recording: Recording | None = None
        self.model = model
        self.guessed = not model
        self._stream = stream
        self._conventions = conventions
        self._terms = terms
        self._keyspace = keyspace
        self._own = load_model(model, terms) if ":" in model else None
        if model and self._own is None and model not in JUDGES:
            raise HistoryError(f"there is no model {model!r} (there are {names()}; or give FILE.py:NAME)")

    def judged_within(self, time_limit_s: float) -> Judgement:
        """Judge; the time limit holds for reading and judging together.

        Searches keep to it by themselves (`Terms.deadline`); for all else there is an alarm.
        """
        try:
            with _alarm(time_limit_s):
                return self._judge()
        except OutOfTimeError:
            return Judgement([unknown(self.model or "check", f"not decided within {time_limit_s:g} s")])

    def _judge(self) -> Judgement:
        quick = self._judge_lines()
        if quick is not None:
            return Judgement([quick])
        self._stream.seek(0)
        self.recording = read_history(self._stream, self.format, self._conventions)
        operations = self._chosen(self.recording.operations)
        if self._own is not None:
            return Judgement([judge_by(self._own, self.model, operations, self._terms)])
        return judge(operations, self._row(operations), self._terms)

    def _chosen(self, operations: list[Operation]) -> list[Operation]:
        if not self._keyspace:
            return operations
        chosen = [each for each in operations if each.keyspace == self._keyspace]
        if not chosen:
            there = ", ".join(sorted({each.keyspace for each in operations if each.keyspace})) or "none"
            raise HistoryError(f"no operation is on the keyspace {self._keyspace!r} (named are: {there})")
        return chosen

    def _judge_lines(self) -> Verdict | None:
        """Judge registers without making operations of them; None where that does not decide."""
        is_of_registers = self.format == jsonlines.NAME and self.model in ("", REGISTER)
        is_all = not self._keyspace and not self._terms.promise and not self._terms.clock_error_us
        if not is_of_registers or not is_all or self._conventions.nil_read != "absent":
            return None
        verdict = check_register_lines(self._stream, self._terms.initial)
        if verdict is None or not (verdict.is_valid or verdict.is_invalid):
            return None
        if not self.model and verdict.is_invalid and shows_only(verdict.witness):
            return None
        self.model = REGISTER
        return verdict

    def _row(self, operations: Sequence[Operation]) -> Judge:
        row = JUDGES[self.model] if self.model else guess_judge(operations)
        self.model = row.name
        return row


@contextmanager
def _alarm(time_limit_s: float) -> Iterator[None]:
    """Raise OutOfTimeError in the block when time is up; again if it is still there by then, for what is raised in a
    finaliser or a callback of the garbage collector is never seen."""

    def ring(number: int, frame: FrameType | None) -> NoReturn:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, time_limit_s, AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# --- saying it ----------------------------------------------------------------------------------------------------


def _print(case: _Case, verdict: Verdict, judgement: Judgement) -> None:
    how = " (guessed from the operations; --model names another)" if case.guessed and case.model else ""
    held = case.recording
    count = "" if held is None else f", {len(held.operations)} operations, {len(held.faults)} faults"
    _say(f"format {case.format}{count}; model {case.model or 'not known'}{how}")
    for each in judgement.verdicts:
        _say(each.describe())
    if judgement.models:
        for name, each in judgement.models.items():
            if each not in judgement.verdicts:
                _say(each._replace(checker=name).describe())
        _say(stand(judgement.models).describe())
    colour = {0: "green", 1: "red", 2: "yellow"}[EXIT_STATUS[verdict.validity]]
    console.print(f"[bold {colour}]{verdict.validity.value}[/]")


def _say(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def _as_json(case: _Case, verdict: Verdict, judgement: Judgement) -> dict[str, Any]:
    standing = stand(judgement.models)
    return {
        "validity": verdict.validity.value,
        "format": case.format,
        "model": case.model,
        "guessed": case.guessed,
        "verdicts": [_verdict_as_json(each) for each in judgement.verdicts],
        "models": {name: _verdict_as_json(each) for name, each in judgement.models.items()},
        "satisfied": standing.satisfied,
        "broken": standing.broken,
    }


def _verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "checker": verdict.checker,
        "validity": verdict.validity.value,
        "reason": verdict.reason,
        "witness": [json.loads(operation_line(operation)) for operation in verdict.witness],
    }
