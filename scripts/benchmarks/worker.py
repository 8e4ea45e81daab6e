"""One bench in a process of its own: `python -m scripts.benchmarks.worker ORDER`, with the order in JSON.

It ends as after Ctrl-C once its standard input ends.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import tempfile
from collections.abc import Awaitable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, cast

from podline_cli.errors import CommandError
from sandbox.caller_signalling import CallFailedError
from scripts.benchmarks.benches import Bench, bench_named
from scripts.benchmarks.running.results import COMPLETE, Results, ResultsFile, make_header
from scripts.benchmarks.running.run import BenchProgress, BenchRun
from scripts.benchmarks.running.tables import SPREAD, Table
from scripts.benchmarks.running.until_end_of_input import interrupt_at_end_of_input

INTERRUPTED: Final = 130
EXPECTED: Final = (CommandError, CallFailedError, AssertionError)
"""Errors whose text says what a program or a caller met. Any other is shown with where it came from."""


class BenchModule(Protocol):
    """What each bench's module has."""

    def measure(self, run: BenchRun) -> Awaitable[None]:
        """Measure, and write each result at once."""

    def table(self, results: Results) -> Table:
        """Return the table of what was measured so far."""


@dataclass(frozen=True)
class Order:
    """What a bench is told.

    Attributes:
        bench: Its name.
        count: How many of what it measures.
        is_small: True if it only has to show that it works.
        seed: For random choices.
        subject: A revision or a checkout, for a bench that takes one.
        results: The folder for its results.
        options: Those that only some benches have, by name, as far as they were given.
    """

    bench: str
    count: int
    is_small: bool
    seed: int
    subject: str
    results: str
    options: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def module_of(bench: Bench) -> BenchModule:
    """Import a bench's module. Some take seconds to import."""
    return cast("BenchModule", importlib.import_module(f"scripts.benchmarks.{bench.module}"))


def carry_out(order: Order, directory: Path) -> int:
    """Run the bench and return its exit code. Results so far are written and shown, however it ends."""
    bench = bench_named(order.bench)
    assert bench is not None  # noqa: S101 - checked where the order was made
    options = {name: value for name, value in (("seed", order.seed), ("subject", order.subject)) if value}
    options |= order.options
    results = ResultsFile(Path(order.results), make_header(order.bench, order.count, bench.unit, options))
    progress = BenchProgress.to_standard_error(order.bench)
    progress.doing("importing")
    module = module_of(bench)
    run = BenchRun(
        directory, results, progress, order.count, order.is_small, order.seed, order.subject, order.options
    )
    end, code = COMPLETE, 0
    try:
        asyncio.run(_measure(module, run))
    except (KeyboardInterrupt, asyncio.CancelledError):
        end, code = "interrupted", INTERRUPTED
    except Exception as error:
        end, code = f"failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}", 1
        if not isinstance(error, EXPECTED):
            raise
        sys.stderr.write(f"{error}\n")
    finally:
        results.end(end)
        progress.close()
        show(module, results.path)
    for fault in run.faults:
        sys.stderr.write(f"{fault}\n")
    return code or bool(run.faults)


async def _measure(module: BenchModule, run: BenchRun) -> None:
    await module.measure(run)


def show(module: BenchModule, file: Path) -> None:
    """Print the table of what was measured, and where the values are."""
    results = Results.read(file)
    state = "" if results.end == COMPLETE else f"Not complete ({results.end}).\n"
    if results.samples or results.rows:
        print(f"{results.header}\n{SPREAD}\n{state}\n{module.table(results).text()}\n")
    print(f"Values: {file}")
    sys.stdout.flush()


def main() -> None:
    interrupt_at_end_of_input()
    order = Order(**json.loads(sys.argv[1]))
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as directory:
            sys.exit(carry_out(order, Path(directory)))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
