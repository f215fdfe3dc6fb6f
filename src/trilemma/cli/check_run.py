"""`check run` and `check compare`: drive a store, disturb it, record, judge; the table on the terminal.

Exit status: as `judging` says. A target that could not be started, or a run that was ended by a signal, is `unknown`.
Findings are told before files are written, so that a full disk takes none of them.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape

from trilemma.check.report.data import EXIT_STATUS, Report
from trilemma.check.verdict import Validity
from trilemma.cli import check_table
from trilemma.cli.console import AsJson, Refusal, console, errors, print_json
from trilemma.cli.guard import NOT_WRITTEN
from trilemma.cli.judging import refuse
from trilemma.target import catalogue, nemesis
from trilemma.target.findings import Result
from trilemma.target.plan import Plan, refuse_impossible
from trilemma.target.port import WORKLOADS, PlanError, Target, TargetError
from trilemma.target.run import RunInterrupt
from trilemma.target.run import run as run_plan

Workload = Annotated[str, typer.Option(help=", ".join(WORKLOADS) + ".")]
Nemesis = Annotated[str, typer.Option(help=", ".join(nemesis.NEMESES) + ".")]
Time = Annotated[float, typer.Option("--time", help="How long clients run, in seconds.")]
Clients = Annotated[int, typer.Option(help="Clients per node and keyspace.")]
Rate = Annotated[int, typer.Option(help="Steps per second, over all clients.")]
Seed = Annotated[int, typer.Option(help="What is drawn when, by load and nemesis.")]
Mode = Annotated[str, typer.Option(help="Trilemma's keyspaces: cp, ap, ca or all.")]
ReportFile = Annotated[Path | None, typer.Option("--report", help="Write a page of HTML to this file.")]
HistoryFile = Annotated[Path | None, typer.Option("--history", help="Write what was recorded to this file.")]


def run(
    target: Annotated[
        str,
        typer.Option(help=f"{', '.join(catalogue.NAMES)}, trilemma@HOST:PORT,…, HOST:PORT,… or package.module:Class."),
    ] = "trilemma",
    workload: Workload = "registers",
    nemesis: Nemesis = "none",
    time_s: Time = 60.0,
    clients: Clients = 2,
    rate: Rate = 300,
    seed: Seed = 0,
    mode: Mode = "all",
    as_json: AsJson = False,
    report: ReportFile = None,
    history: HistoryFile = None,
) -> None:
    """Drive a store under a nemesis, and judge what its clients saw.

    Exit status: 0 valid, 1 invalid, 2 unknown (also where the store could not be started), 64 for a bad option.
    """
    plan = Plan(workload, nemesis, time_s, clients, rate, seed)
    files = _Files(report, history)
    made = _make(target, mode, plan)
    files.ask()
    try:
        with _ended_by_a_signal():
            result = _run(target, made, plan, as_json, files.write)
    except PlanError as problem:
        refuse(str(problem))
    except TargetError as problem:
        _give_up(str(problem))
    if as_json:
        print_json(check_table.as_json(result))
    else:
        check_table.show(result)
    files.write(result)
    raise typer.Exit(files.status or result.report.exit_status)


def compare(
    targets: Annotated[list[str], typer.Argument(help="As --target of `check run`; each gets a run of its own.")],
    workload: Workload = "registers",
    nemesis: Nemesis = "none",
    time_s: Time = 60.0,
    clients: Clients = 2,
    rate: Rate = 300,
    seed: Seed = 0,
    mode: Mode = "all",
    as_json: AsJson = False,
    report: ReportFile = None,
    history: HistoryFile = None,
) -> None:
    """Run the same on several targets, one after the other, and put the findings into one table.

    --report and --history write one file per target, named FILE-TARGET.

    Exit status: 1 where one is invalid, 0 where all are valid, 2 otherwise, 64 for a bad option.
    """
    plan = Plan(workload, nemesis, time_s, clients, rate, seed)
    files = _Files(report, history)
    found: list[tuple[str, Result | str]] = []
    made = [(target, _make(target, mode, plan)) for target in targets]
    for target in targets:
        files.ask(target)
    with _ended_by_a_signal():
        for target, store in made:
            try:
                result = _run(target, store, plan, as_json, partial(files.write, suffix=target))
            except TargetError as problem:
                errors.print(f"[bold red]{escape(target)}:[/] {escape(str(problem))}", soft_wrap=True)
                found.append((target, str(problem)))
                continue
            files.write(result, target)
            found.append((target, result))
    if as_json:
        print_json([check_table.as_json(each) if isinstance(each, Result) else {"error": each} for _, each in found])
    else:
        check_table.show_comparison(plan, found)
    status = _status([each.report for _, each in found if isinstance(each, Result)], len(found))
    raise typer.Exit(files.status or status)


def _status(reports: list[Report], wanted: int) -> int:
    validities = {report.validity for report in reports}
    if Validity.INVALID in validities:
        return EXIT_STATUS[Validity.INVALID]
    is_known = len(reports) == wanted and validities == {Validity.VALID}
    return EXIT_STATUS[Validity.VALID if is_known else Validity.UNKNOWN]


def _make(name: str, mode: str, plan: Plan) -> Target:
    """Return a target that has not been started; refuse it if the plan is not for it."""
    try:
        target = catalogue.make(name, mode, has_links=plan.nemesis in (*nemesis.LINK_KINDS, "mix"), seed=plan.seed)
        refuse_impossible(target, plan)
    except PlanError as problem:
        refuse(str(problem))
    return target


def _give_up(sentence: str) -> NoReturn:
    """End the command because what was begun came to nothing: nobody knows."""
    raise Refusal(sentence, EXIT_STATUS[Validity.UNKNOWN])


def _run(name: str, target: Target, plan: Plan, as_json: bool, keep: Callable[[Result], None]) -> Result:
    """Carry out a plan. `keep` is given what there is of a run that is broken off."""

    def say(text: str) -> None:
        if not as_json:
            console.print(f"[dim]{escape(name)}: {escape(text)}[/]", soft_wrap=True)

    try:
        return run_plan(target, plan, say)
    except RunInterrupt as stop:
        keep(stop.result)
        raise


@contextmanager
def _ended_by_a_signal() -> Iterator[None]:
    """Have Ctrl-C and SIGTERM end a run once: what was started is stopped, and further signals do not disturb that."""

    def leave(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, leave) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        _give_up("interrupted; everything that was started is stopped")
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class _Files:
    """The files that a run writes; whether they can be written is asked before it begins.

    Where that changes while it goes on, its findings are told all the same; `status` is then how the command ends.
    """

    def __init__(self, report: Path | None, history: Path | None) -> None:
        self._report = report
        self._history = history
        self._page: Any = _load("trilemma.check.report.page", "--report") if report is not None else None
        self._writer: Any = _load("trilemma.check.formats.writer", "--history") if history is not None else None
        self.status = 0

    def ask(self, suffix: str = "") -> None:
        """Refuse what cannot be written, by opening it as it will be; what was not there is not left behind."""
        for path in (self._name(each, suffix) for each in (self._report, self._history) if each is not None):
            was_there = path.exists()
            try:
                with path.open("ab"):
                    pass
                if not was_there:
                    path.unlink()
            except OSError as problem:
                refuse(f"{path} cannot be written: {problem.strerror or problem}")

    def write(self, result: Result, suffix: str = "") -> None:
        """Write the files of a run; say what could not be written."""
        if self._report is not None:
            path = self._name(self._report, suffix)
            self._attempt(path, lambda: path.write_text(self._page.render(result.report), encoding="utf-8"))
        if self._history is not None:
            path = self._name(self._history, suffix)
            self._attempt(path, lambda: self._write_history(path, result))

    def _write_history(self, path: Path, result: Result) -> None:
        with path.open("wb") as file:
            self._writer.write(file, result.operations, result.report.faults)

    def _attempt(self, path: Path, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as problem:
            self.status = NOT_WRITTEN
            said = f"{path} could not be written: {problem.strerror or problem}; the findings stand all the same"
            errors.print(f"[bold red]trilemma:[/] {escape(said)}", soft_wrap=True)

    @staticmethod
    def _name(path: Path, suffix: str) -> Path:
        safe = "".join(sign if sign.isalnum() or sign in "-." else "_" for sign in suffix)
        return path.with_stem(f"{path.stem}-{safe}") if suffix else path


def _load(module: str, option: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        refuse(f"{option} is not possible: this installation has no {module}")
