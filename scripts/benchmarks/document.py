"""The tables of docs/benchmarks.md and docs/faults.md, from the newest complete results of each bench."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from podline_cli.errors import CommandError
from scripts.benchmarks.benches import BENCHES
from scripts.benchmarks.running.results import Results, newest
from scripts.benchmarks.worker import module_of

PAGES: Final = Path(__file__).parents[2] / "docs"
_SECTION: Final = re.compile(r"(<!-- bench (?P<bench>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write_document(folder: Path, pages: Path = PAGES) -> None:
    """Put the newest complete results of each bench into its page; leave the others as they are."""
    found = {bench.name: results for bench in BENCHES if (results := newest(folder, bench.name)) is not None}
    if not found:
        raise CommandError(f"{folder} has no complete results: scripts/bench all measures them.")
    for name in sorted({bench.page for bench in BENCHES}):
        page = pages / name
        text = page.read_text(encoding="utf-8")
        page.write_text(with_results(text, found, section_of), encoding="utf-8")
    for bench in BENCHES:
        state = str(found[bench.name].header) if bench.name in found else f"{bench.name}: left as it was"
        print(state)


def with_results(text: str, found: Mapping[str, Results], section: Callable[[Results], str]) -> str:
    """Return the page with these results between the marks of their benches."""

    def replaced(match: re.Match[str]) -> str:
        results = found.get(match["bench"])
        return match[0] if results is None else f"{match[1]}{section(results)}\n{match[3]}"

    return _SECTION.sub(replaced, text)


def benches_in(text: str) -> list[str]:
    """Return the names of the benches that have a place in the page."""
    return [match["bench"] for match in _SECTION.finditer(text)]


def section_of(results: Results) -> str:
    """Return what the page shows of one bench: what was measured, when and where, and the table."""
    bench = next(each for each in BENCHES if each.name == results.header.bench)
    header = results.header
    options = "".join(f", {name} {value}" for name, value in header.options.items())
    what = f"{header.count:,} {header.unit}{options}; {header.date} UTC, commit {header.commit}"
    return f"\n{what}, {header.machine}.\n\n{module_of(bench).table(results).markdown()}\n"
