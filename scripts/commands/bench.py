"""`scripts/bench`: measure, show figures, and keep them."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table as RichTable

from podline_cli.errors import CommandError
from scripts.benchmarks.benches import BENCHES, OF_ALL, Bench, bench_named
from scripts.benchmarks.running.run import clock
from scripts.benchmarks.running.supervision import run_supervised
from scripts.benchmarks.worker import Order
from scripts.commands.console import run_command
from scripts.commands.programs import ROOT, run_program

RESULTS: Final = Path(".bench")
_ALL: Final = "all"
_DOCUMENT: Final = "document"
_BUILDS: Final = ("testing.builds.node", "testing.builds.images")
"""What a node needs. In namespaces of their own, there is no network to get it over."""


def bench(  # noqa: PLR0913 - each is an option
    name: Annotated[
        str, typer.Argument(help="A bench of --list; 'all'; or 'document', which writes docs/benchmarks.md.")
    ] = "",
    subject: Annotated[str, typer.Argument(help="A revision for 'against', a checkout for 'examples'.")] = "",
    *,
    count: Annotated[
        int, typer.Option(min=0, help="How many calls, sessions or inputs; 0 for the number in --list.")
    ] = 0,
    small: Annotated[
        bool, typer.Option("--small", help="Run a small version, which only shows that the bench works.")
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="The seed of another run, to make the same random choices.")
    ] = 0,
    minutes: Annotated[int, typer.Option(min=0, help="Of 'faults': how long faults strike.")] = 0,
    live: Annotated[int, typer.Option(min=0, help="Of 'faults': how many sessions are live.")] = 0,
    listed: Annotated[int, typer.Option(min=0, help="Of 'faults' and 'warm': sessions that are listed.")] = 0,
    rate: Annotated[float, typer.Option(min=0, help="Of 'faults': starts a second, and ends.")] = 0,
    replicas: Annotated[int, typer.Option(min=0, help="Of 'faults': controllers.")] = 0,
    pool: Annotated[int, typer.Option(min=0, help="Of 'warm': how many warm bots a cluster has.")] = 0,
    results: Annotated[Path, typer.Option(help="The directory for results.")] = RESULTS,
    list_: Annotated[bool, typer.Option("--list", help="List the benches.")] = False,
) -> None:
    """Measure Podline on this machine, beside something bare wherever that makes sense."""
    if list_ or not name:
        show_list()
        return
    if name == _DOCUMENT:
        # Imports every bench, to make its table.
        from scripts.benchmarks.document import write_document  # noqa: PLC0415

        write_document(results)
        return
    given = {"live": live, "listed": listed, "rate": rate, "replicas": replicas, "pool": pool}
    options = {option: value for option, value in given.items() if value}
    if name != _ALL:
        bench = known(name)
        check_options(bench, [*options, *(["minutes"] if minutes else [])])
        order = order_of(bench, subject, count or minutes, seed, results, is_small=small)
        run_bench(replace(order, options=options))
        return
    if count or subject or seed or minutes or options:
        raise CommandError("'all' chooses for each bench: leave out --count, --seed and the subject.", code=2)
    run_all([order_of(each, "", 0, 0, results, is_small=small) for each in OF_ALL])


def known(name: str) -> Bench:
    found = bench_named(name)
    if found is None:
        raise CommandError(f"There is no bench '{name}': scripts/bench --list names them.", code=2)
    return found


def check_options(bench: Bench, given: Sequence[str]) -> None:
    """Refuse options that are another bench's. A bench that counts minutes takes --minutes as --count."""
    for option in given:
        if option not in (*bench.options, bench.unit):
            raise CommandError(f"'{bench.name}' takes no --{option}: --list shows what it measures.", code=2)


def order_of(bench: Bench, subject: str, count: int, seed: int, results: Path, *, is_small: bool) -> Order:
    """Check what was asked for, and fill in what was not."""
    if subject and not bench.subject:
        raise CommandError(f"'{bench.name}' takes no '{subject}': it is about this checkout.", code=2)
    subject = subject or bench.default_subject or ""
    if bench.subject and not subject:
        raise CommandError(
            f"'{bench.name}' needs {bench.needs}: scripts/bench {bench.name} {bench.subject}", code=2
        )
    if seed and not bench.is_random:
        raise CommandError(f"'{bench.name}' draws nothing by chance: leave out --seed.", code=2)
    if bench.is_random:
        seed = seed or secrets.randbelow(2**32)
    count = count or (bench.small if is_small else bench.count)
    return Order(bench.name, count, is_small, seed, subject, str(results.absolute()))


def run_all(orders: Sequence[Order]) -> None:
    """Run benches one after another. One that fails keeps none of the others from running."""
    failed = []
    began = time.monotonic()
    for number, order in enumerate(orders, 1):
        remaining = sum(known(each.bench).minutes for each in orders[number - 1 :])
        about = "" if order.is_small else f", about {clock(remaining * 60)} remain"
        _say(f"== {order.bench}, {number} of {len(orders)}, after {clock(time.monotonic() - began)}{about}")
        try:
            run_bench(order)
        except CommandError as error:
            _say(str(error))
            failed.append(order.bench)
    if failed:
        raise CommandError(f"Not completed: {', '.join(failed)}. What they measured is kept.")


def run_bench(order: Order) -> None:
    """Run one bench in a process of its own, and leave no process behind."""
    bench = known(order.bench)
    if bench.is_in_nodes:
        prepare_nodes()
    command: list[str | Path] = [sys.executable, "-m", "scripts.benchmarks.worker", order.as_json()]
    if bench.is_in_nodes:
        command.insert(0, ROOT / "testing" / "node" / "namespaces.sh")
    if sys.platform != "linux":
        raise CommandError("Benches read /proc and adopt processes as only Linux can: run them there.")
    with tempfile.TemporaryDirectory(prefix="podline-bench-", ignore_cleanup_errors=True) as directory:
        # Nodes have a directory of their own, whose sockets may have no longer path.
        code = run_supervised(command, ROOT, {} if bench.is_in_nodes else {"TMPDIR": directory})
    if code:
        raise CommandError(f"'{order.bench}' failed; what it measured is kept in {order.results}.")


def prepare_nodes() -> None:
    if sys.platform != "linux" or os.getuid() != 0:
        raise CommandError("'node' needs Linux and root: it starts containerd in namespaces of its own.")
    for module in _BUILDS:
        lacking = "What a node needs is not there: 'scripts/test node' gets it."
        run_program([sys.executable, "-m", module], lacking, of_download=True)


def show_list() -> None:
    table = RichTable(box=None, pad_edge=False)
    for heading in ("bench", "measures", "how much", "minutes", "needs"):
        table.add_column(heading, no_wrap=heading != "needs")
    for each in BENCHES:
        name = f"{each.name} {each.subject}".strip()
        table.add_row(name, each.measures, f"{each.count:,} {each.unit}", f"{each.minutes:g}", each.needs)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that was typed; a mistake in it is one sentence."""
    try:
        app(arguments, standalone_mode=False, prog_name="scripts/bench")
    except typer.TyperException as error:
        sentence = error.format_message() if isinstance(error, typer.BadParameter) else str(error)
        raise CommandError(
            f"{sentence.rstrip('.')}: scripts/bench --help says what there is.", code=2
        ) from None


app = typer.Typer(add_completion=False, rich_markup_mode=None)
app.command()(bench)

if __name__ == "__main__":
    run_command(main)
