"""`trilemma trial`: what must hold on real processes and disks, tried and measured."""

from collections.abc import Callable
from typing import Annotated

import typer
from rich.table import Table

from trilemma.check.fuzz import CASES
from trilemma.cli.console import AsJson, console, print_json, refuse
from trilemma.trial.absence import absence as run_absence
from trilemma.trial.bench import Bench
from trilemma.trial.checking import MILLION
from trilemma.trial.checking import checking as run_checking
from trilemma.trial.crashes import Crashes
from trilemma.trial.divergence import divergence as run_divergence
from trilemma.trial.failover import failover as run_failover
from trilemma.trial.fuzzing import fuzzing as run_fuzzing
from trilemma.trial.report import Report
from trilemma.trial.searching import searching as run_searching
from trilemma.trial.starts import starts as run_starts
from trilemma.trial.transactions import transactions as run_transactions

app = typer.Typer(
    help="Campaigns on real processes and disks; exit status 1 if a promise did not hold.", no_args_is_help=True
)


@app.command()
def crashes(
    rounds: Annotated[int, typer.Option(min=1, help="How many times to kill.")] = 200,
    seed: Annotated[int, typer.Option(help="What is killed when.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Kill -9 a random node, or all, under load: nothing acknowledged is lost, and all come back."""
    _show(Crashes(rounds, seed, _sayer(as_json)).run(), as_json)


@app.command()
def failover(
    rounds: Annotated[int, typer.Option(min=1, help="How many times to kill the leader.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Kill -9 the leader of a cp keyspace: how long until the others write again."""
    _show(run_failover(rounds, _sayer(as_json)), as_json)


@app.command()
def divergence(
    writes: Annotated[int, typer.Option(min=2, help="Writes on each side of the cut.")] = 10_000,
    as_json: AsJson = False,
) -> None:
    """Write on both sides of a cut of an ap keyspace: how long after healing all replicas agree."""
    _show(run_divergence(writes, _sayer(as_json)), as_json)


@app.command()
def absence(
    writes: Annotated[int, typer.Option(min=1, help="Writes while a node is away, per keyspace.")] = 1_000_000,
    as_json: AsJson = False,
) -> None:
    """Write very much while a node is down: it comes back by a snapshot, and disks stay bounded."""
    _show(run_absence(writes, _sayer(as_json)), as_json)


@app.command()
def starts(
    count: Annotated[int, typer.Option(min=1, help="How many starts in a row.")] = 100, as_json: AsJson = False
) -> None:
    """Start and stop trilemma.local() many times: quick, and nothing left behind."""
    _show(run_starts(count, _sayer(as_json)), as_json)


@app.command()
def checking(
    operations: Annotated[int, typer.Option(min=1_000, help="Register operations in a history.")] = MILLION,
    seed: Annotated[int, typer.Option(help="Of the histories.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Judge a long recorded history: how long it takes, parsing included."""
    _show(run_checking(operations, seed, _sayer(as_json)), as_json)


@app.command()
def searching(
    histories: Annotated[int, typer.Option(min=1, help="How many histories to judge.")] = 200,
    seed: Annotated[int, typer.Option(help="The first history's; odd ones have a stale read.")] = 0,
    unsure: Annotated[float, typer.Option(min=0, max=1, help="Share of operations that are never answered.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Judge busy histories (50 clients, 1,700 gets, puts and appends): how long each takes, and that it is right."""
    _show(run_searching(histories, seed, unsure, _sayer(as_json)), as_json)


@app.command()
def fuzzing(
    models: Annotated[list[str] | None, typer.Argument(help="Models by name; all of them if none is named.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Histories per model.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Which histories.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Judge random small histories of every model with the checkers and by brute force: no disagreement."""
    unknown = sorted(set(models or ()) - set(CASES))
    if unknown:
        refuse(f"there is no model {unknown[0]!r}: {', '.join(CASES)}")
    _show(run_fuzzing(rounds, seed, models or (), _sayer(as_json)), as_json)


@app.command()
def transactions(
    count: Annotated[int, typer.Option(min=1_000, help="Transactions in a history.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of the histories.")] = 0,
    as_json: AsJson = False,
) -> None:
    """How long the checker takes for histories of list-append transactions, sound and broken."""
    _show(run_transactions(count, seed, _sayer(as_json)), as_json)


def bench(
    requests: Annotated[int, typer.Option(min=1_000, help="Requests of a run without pipelines.")] = 50_000,
    keys: Annotated[int, typer.Option(min=1, help="Keys loaded to measure memory and disk.")] = 1_000_000,
    as_json: AsJson = False,
) -> None:
    """Speed beside a redis-server in the same minutes, memory, bytes on disk."""
    try:
        _show(Bench(requests, keys, _sayer(as_json)).run(), as_json)
    except FileNotFoundError as problem:
        refuse(str(problem))


def _sayer(as_json: bool) -> Callable[[str], None]:
    def say(text: str) -> None:
        if not as_json:
            console.print(f"[dim]{text}[/]", soft_wrap=True)

    return say


def _show(report: Report, as_json: bool) -> None:
    if as_json:
        print_json({"trial": report.name, "figures": report.figures, "broken": report.broken})
    else:
        table = Table(title=report.name, title_justify="left", show_header=False)
        for name, value in report.figures.items():
            table.add_row(name, str(value))
        console.print(table)
        for sentence in report.broken:
            console.print(f"[bold red]broken:[/] {sentence}", soft_wrap=True)
        if not report.broken:
            console.print("[bold green]held[/]")
    if report.broken:
        raise typer.Exit(1)
